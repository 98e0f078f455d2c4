"""Tables of all methods, from results that the bench itself has written."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from sarto.core.bench.compare import ANY_METHOD, markdown, tables, to_json
from sarto.core.bench.finished import read_finished
from sarto.core.bench.manifest import read_manifest
from sarto.core.bench.methods import Answer, MethodOptions
from sarto.core.bench.protocols import Sample
from sarto.core.bench.records import PairLog, Row
from sarto.core.bench.runner import BenchOptions, run_bench
from sarto.core.bench.summary import summarise
from sarto.core.contract import InputError, Reporter, SearchRange

from .conftest import WriteManifest
from .fakes import Fixed, making

IDENTITY = np.eye(2, 3)


def write_run(
    folder: Path, rows: list[Row], method: str = "tar", protocol: str = "promptmid", **more: object
) -> Path:
    """A bench with these rows."""
    log = PairLog(folder / "pairs.csv")
    for row in rows:
        log.add(row)
    log.close()
    noted = {"method": method, "protocol": protocol, "manifest": "0123456789ab", "seed": 0, "search": {}, **more}
    (folder / "bench.json").write_text(json.dumps(noted))
    return folder


def make_rows(rmse: list[float], ncm: int = 40, match_rmse: float = 1.5, verdict: str = "trusted") -> list[Row]:
    """One per error; every second pair is tight."""
    return [
        Row(
            f"p{i}", None if math.isnan(e) else IDENTITY, e, 50, ncm, verdict, 1.0, 1.0, 0.5,
            tight=i % 2 == 0, match_rmse=match_rmse,
        )
        for i, e in enumerate(rmse)
    ]  # fmt: skip


def shown(text: str, protocol: str, with_any: bool = False) -> list[dict[str, str]]:
    """The lines of a protocol's table by their heads. with_any: also those of no single method."""
    section = text.split(f"## `{protocol}`\n")[1].split("##")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    found = [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]
    return [line for line in found if with_any or line["method"] != ANY_METHOD]


def page(*folders: Path) -> str:
    return markdown(tables(read_finished(list(folders))))


class Offset(Fixed):
    """Off by so many pixels from the truth."""

    def __init__(self, pixels: float) -> None:
        super().__init__()
        self.pixels = pixels

    def register(self, sample: Sample, search: SearchRange, reporter: Reporter) -> Answer:
        truth = IDENTITY if sample.truth is None else sample.truth
        self.affine = truth + np.array([[0, 0, self.pixels], [0, 0, 0]])
        return super().register(sample, search, reporter)


def test_what_the_bench_writes_comes_out_as_a_table(write_manifest: WriteManifest, tmp_path: Path) -> None:
    manifest = read_manifest(write_manifest(tight=["1", "1", "0", ""]))

    def bench(method: str, protocol: str, pixels: float, **more: object) -> None:
        options = BenchOptions(
            method=method, protocol=protocol, out=tmp_path / "out" / method / protocol, consistency=False, **more
        )  # type: ignore[arg-type]
        run_bench(manifest, options, make_method=making(Offset(pixels)))

    bench("near", "promptmid", 2.0)
    bench("far", "promptmid", 4.0, only_tight=True, engine=MethodOptions(weights="runs/new.safetensors"))
    bench("near", "shuffled", 2.0)
    text = page(tmp_path / "out")
    lines = shown(text, "promptmid")
    assert [(line["pairs"], line["method"], line["n"]) for line in lines] == [
        ("data/pairs.csv, tight", "`far (new)`", "2"),
        ("data/pairs.csv, tight", "`near`", "2"),
        ("data/pairs.csv, all", "`near`", "4"),
    ]
    far, near = lines[0], lines[2]
    assert (near["CMR@3"], near["CMR@5"]) == ("100.0 (51–100)", "100.0 (51–100)")
    assert (far["CMR@3"], far["CMR@5"]) == ("0.0 (0–66)", "100.0 (34–100)")
    assert (near["SR"], near["NCM"], near["RMSE, px"]) == ("0.0 (0–49)", "–", "–")  # nine tie points only
    assert near["trusted of those within 3 px"] == "100.0 (51–100)"
    assert far["trusted, yet more than 5 px off"] == "0.0 (0–66)"
    assert shown(text, "shuffled")[1] == {
        "pairs": "data/pairs.csv, all", "method": "`near`", "n": "4", "trusted": "100.0 (51–100)"
    }  # fmt: skip
    assert text.index("`promptmid`\n") < text.index("`shuffled`\n")


