"""From two arrays on a grid to a checked transform: match → fit → assess."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ..assess import coverage, judge, structural_similarity
from ..contract import (
    CHECK,
    GCP,
    SILENT,
    Assessment,
    Figures,
    GcpTable,
    InputError,
    MatchOptions,
    MatchResult,
    ModelOptions,
    Points,
    PreparedPair,
    Reporter,
    SearchRange,
    unaided,
)
from ..geometry import (
    Projective,
    Transform,
    choose_model,
    loo_rmse,
    minimum_points,
    refit,
    split_check_points,
    summary,
)
from ..matching.protocol import MatchTask

FEWEST_POINTS = 6


class MatchesPairs(Protocol):
    """A matcher in this process, or a worker process that stands in for it."""

    def match(self, task: MatchTask, reporter: Reporter = SILENT) -> MatchResult: ...


@dataclass(frozen=True)
class Solution:
    """What was found about a pair. transform: reference pixel → moving pixel, on the analysis grids.

    model_scores: what 'auto' compared, for the record (empty for a chosen model).
    notes: what was decided on the way, in plain words, for the record.
    """

    match: MatchResult
    transform: Transform
    gcps: GcpTable
    assessment: Assessment
    model_scores: tuple[dict[str, object], ...] = ()
    notes: tuple[str, ...] = ()


def solve(
    pair: PreparedPair,
    matcher: MatchesPairs,
    search: SearchRange,
    match_options: MatchOptions,
    model_options: ModelOptions,
    reporter: Reporter = SILENT,
    land_cover: bool = False,
    painting: bool = False,
) -> Solution:
    """Match a pair and draw the conclusion. Raises NoMatchError where not even a pose can be given.

    land_cover: whether the method is asked which land cover it saw (`Solution.match.cover`).
    painting: whether it is asked to paint the moving image (`Solution.match.painted`).
    """
    tolerance, model = model_options.tolerance_px, model_options.model
    task = MatchTask(
        pair.reference,
        pair.moving,
        search,
        match_options,
        tolerance,
        model,
        land_cover=land_cover,
        bands=pair.bands,
        land_use=pair.land_use,
        painting=painting,
    )
    return conclude(pair, matcher.match(task, reporter), model_options, match_options.seed, reporter)


def conclude(
    pair: PreparedPair, match: MatchResult, options: ModelOptions, seed: int, reporter: Reporter = SILENT
) -> Solution:
    """Fit and assess. With too few tie points the method's pose stands in, and the verdict says so.

    Raises OptionError for a model or a smoothing that does not exist.
    """
    reporter.progress("Fitting the transform", 0.0)
    table = _table(pair, match)
    needed = minimum_points("affine" if options.model == "auto" else options.model)
    if len(table) < max(FEWEST_POINTS, needed):
        why = f"{options.model} needs {needed} GCPs" if len(table) >= FEWEST_POINTS else ""
        return _without_fit(pair, match, table, why)
    own, held = unaided(table.round_trip), np.zeros(len(table), dtype=np.bool_)
    held[own] = split_check_points(table.reference_px[own], options.check_share, seed)
    table = table.with_columns(role=np.where(held, CHECK, GCP))
    model = options.model
    scores: tuple[dict[str, object], ...] = ()
    if model == "auto":
        choice = choose_model(
            table.reference_px,
            table.moving_px,
            held,
            options.tolerance_px,
            smoothing=options.smoothing,
            reach=match.reach,
        )
        model, scores = choice.model, tuple(vars(score) for score in choice.scores)
    try:
        transform, table = refit(table, model, options.smoothing)
    except InputError as error:
        reporter.log(f"{error} The position search's own transform is used instead.")
        return _without_fit(pair, match, table, f"{model}: {error.message.rstrip('.')}")
    reporter.progress("Assessing", 0.5)
    leave_one_out = loo_rmse(table, model, options.smoothing)
    figures = measure(pair, Found.of(match), table, transform, leave_one_out)
    return Solution(match, transform, table, judge(figures, model), scores)


@dataclass(frozen=True)
class Found:
    """What the matcher found, as far as the figures need it.

    tie_points: that passed the method's own checks. agreeing: of them, with one transform, and not found by its
    help. tried: places.
    evidence: probability that the pose is not chance.
    """

    tie_points: int
    agreeing: int
    tried: int
    evidence: float

    @staticmethod
    def of(match: MatchResult) -> Found:
        agreeing = int((match.inliers & unaided(match.ties.round_trip)).sum())
        return Found(len(match.ties), agreeing, match.tried, match.evidence)


def measure(
    pair: PreparedPair, found: Found, table: GcpTable, transform: Transform, leave_one_out: float
) -> Figures:
    """The figures of a fitted table."""
    fit, check = summary(table.residual_px, table.used(GCP)), summary(table.residual_px, table.used(CHECK))
    back, own = table.round_trip[np.isfinite(table.round_trip)], table.enabled & unaided(table.round_trip)
    # Two images that share no world have no 'before'.
    before = structural_similarity(pair.reference, pair.moving, _identity) if pair.is_georeferenced else np.nan
    return Figures(
        tie_points=found.tie_points,
        gcps=fit.count,
        check_points=check.count,
        tried=found.tried,
        rmse_fit=fit.rmse,
        rmse_check=check.rmse,
        ce90=check.ce90,
        loo_rmse=leave_one_out,
        coverage=coverage(pair.reference, pair.moving, transform.apply, table.reference_px[own]),
        inlier_share=float(found.agreeing / max(found.tried, 1)),
        round_trip=float(np.median(back)) if len(back) else float("nan"),
        similarity_before=float(before),
        similarity_after=structural_similarity(pair.reference, pair.moving, transform.apply),
        evidence=found.evidence,
        gsd=pair.reference_grid.gsd,
    )


def _identity(points: Points) -> Points:
    return points


def _table(pair: PreparedPair, match: MatchResult) -> GcpTable:
    """The tie points that agree, as a table without roles and residuals yet."""
    ties = match.ties.select(match.inliers)
    return GcpTable(
        reference_grid=pair.reference_grid,
        moving_grid=pair.moving_grid,
        reference_px=ties.reference,
        moving_px=ties.moving,
        confidence=ties.confidence,
        round_trip=ties.round_trip,
        residual_px=np.full((len(ties), 2), np.nan),
        enabled=np.ones(len(ties), dtype=np.bool_),
        role=np.full(len(ties), GCP),
    )


def _without_fit(pair: PreparedPair, match: MatchResult, table: GcpTable, why: str) -> Solution:
    """The pose alone: handed over, never trusted. The points are kept, but take no part.

    why: what kept the chosen model from being fitted to them; "" where there are simply too few points.
    """
    transform = Projective("affine", np.vstack([match.pose, [0.0, 0.0, 1.0]]))
    table = table.with_columns(
        enabled=np.zeros(len(table), dtype=np.bool_),
        residual_px=transform.residuals(table.reference_px, table.moving_px),
    )
    figures = measure(pair, Found.of(match), table, transform, float("nan"))
    # The verdict is about the tie points that were found, although none of them was fitted.
    assessment = judge(replace(figures, gcps=len(table)), transform.model)
    stands_in = "the position search's own transform is used instead"
    notes: tuple[str, ...] = (f"Too few tie points agree; {stands_in}.",)
    reasons = assessment.reasons
    if why:
        notes = (f"The chosen model could not be fitted ({why}); {stands_in}.",)
        reasons = (*notes, *reasons)
    return Solution(match, transform, table, replace(assessment, reasons=reasons, figures=figures), notes=notes)
