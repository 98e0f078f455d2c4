from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sarto.core.bench.manifest import read_manifest
from sarto.core.bench.records import COLUMNS, read_rows, read_ties
from sarto.core.bench.runner import BenchOptions, run_bench
from sarto.core.contract import Cancelled, OptionError, Reporter
from sarto.core.geometry import affine

from .conftest import WriteManifest
from .fakes import Faulty, Fixed, Stopping, make_fixed, making

QUICK = {"method": "fixed", "consistency": False}


def test_csv_has_exactly_these_columns_and_values(write_manifest: WriteManifest, tmp_path: Path) -> None:
    truth = ["1 0 3 0 1 4", "1 0 0 0 1 0", "1 0 1 0 1 0", ""]  # the method says identity: off by 5, 0, 1, 0 px
    manifest = read_manifest(write_manifest(truth=truth, set=["a", "a", "b", "b"], tight=["1", "0", "1", ""]))
    run_bench(manifest, BenchOptions(protocol="none", out=tmp_path / "o", **QUICK), make_method=making(Fixed()))
    lines = list(csv.reader((tmp_path / "o" / "pairs.csv").open()))
    assert ",".join(lines[0]) == (
        "pair_id,a11,a12,a13,a21,a22,a23,rmse,tie_points,ncm,verdict,seconds,peak_mb,evidence,"
        "set,tight,consistency_rmse,match_rmse,check_rmse,message"
    )
    cells = [dict(zip(COLUMNS, line, strict=True)) for line in lines[1:]]
    assert [c["pair_id"] for c in cells] == [f"place{i}/a" for i in range(4)]
    assert [lines[1][i] for i in range(1, 7)] == ["1", "0", "0", "0", "1", "0"]
    assert [float(c["rmse"]) for c in cells] == [5.0, 0.0, 1.0, 0.0]
    assert [c["ncm"] for c in cells] == ["0", "9", "9", "9"]
    assert [c["match_rmse"] for c in cells] == ["", "0.0000", "1.0000", "0.0000"]
    assert {c["tie_points"] for c in cells} == {"9"}
    assert [c["tight"] for c in cells] == ["1", "0", "1", ""]
    assert [c["set"] for c in cells] == ["a", "a", "b", "b"]
    assert all(c["verdict"] == "trusted" and float(c["evidence"]) == 0.75 for c in cells)
    assert all(float(c["seconds"]) >= 0 and float(c["peak_mb"]) > 10 for c in cells)


def test_failures_are_recorded_and_the_run_goes_on(write_manifest: WriteManifest, tmp_path: Path) -> None:
    manifest = read_manifest(write_manifest())
    options = BenchOptions(protocol="none", out=tmp_path, **QUICK)
    result = run_bench(manifest, options, make_method=making(Faulty()))
    broken, refused = result.rows[1], result.rows[2]
    assert (broken.verdict, broken.message) == ("failed", "ZeroDivisionError: no\nluck")
    assert (refused.verdict, refused.message) == ("not trusted", "Nothing fits.")
    assert broken.affine is None
    assert refused.affine is None
    row = (tmp_path / "pairs.csv").read_text().splitlines()[2]
    assert row.startswith("place1/a,,,,,,,,0,0,failed,")
    assert row.endswith("ZeroDivisionError: no luck")
    overall = result.groups["all"]
    assert overall.failed == 1
    assert overall.no_transform.value == 0.5
    assert overall.rmse_mean == 10.0  # two at 0, two capped at 20
    assert "broke down on 1 pair" in result.text()


def without(path: Path, measures: tuple[str, ...]) -> None:
    """Make a file as it was before these were measured."""
    kept = [k for k, name in enumerate(COLUMNS) if name not in measures]
    lines = list(csv.reader(path.open()))
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([[line[k] for k in kept] for line in lines])


@pytest.mark.parametrize("measures", [("check_rmse",), ("match_rmse", "check_rmse")])
def test_files_of_before_a_measure_was_added_are_read_and_resumed(
    write_manifest: WriteManifest, tmp_path: Path, measures: tuple[str, ...]
) -> None:
    manifest = read_manifest(write_manifest(tight=["1", "1", "0", "0"]))
    first = BenchOptions(protocol="none", out=tmp_path, limit=2, **QUICK)
    before = run_bench(manifest, first, make_method=making(Faulty())).rows
    without(tmp_path / "pairs.csv", measures)
    after = read_rows(tmp_path / "pairs.csv")
    assert [(r.pair_id, r.ncm, r.verdict, r.tight) for r in after] == [
        (r.pair_id, r.ncm, r.verdict, r.tight) for r in before
    ]
    assert after[1].message == "ZeroDivisionError: no luck"
    assert np.isnan([getattr(r, name) for r in after for name in measures]).all()
    whole = BenchOptions(protocol="none", out=tmp_path, resume=True, **QUICK)
    run_bench(manifest, whole, make_method=making(Fixed()))
    assert len(read_rows(tmp_path / "pairs.csv")) == 4
    assert (tmp_path / "pairs.csv").read_text().startswith(",".join(COLUMNS))