def test_figures_are_those_of_the_summary(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    verdicts = np.array(["trusted", "usable with care", "not trusted", "failed"])
    rows = [
        Row(f"p{i}", IDENTITY, math.nan if i % 9 == 0 else rng.uniform(0, 9), 50, int(rng.integers(0, 30)),
            str(rng.choice(verdicts)), 1.0, 1.0, 0.5, tight=i < 20, match_rmse=rng.uniform(0.5, 2))
        for i in range(50)
    ]  # fmt: skip
    (tight, whole) = tables(read_finished([write_run(tmp_path / "a", rows)]))["promptmid"]
    for line, members in ((tight, rows[:20]), (whole, rows)):
        s = summarise(members, has_truth=True, has_consistency=False)
        assert s.cmr is not None
        shares = [s.cmr["3"], s.cmr["5"], s.success, s.trusted_of_good, s.wrongly_trusted]
        found = {c.measure.head: c for c in line.cells}
        heads = ["CMR@3", "CMR@5", "SR", "trusted of those within 3 px", "trusted, yet more than 5 px off"]
        assert [found[head].interval for head in heads] == shares
        assert found["NCM"].value == pytest.approx(s.ncm_of_success)
        assert found["RMSE, px"].value == pytest.approx(s.match_rmse, abs=1e-4)  # four digits are written


def test_other_protocols_have_no_matches_to_count(tmp_path: Path) -> None:
    text = page(write_run(tmp_path / "a", make_rows([1.0]), protocol="georef"))
    assert set(shown(text, "georef")[0]) == {
        "pairs", "method", "n", "CMR@3", "CMR@5",
        "trusted of those within 3 px", "trusted, yet more than 5 px off",
    }  # fmt: skip


def test_the_best_is_bold_only_where_its_lead_is_beyond_chance(tmp_path: Path) -> None:
    base = [1.0] * 60 + [9.0] * 40
    better = [1.0] * 80 + [9.0] * 20
    hardly = [1.0] * 80 + [4.0] + [9.0] * 19
    folders = [write_run(tmp_path / "a", make_rows(base, match_rmse=1.2, ncm=70), "a")]
    folders.append(write_run(tmp_path / "b", make_rows(better, match_rmse=1.4, ncm=50), "b"))
    a, b = shown(page(*folders), "promptmid")[2:]
    assert (a["CMR@3"], b["CMR@3"]) == ("60.0 (50–69)", "**80.0** (71–87)")
    assert (a["NCM"], b["NCM"]) == ("**70**", "50")
    assert (a["RMSE, px"], b["RMSE, px"]) == ("**1.20**", "1.40")  # less is better
    assert (a["trusted, yet more than 5 px off"], b["trusted, yet more than 5 px off"]) == (
        "40.0 (31–50)", "**20.0** (13–29)",
    )  # fmt: skip
    folders.append(write_run(tmp_path / "c", make_rows(hardly), "c"))
    lines = shown(page(*folders), "promptmid")[3:]
    assert [line["CMR@3"] for line in lines] == ["60.0 (50–69)", "80.0 (71–87)", "80.0 (71–87)"]
    assert [line["CMR@5"] for line in lines] == ["60.0 (50–69)", "80.0 (71–87)", "81.0 (72–87)"]


def test_methods_that_saw_other_pairs_are_not_held_against_each_other(tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", make_rows([9.0] * 60), "a")
    b = write_run(tmp_path / "b", make_rows([1.0] * 50), "b")
    assert "**" not in page(a, b)


def test_what_was_not_measured_is_a_dash_or_no_row(tmp_path: Path) -> None:
    old = write_run(tmp_path / "old", make_rows([1.0] * 30, match_rmse=math.nan), "old")
    peer = write_run(tmp_path / "peer", make_rows([1.0] * 30, verdict=""), "peer:sift")
    write_run(tmp_path / "begun", [], "begun")
    found = shown(page(old, peer, tmp_path / "begun"), "promptmid")[2:]
    assert len(found) == 2
    assert (found[0]["RMSE, px"], found[0]["NCM"]) == ("–", "40")
    assert found[1]["RMSE, px"] == "1.50"
    assert found[1]["trusted of those within 3 px"] == found[1]["trusted, yet more than 5 px off"] == "–"
    told = to_json(tables(read_finished([old])))[1]
    assert told["n"] == 30
    assert json.loads(json.dumps(told))["figures"]["RMSE, px"] is None
    assert told["figures"]["NCM"] == {"value": 40.0, "best": False}  # type: ignore[index]


def test_manifests_are_kept_apart_and_called_as_asked(tmp_path: Path) -> None:
    here = write_run(tmp_path / "a", make_rows([1.0] * 4))
    there = write_run(tmp_path / "b", make_rows([9.0] * 6), manifest="ba9876543210")
    runs = read_finished([here, there], {"ba9876543210": "Others"})
    assert [(line.pairs, line.group, line.count) for line in tables(runs)["promptmid"]] == [
        ("manifest 0123456789ab", "tight", 2),
        ("Others", "tight", 3),
        ("manifest 0123456789ab", "all", 4),
        ("Others", "all", 6),
    ]


def test_the_same_twice_is_refused_and_both_are_named(tmp_path: Path) -> None:
    first = write_run(tmp_path / "one", make_rows([1.0]))
    second = write_run(tmp_path / "two", make_rows([2.0]))
    with pytest.raises(InputError) as refused:
        read_finished([first, second])
    assert str(first) in refused.value.message
    assert str(second) in refused.value.message
    assert "'tar' under 'promptmid'" in refused.value.message
    assert len(read_finished([first, first, tmp_path / "two" / ".." / "one"])) == 1  # given twice is no matter
    for different in ({"method": "structural"}, {"protocol": "tar"}, {"control": True}, {"manifest": "f" * 12}):
        write_run(second, make_rows([2.0]), **different)
        assert len(read_finished([first, second])) == 2


@pytest.mark.parametrize("other", [{"seed": 1}, {"search": {"shift_px": 50}}])
def test_results_of_other_windows_or_ranges_are_not_compared(tmp_path: Path, other: dict[str, object]) -> None:
    first = write_run(tmp_path / "one", make_rows([1.0]))
    second = write_run(tmp_path / "two", make_rows([1.0]), "structural", **other)
    with pytest.raises(InputError, match=f"two cannot be compared: their '{next(iter(other))}' differs"):
        read_finished([first, second])


def test_a_folder_without_results_or_with_damaged_ones_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing does not hold a finished bench"):
        read_finished([write_run(tmp_path / "a", []), tmp_path / "nothing"])
    (tmp_path / "a" / "bench.json").write_text("{")
    with pytest.raises(InputError, match=r"a.bench\.json is damaged"):
        read_finished([tmp_path])


def test_any_of_them_counts_pairs_on_which_one_method_succeeds(tmp_path: Path) -> None:
    first = write_run(tmp_path / "one", make_rows([1.0, 1.0, 9.0, 9.0] * 5), "one")
    second = write_run(tmp_path / "two", make_rows([9.0, 1.0, 4.0, 9.0] * 5), "two")
    fewer = write_run(tmp_path / "few", make_rows([1.0] * 8), "few")
    changed = write_run(tmp_path / "changed", make_rows([1.0] * 24), "two:unguided")
    own = write_run(tmp_path / "own", make_rows([1.0] * 24), "one", engine={"weights": "own.safetensors"})
    speckle = write_run(tmp_path / "speckle", make_rows([1.0] * 24), "two", control=True)
    line = shown(page(first, second, fewer, changed, own, speckle), "promptmid", with_any=True)[-1]
    assert (line["method"], line["n"], line["pairs"]) == (ANY_METHOD, "20", "manifest 0123456789ab, all")
    assert line["CMR@3"].split()[0] == "50.0"
    assert line["CMR@5"].split()[0] == "75.0"
    assert line["NCM"] == line["trusted of those within 3 px"] == "–"


@pytest.mark.parametrize("second", [[1.0] * 18, None])
def test_any_of_them_takes_two_methods_on_the_same_pairs(tmp_path: Path, second: list[float] | None) -> None:
    folders = [write_run(tmp_path / "one", make_rows([1.0] * 20), "one")]
    if second:
        folders.append(write_run(tmp_path / "two", make_rows(second), "two"))
    assert ANY_METHOD not in page(*folders).split("## ")[1]
