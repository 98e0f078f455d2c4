"""What thin, guided or degenerate tie points are worth, and what is said of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from sarto.core.contract import (
    Grid,
    MatchResult,
    ModelOptions,
    OptionError,
    PreparedPair,
    TiePoints,
    Verdict,
)
from sarto.core.geometry import from_record
from sarto.core.pipeline import conclude, register

from .jobs import FewPoints, job_of


def test_thin_evidence_is_handed_over_but_not_trusted(sample_scene, tmp_path: Path) -> None:
    result = register(job_of(sample_scene, tmp_path / "out"), FewPoints())
    assert result.assessment.verdict is Verdict.NOT_TRUSTED
    assert len(result.assessment.reasons) >= 3
    assert not result.gcps.enabled.any()
    assert (tmp_path / "out" / "aligned.tif").exists()
    assert np.allclose(from_record(result.transform).apply([[10.0, 20.0]]), [[15, 25]])


class Guided:
    """Tie points by themselves, off by up to a pixel, and sixty that the pose has placed exactly on itself."""

    def __init__(self, own: int = 40) -> None:
        self.own = own

    def match(self, task, reporter=None) -> MatchResult:
        rng = np.random.default_rng(4)
        points = rng.uniform(20, 480, (self.own + 60, 2))
        off = rng.uniform(-1, 1, points.shape) * (np.arange(len(points)) < self.own)[:, None]
        back = np.where(np.arange(len(points)) < self.own, 0.1, np.nan)
        ties = TiePoints(points, points + 5 + off, np.full(len(points), 0.8), back)
        return MatchResult(ties, np.ones(len(points), bool), np.array([[1.0, 0, 5], [0, 1, 5]]), 0.95, 400)


def test_points_that_the_pose_helped_to_find_take_part_in_the_fit_and_tell_no_error() -> None:
    image, grid = np.ones((500, 500), np.uint8), Grid(500, 500, (0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    pair = PreparedPair(image, image, grid, grid)
    solution = conclude(pair, Guided().match(None), ModelOptions(), 0)
    table, figures = solution.gcps, solution.assessment.figures
    helped = np.isnan(table.round_trip)
    assert helped.sum() == 60
    assert (table.role[helped] == "gcp").all()
    assert figures.check_points == 10
    assert figures.gcps == 90
    assert figures.rmse_check > 0.5
    assert figures.round_trip == pytest.approx(0.1)
    assert figures.inlier_share == pytest.approx(40 / 400)


def test_points_that_the_pose_helped_to_find_do_not_earn_trust() -> None:
    image, grid = np.ones((500, 500), np.uint8), Grid(500, 500, (0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    pair = PreparedPair(image, image, grid, grid)
    few, many = (conclude(pair, Guided(own).match(None), ModelOptions(), 0).assessment for own in (40, 90))
    assert many.verdict is Verdict.TRUSTED
    assert few.verdict is Verdict.CARE
    assert any("Only 40 of 400 places" in reason for reason in few.reasons)


def test_points_that_the_pose_helped_to_find_cover_nothing() -> None:
    image, grid = np.ones((500, 500), np.uint8), Grid(500, 500, (0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    found = Guided(90).match(None)
    corner = np.where(np.isfinite(found.ties.round_trip)[:, None], 0.2, 1.0) * found.ties.reference
    ties = dataclasses.replace(
        found.ties, reference=corner, moving=corner + found.ties.moving - found.ties.reference
    )
    pair = PreparedPair(image, image, grid, grid)
    assessment = conclude(pair, dataclasses.replace(found, ties=ties), ModelOptions(), 0).assessment
    assert assessment.figures.coverage < 0.2
    assert assessment.verdict is not Verdict.TRUSTED
    everywhere = conclude(pair, found, ModelOptions(), 0).assessment
    assert everywhere.figures.coverage > 0.9
    assert everywhere.verdict is Verdict.TRUSTED


class OnALine:
    """Tie points that all lie on one line: enough for the choice of a model, but not for its fit."""

    def match(self, task, reporter=None) -> MatchResult:
        x = np.linspace(50, 400, 40)
        points = np.stack([x, x], axis=1)
        ties = TiePoints(points, points + 5, np.full(40, 0.9), np.zeros(40))
        return MatchResult(ties, np.ones(40, bool), np.array([[1.0, 0, 5], [0, 1, 5]]), 0.9, 50)


def test_a_model_that_cannot_be_fitted_is_named(sample_scene, tmp_path: Path) -> None:
    result = register(job_of(sample_scene, tmp_path, model="homography"), OnALine(), kinds=())
    assert result.assessment.verdict is Verdict.NOT_TRUSTED
    assert "homography" in result.assessment.reasons[0]
    assert "could not be fitted" in result.assessment.reasons[0]
    assert not any("Only 0" in reason for reason in result.assessment.reasons)
    assert result.assessment.figures.gcps == 0
    assert any("homography" in note for note in result.notes)
    assert result.transform.model == "affine"


def test_a_wrong_option_is_no_failed_fit() -> None:
    image, grid = np.ones((500, 500), np.uint8), Grid(500, 500, (0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    pair = PreparedPair(image, image, grid, grid)
    with pytest.raises(OptionError):
        conclude(pair, OnALine().match(None), ModelOptions(model="tps", smoothing=-1.0), 0)


def test_images_that_share_no_world_have_no_before() -> None:
    image = np.random.default_rng(0).integers(1, 255, (500, 500), np.uint8)
    grid = Grid(500, 500, (0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    plain = conclude(PreparedPair(image, image, grid, grid), FewPoints().match(None), ModelOptions(), 0)
    assert np.isnan(plain.assessment.figures.similarity_before)
    placed = dataclasses.replace(grid, crs="EPSG:32633")
    shared = conclude(PreparedPair(image, image, placed, placed), FewPoints().match(None), ModelOptions(), 0)
    assert np.isfinite(shared.assessment.figures.similarity_before)