def test_warm_up_is_not_counted(write_manifest: WriteManifest, tmp_path: Path) -> None:
    method = Fixed()
    options = BenchOptions(protocol="none", out=tmp_path, **QUICK)
    result = run_bench(read_manifest(write_manifest()), options, make_method=making(method))
    assert method.asked == 5
    assert len(result.rows) == 4


@pytest.mark.parametrize("protocol", ["tar", "shuffled"])
def test_images_and_truth_do_not_depend_on_the_order(
    write_manifest: WriteManifest, tmp_path: Path, protocol: str
) -> None:
    found = []
    for name, order in (("one.csv", [0, 1, 2, 3]), ("two.csv", [3, 1, 0, 2])):
        manifest = read_manifest(write_manifest(order=order, name=name))
        options = BenchOptions(protocol=protocol, out=tmp_path / name, seed=4, **QUICK)
        found.append(run_bench(manifest, options, make_method=making(Fixed())))
    assert found[0].images == found[1].images
    rmse = [{r.pair_id: r.rmse for r in result.rows} for result in found]
    assert rmse[0] == rmse[1] or protocol == "shuffled"
    other = BenchOptions(protocol=protocol, out=tmp_path / "other", seed=5, **QUICK)
    manifest = read_manifest(write_manifest())
    assert run_bench(manifest, other, make_method=making(Fixed())).images != found[0].images


def test_interrupt_keeps_what_is_there_and_resume_goes_on(write_manifest: WriteManifest, tmp_path: Path) -> None:
    manifest = read_manifest(write_manifest())
    options = BenchOptions(protocol="tar", out=tmp_path, ties=True, **QUICK)
    first = run_bench(manifest, options, make_method=making(Stopping()))
    assert first.interrupted
    assert len(first.rows) == 2
    assert json.loads((tmp_path / "summary.json").read_text())["interrupted"]
    with (tmp_path / "pairs.csv").open("a") as file:
        file.write("place2/a,1,0,0")  # killed while writing
    method = Fixed()
    resumed = BenchOptions(protocol="tar", out=tmp_path, ties=True, resume=True, **QUICK)
    second = run_bench(manifest, resumed, make_method=making(method))
    assert method.asked == 1 + 2
    assert [r.pair_id for r in read_rows(tmp_path / "pairs.csv")] == [p.pair_id for p in manifest.pairs]
    assert not second.interrupted
    whole = run_bench(manifest, BenchOptions(protocol="tar", out=tmp_path / "b", ties=True, **QUICK),
                      make_method=making(Fixed()))  # fmt: skip
    assert [r.rmse for r in whole.rows] == pytest.approx([r.rmse for r in second.rows], abs=1e-3)
    assert whole.images == second.images
    assert len(read_ties(tmp_path / "ties.csv.gz").pair_id) == len(
        read_ties(tmp_path / "b" / "ties.csv.gz").pair_id
    )


def test_resume_refuses_rows_of_something_else(write_manifest: WriteManifest, tmp_path: Path) -> None:
    manifest = read_manifest(write_manifest())
    run_bench(manifest, BenchOptions(protocol="tar", out=tmp_path, **QUICK), make_method=making(Fixed()))
    other = BenchOptions(protocol="tar", out=tmp_path, seed=1, resume=True, **QUICK)
    with pytest.raises(OptionError, match="seed was 0, now it is 1"):
        run_bench(manifest, other, make_method=making(Fixed()))


def test_cancel_through_the_reporter(write_manifest: WriteManifest, tmp_path: Path) -> None:
    def stop(_stage: str, fraction: float) -> None:
        if fraction >= 0.5:
            raise Cancelled()

    options = BenchOptions(protocol="tar", out=tmp_path, **QUICK)
    result = run_bench(read_manifest(write_manifest()), options, Reporter(stop), making(Fixed()))
    assert result.interrupted
    assert len(result.rows) == 2


