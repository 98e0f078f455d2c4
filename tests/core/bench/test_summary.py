from __future__ import annotations

import math

import numpy as np
import pytest
from sarto.core.bench.records import Row
from sarto.core.bench.summary import auc, groups, share, summarise
from sarto.core.bench.tables import as_markdown, as_text, table_rows

IDENTITY = np.eye(2, 3)


def row(rmse: float = math.nan, verdict: str = "trusted", ncm: int = 20, **columns: object) -> Row:
    affine = None if math.isnan(rmse) and columns.pop("has_transform", False) is False else IDENTITY
    given = {"seconds": 1.0, "peak_mb": 100.0, "evidence": 0.5, **columns}
    return Row("p", affine, rmse, 30, ncm, verdict, **given)  # type: ignore[arg-type]


def test_figures_of_hand_made_rows() -> None:
    rows = [
        row(0.5, ncm=50),
        row(2.0, "usable with care", ncm=10),
        row(4.0, ncm=9),
        row(8.0, "trusted", ncm=0, seconds=3.0, peak_mb=200.0),
        row(90.0, "not trusted", ncm=0),
        row(math.nan, "not trusted", ncm=0),
        row(math.nan, "failed", ncm=0),
        row(1.0, ncm=31),
    ]
    s = summarise(rows, has_truth=True, has_consistency=False)
    assert s.cmr is not None
    assert {t: v.value for t, v in s.cmr.items()} == {"1": 1 / 8, "3": 3 / 8, "5": 4 / 8}  # below, not at
    assert s.rmse_median == 6.0
    assert s.rmse_mean == pytest.approx((0.5 + 2 + 4 + 8 + 20 + 20 + 20 + 1) / 8)
    assert s.auc10 == pytest.approx((0.95 + 0.8 + 0.6 + 0.2 + 0 + 0 + 0 + 0.9) / 8)
    assert s.success is not None
    assert s.success.value == 3 / 8
    assert s.ncm_mean == 100 / 8
    assert s.trusted is not None
    assert s.trusted.value == 4 / 8
    assert s.wrongly_trusted is not None
    assert s.wrongly_trusted.value == 1 / 8
    assert s.trusted_of_good is not None
    assert (s.trusted_of_good.value, s.trusted_of_good.of) == (2 / 3, 3)
    assert s.no_transform.value == 2 / 8
    assert s.failed == 1
    assert s.seconds_median == 1.0
    assert s.seconds_p95 == pytest.approx(2.3)
    assert s.peak_mb == 200.0
    assert s.consistency is None


def test_correct_matches_are_counted_with_and_without_the_failures() -> None:
    rows = [
        row(1.0, ncm=30, match_rmse=1.0),
        row(1.0, ncm=10, match_rmse=2.0),
        row(9.0, ncm=9, match_rmse=0.1),  # no success: neither its number nor its error counts
        row(math.nan, "not trusted", ncm=0),
    ]
    s = summarise(rows, has_truth=True, has_consistency=False)
    assert s.success is not None
    assert s.success.value == 2 / 4
    assert s.ncm_mean == 49 / 4
    assert s.ncm_of_success == 20
    assert s.match_rmse == 1.5
    shown = dict(zip(*table_rows({"all": s}), strict=True))
    assert (shown["SR"], shown["NCM"], shown["NCM SR"], shown["RMSE SR"]) == ("50.0", "12", "20", "1.50")


def test_correct_matches_without_a_success_or_not_measured_have_no_mean() -> None:
    failed = summarise([row(9.0, ncm=9, match_rmse=2.0)], has_truth=True, has_consistency=False)
    assert (failed.ncm_of_success, failed.match_rmse, failed.ncm_mean) == (None, None, 9)
    older = [row(1.0, ncm=30, match_rmse=1.0), row(1.0, ncm=20)]
    mixed = summarise(older, has_truth=True, has_consistency=False)
    assert (mixed.ncm_of_success, mixed.match_rmse) == (25, None)
    nothing_true = summarise(older, has_truth=False, has_consistency=False)
    assert (nothing_true.ncm_of_success, nothing_true.match_rmse) == (None, None)


def test_everything_trusted_without_truth_is_wrong() -> None:
    rows = [row(has_transform=True), row(verdict="not trusted"), row(verdict="usable with care"), row()]
    s = summarise(rows, has_truth=False, has_consistency=False)
    assert s.cmr is None
    assert s.trusted_of_good is None
    assert s.wrongly_trusted is not None
    assert s.wrongly_trusted.value == 2 / 4


def test_a_method_without_verdicts_has_no_trusted_share() -> None:
    s = summarise([row(1.0, ""), row(verdict="failed")], has_truth=True, has_consistency=False)
    assert s.trusted is None
    assert s.wrongly_trusted is None


def test_consistency_counts_failures() -> None:
    values = [0.5, 2.0, math.nan, 10.0]
    s = summarise([row(1.0, consistency_rmse=v) for v in values], has_truth=True, has_consistency=True)
    assert s.consistency is not None
    assert {t: v.value for t, v in s.consistency.items()} == {"1": 1 / 4, "3": 2 / 4}


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),  # from Newcombe (1998), table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_against_published_values(hits: int, of: int, low: float, high: float) -> None:
    found = share(hits, of)
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_error_over_what_is_stated_looks_at_trusted_pairs_with_check_points() -> None:
    rows = [row(r, check_rmse=0.5) for r in (0.5, 1.0, 4.0)]
    rows += [row(9.0, "not trusted", check_rmse=0.1), row(2.0), row(3.0, check_rmse=math.nan)]
    found = summarise(rows, has_truth=True, has_consistency=False)
    assert found.error_over_stated == 2.0
    assert dict(zip(*table_rows({"all": found}), strict=True))["err/stated"] == "2.00"
    assert summarise(rows[3:], has_truth=True, has_consistency=False).error_over_stated is None
    assert summarise(rows, has_truth=False, has_consistency=False).error_over_stated is None


def test_share_of_nothing() -> None:
    assert share(0, 0) is None
    full = share(5, 5)
    assert full is not None
    assert full.high == 1.0


def test_auc_is_the_area_under_the_curve() -> None:
    errors = np.random.default_rng(0).uniform(0, 20, 200)
    x = np.linspace(0, 10, 20_001)
    curve = np.searchsorted(np.sort(errors), x, side="right") / len(errors)
    assert auc(errors) == pytest.approx(np.trapz(curve, x) / 10, abs=1e-3)
    assert auc(np.zeros(3)) == 1.0


def test_groups() -> None:
    rows = [row(1, set="a", tight=True), row(1, set="a", tight=False), row(1, set="b", tight=None)]
    assert {name: len(members) for name, members in groups(rows).items()} == {
        "all": 3, "tight": 1, "loose": 1, "a": 2, "a, tight": 1, "b": 1,
    }  # fmt: skip


def test_tables_are_rectangular_and_mark_what_has_no_meaning() -> None:
    rows = [row(has_transform=True, verdict="not trusted")]
    table = table_rows({"all": summarise(rows, has_truth=False, has_consistency=False)})
    assert len({len(r) for r in table}) == 1
    assert dict(zip(*table, strict=True))["CMR@3"] == "–"
    assert len(as_text(table).splitlines()) == 2
    assert len({line.count("|") for line in as_markdown(table).splitlines()}) == 1
