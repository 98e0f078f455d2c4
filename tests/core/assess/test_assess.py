"""Assessment: the verdict follows the figures, the figures follow the images."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sarto.core.assess import bilinear, coverage, judge, pixel_positions, structural_similarity
from sarto.core.assess.sampling import seen_at
from sarto.core.contract import Figures, Points, Verdict

GOOD = Figures(
    tie_points=300,
    gcps=200,
    check_points=60,
    tried=400,
    rmse_fit=0.7,
    rmse_check=0.8,
    ce90=1.2,
    loo_rmse=0.75,
    coverage=0.95,
    inlier_share=0.65,
    round_trip=0.3,
    similarity_before=0.05,
    similarity_after=0.3,
    evidence=0.99,
    gsd=10.0,
)


def same(points: Points) -> Points:
    return points


def test_good_figures_are_trusted() -> None:
    assessment = judge(GOOD, "affine")
    assert assessment.verdict is Verdict.TRUSTED
    assert len(assessment.reasons) == 4


@pytest.mark.parametrize(
    ("name", "careful", "bad", "word"),
    [
        ("evidence", 0.3, 0.1, "places"),
        ("rmse_check", 4.0, 9.0, "Check points"),
        ("coverage", 0.5, 0.1, "overlap"),
        ("gcps", 4, 2, "tie point"),
    ],
)
def test_each_weakness_lowers_the_verdict_and_is_named(name: str, careful: float, bad: float, word: str) -> None:
    for value, verdict in ((careful, Verdict.CARE), (bad, Verdict.NOT_TRUSTED)):
        assessment = judge(dataclasses.replace(GOOD, check_points=5, **{name: value}), "affine")
        assert assessment.verdict is verdict
        assert any(word in reason for reason in assessment.reasons)


@pytest.mark.parametrize(
    ("tried", "count", "trusted"),
    [(200, 39, False), (200, 41, True), (1000, 59, False), (1000, 61, True), (40, 11, False), (40, 13, True)],
)
def test_few_of_many_places_may_agree_by_chance(tried: int, count: int, trusted: bool) -> None:
    figures = dataclasses.replace(GOOD, tried=tried, gcps=count - 5, check_points=5)
    assessment = judge(figures, "similarity")
    assert assessment.verdict is (Verdict.TRUSTED if trusted else Verdict.CARE)
    (said,) = (reason for reason in assessment.reasons if f"{count} of {tried} places" in reason)
    assert ("for trust it takes" in said) is not trusted


@pytest.mark.parametrize("name", ["evidence", "rmse_check", "coverage"])
def test_what_could_not_be_measured_is_not_trusted(name: str) -> None:
    assert judge(dataclasses.replace(GOOD, **{name: float("nan")}), "affine").verdict is Verdict.NOT_TRUSTED


def test_bilinear_interpolates_and_knows_nodata() -> None:
    image = np.add.outer(10 * np.arange(5), np.arange(6)).astype(np.uint8) + 1
    assert bilinear(image, np.array([[2.5, 1.5]]))[0] == pytest.approx(1 + 2.5 + 15)
    image[2, 3] = 0
    values = bilinear(image, np.array([[2.5, 1.5], [-0.1, 0], [5, 4], [0, 0]]))
    assert np.isnan(values[:2]).all()
    assert np.allclose(values[2:], [image[4, 5], image[0, 0]])


def test_positions_start_where_told() -> None:
    positions = pixel_positions(3, 7, 2, 4, step=2.0)
    assert positions.shape == (4, 2, 2)
    assert positions[1, 1].tolist() == [5, 9]


def test_an_affine_is_seen_through_exactly_at_every_pixel() -> None:
    linear, shift = np.array([[1.1, -0.2], [0.3, 0.9]]), np.array([5.0, -7.0])
    found = seen_at(lambda p: p @ linear.T + shift, 3, 11, 21, 13)
    assert found.shape == (13, 21, 2)
    assert np.allclose(found, pixel_positions(3, 11, 21, 13) @ linear.T + shift, atol=1e-9)


def test_what_bends_slowly_is_seen_through_closely_and_what_is_unknown_stays_so() -> None:
    def bent(p: Points) -> Points:
        known = np.where(p[..., :1] < 100, p, np.nan)
        return np.asarray(known + 4 * np.sin(p[..., ::-1] / 60))

    found, exact = seen_at(bent, 0, 0, 160, 64), bent(pixel_positions(0, 0, 160, 64))
    assert np.nanmax(np.abs(found - exact)) < 0.01
    assert np.isfinite(found[:, :96]).all()
    assert np.isnan(found[:, 104:]).all()


def test_similarity_peaks_at_the_true_position() -> None:
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.uniform(20, 230, (40, 40)), np.ones((8, 8)))
    reference = blocks.astype(np.uint8) + 1
    moving = np.roll(255 - reference, 4, axis=1)  # inverted contrast, moved by four pixels
    scores = [structural_similarity(reference, moving, lambda p, s=s: p + np.array([s, 0])) for s in (0, 2, 4, 6)]
    assert np.argmax(scores) == 2
    assert scores[2] > 0.9 > scores[0] + 0.4


def test_similarity_without_overlap_is_unknown() -> None:
    image = np.full((100, 100), 9, np.uint8)
    assert np.isnan(structural_similarity(image, image, lambda p: p + 1000))


def test_coverage_counts_the_overlap_only() -> None:
    image = np.ones((240, 240), np.uint8)
    everywhere = pixel_positions(10, 10, 12, 12, 20).reshape(-1, 2)
    assert coverage(image, image, same, everywhere) == 1
    corner = np.array([[5.0, 5.0]])
    assert 0 < coverage(image, image, same, corner) < 0.1
    half = image.copy()
    half[:, 120:] = 0
    left = everywhere[everywhere[:, 0] < 120]
    assert coverage(half, image, same, left) == 1
    assert coverage(image, image, same, left) < 0.7
    assert coverage(image, image, same, np.zeros((0, 2))) == 0


def test_a_stiff_model_needs_less_coverage() -> None:
    sparse = dataclasses.replace(GOOD, coverage=0.4)
    assert judge(sparse, "similarity").verdict is Verdict.TRUSTED
    assert judge(sparse, "poly2").verdict is Verdict.CARE