def test_several_processes_give_the_same_rows(write_manifest: WriteManifest, tmp_path: Path) -> None:
    manifest = read_manifest(write_manifest())
    one = run_bench(manifest, BenchOptions(protocol="tar", out=tmp_path / "1", **QUICK), make_method=make_fixed)
    two = run_bench(
        manifest, BenchOptions(protocol="tar", out=tmp_path / "2", jobs=2, **QUICK), make_method=make_fixed
    )
    assert [(r.pair_id, r.rmse) for r in one.rows] == [(r.pair_id, r.rmse) for r in two.rows]
    assert one.images == two.images


class Knowing(Fixed):
    """Answers a given error in the SAR chip, whatever the window and the warp."""

    def __init__(self, errors: list[tuple[float, float]], store: list[tuple[np.ndarray, np.ndarray]]) -> None:
        super().__init__()
        self.errors, self.store = errors, store

    def register(self, sample, search, reporter):  # type: ignore[no-untyped-def]
        truth, to_chip = self.store[self.asked]
        error = np.column_stack([np.eye(2), self.errors[self.asked]])
        wrong_in_chip = affine.compose(error, affine.compose(to_chip, truth))
        self.affine = affine.compose(affine.invert(to_chip), wrong_in_chip)
        return super().register(sample, search, reporter)


def test_consistency_does_not_see_the_published_alignment(write_manifest: WriteManifest, tmp_path: Path) -> None:
    """Both warps lead to the same place of the SAR chip: consistent, though off by (4, 3) from the truth."""
    from sarto.core.bench.samples import SampleStore

    manifest = read_manifest(write_manifest(1))
    samples = [SampleStore(tmp_path / "s", manifest, "tar", seed).get(manifest.pairs[0]) for seed in (0, 1)]
    known = [(s.truth, s.to_chip) for s in (samples[0], samples[0], samples[1])]  # the first is the warm-up
    options = BenchOptions(method="fixed", protocol="tar", out=tmp_path / "o", samples=tmp_path / "s")
    same = run_bench(manifest, options, make_method=making(Knowing([(4, 3)] * 3, known)))  # type: ignore[arg-type]
    assert same.rows[0].rmse > 3
    assert same.rows[0].consistency_rmse == pytest.approx(0, abs=1e-6)
    drift = Knowing([(4, 3), (4, 3), (4, 5)], known)  # type: ignore[arg-type]
    other = run_bench(manifest, options, make_method=making(drift))
    assert other.rows[0].consistency_rmse == pytest.approx(2.0, abs=1e-6)
    assert other.groups["all"].consistency is not None
    assert other.groups["all"].consistency["1"].value == 0
    assert other.groups["all"].consistency["3"].value == 1


def test_a_failed_second_warp_is_not_consistent(write_manifest: WriteManifest, tmp_path: Path) -> None:
    options = BenchOptions(method="fixed", protocol="tar", out=tmp_path)
    result = run_bench(read_manifest(write_manifest(1)), options, make_method=making(Faulty()))
    assert np.isnan(result.rows[0].consistency_rmse)
    assert result.groups["all"].consistency is not None
    assert result.groups["all"].consistency["3"].value == 0


def test_ties_are_recorded_with_error_and_features(write_manifest: WriteManifest, tmp_path: Path) -> None:
    manifest = read_manifest(write_manifest(2, truth=["1 0 3 0 1 4", ""]))
    options = BenchOptions(protocol="none", out=tmp_path, ties=True, **QUICK)
    run_bench(manifest, options, make_method=making(Fixed()))
    table = read_ties(tmp_path / "ties.csv.gz")
    assert table.pair_id == ["place0/a"] * 12 + ["place1/a"] * 12
    np.testing.assert_allclose(table.columns["error"], [5.0] * 12 + [0.0] * 12, atol=1e-4)
    np.testing.assert_allclose(table.columns["peak"], 2 * table.columns["confidence"], rtol=1e-4)
    assert table.columns["inlier"].sum() == 18


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"protocol": "tarr"}, "'tarr' is not known"), ({"limit": 0}, "--limit 0"), ({"range": "far"}, "'far'")],
)
def test_bad_options_are_refused(
    write_manifest: WriteManifest, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    options = BenchOptions(**{"protocol": "tar", "out": tmp_path, **QUICK, **changes})  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=message):
        run_bench(read_manifest(write_manifest()), options, make_method=making(Fixed()))


def test_unknown_method_is_refused_before_anything_runs(write_manifest: WriteManifest, tmp_path: Path) -> None:
    manifest = read_manifest(write_manifest())
    with pytest.raises(OptionError, match="peer:sift"):
        run_bench(manifest, BenchOptions(method="peer:sfit", protocol="tar", out=tmp_path))
