"""What the bench asks of a method, and Sarto's own methods put into that form."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..contract import (
    SILENT,
    Flags,
    Floats,
    Grid,
    MatchOptions,
    ModelOptions,
    OptionError,
    Pixels,
    PreparedPair,
    Reporter,
    SearchRange,
    TiePoints,
)
from ..matching.land_use import CLASSES
from ..matching.protocol import Matcher
from .protocols import Sample

PEER_PREFIX = "peer:"


@dataclass(frozen=True)
class Answer:
    """What a method found for a pair.

    affine: (2, 3) optical pixel → SAR pixel, centres at integers; None where it gives no transform.
    ties: the tie points the transform rests on, after rejection.
    verdict: "" for a method that does not judge itself. evidence: 0…1, NaN where the method has none.
    candidates, inliers, features: every tie point before rejection, which of them were kept, and what the
        method knew of each, one array (N,) per feature; for the reliability of the confidence.
    message: why there is no transform.
    check_rmse: pixels, root mean square residual of its check points; NaN where it has none.
    """

    affine: Floats | None
    ties: TiePoints = field(default_factory=TiePoints)
    verdict: str = ""
    evidence: float = float("nan")
    candidates: TiePoints = field(default_factory=TiePoints)
    inliers: Flags = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    features: dict[str, Floats] = field(default_factory=dict)
    message: str = ""
    check_rmse: float = float("nan")


class Method(Protocol):
    """A method as the bench sees it: created once per process, asked for many pairs."""

    name: str

    def register(self, sample: Sample, search: SearchRange, reporter: Reporter) -> Answer:
        """Register the images of a sample; its truth is not for the method.

        Raises NoMatchError where no transform can be given; any other error counts as a failure of the pair.
        """
        ...


@dataclass(frozen=True)
class MethodOptions:
    """What a method is created with. weights: a learned method's file, "" = the one that ships."""

    device: str = MatchOptions.device
    points: int = MatchOptions.points
    model: str = ModelOptions.model
    seed: int = 0
    weights: str = ""


def open_method(name: str, options: MethodOptions) -> Method:
    """A method of Sarto, or of others (`peer:NAME`), or one of Sarto's changed (see `VARIANTS`).

    Raises OptionError for an unknown name, or a peer that is not installed.
    """
    if name.startswith(PEER_PREFIX):
        from .peers import open_peer

        return open_peer(name.removeprefix(PEER_PREFIX), options.seed)
    return SartoMethod(name, options)


class SartoMethod:
    """One of Sarto's matchers with the fit and the assessment of the engine."""

    def __init__(self, name: str, options: MethodOptions) -> None:
        from ..pipeline.solve import solve

        self.name = name
        self._solve = solve
        self._matcher = _matcher(name, options.weights)
        self._match = MatchOptions(
            method=name.partition(":")[0],
            keypoints=KEYPOINTS.get(name, MatchOptions.keypoints),
            points=options.points,
            device=options.device,
            seed=options.seed,
        )
        self._model = ModelOptions(model=options.model)

    def register(self, sample: Sample, search: SearchRange, reporter: Reporter = SILENT) -> Answer:
        """Match, fit and assess, exactly as `sarto register` does after preparing the layers."""
        optical, sar = sample.optical, sample.sar
        pair = PreparedPair(optical, sar, _grid(optical), _grid(sar), bands=sample.bands)
        solution = self._solve(pair, self._matcher, search, self._match, self._model, reporter)
        gcps, match = solution.gcps, solution.match
        used = np.asarray(gcps.enabled, dtype=np.bool_)
        kept = TiePoints(gcps.reference_px, gcps.moving_px, gcps.confidence, gcps.round_trip).select(used)
        return Answer(
            affine=nearest_affine(solution.transform.apply(_lattice(optical)), _lattice(optical)),
            ties=kept,
            verdict=solution.assessment.verdict.value,
            evidence=float(match.evidence),
            check_rmse=solution.assessment.figures.rmse_check,
            candidates=match.ties,
            inliers=match.inliers,
            features=_features(match.steps.get("tie_features"), len(match.ties)),
        )


LEARNED = ("tar", "promptmid")
"""Methods with weights."""
ABLATIONS: dict[str, dict[str, Any]] = {
    "tar:no-text": {"text": "none"},
    "tar:shuffled-text": {"text": "shuffled"},
    "tar:one-pass": {"second": False},
    "tar:no-rescue": {"rescue": False},
    "tar:unguided": {"guided": False},
    "promptmid:general-prompt": {"prompt": ()},
    "promptmid:all-classes": {"prompt": CLASSES},
    "promptmid:wrong-prompt": {"wrong": True},
    "promptmid:no-rescue": {"rescue": False},
    "promptmid:unguided": {"guided": False},
}
"""What the bench measures beside the methods themselves: a method with a part left out or spoiled."""
KEYPOINTS: dict[str, str] = {
    "structural:pc-fast": "pc-fast",
    "structural:sift": "sift",
    "tar:pc-fast": "pc-fast",
    "tar:sift": "sift",
    "promptmid:sift": "sift",
    "promptmid:grid": "grid",
}
"""A method with its tie points at other keypoints than its own: see `MatchOptions.keypoints`."""
VARIANTS = (*KEYPOINTS, *ABLATIONS)
"""All that is measured beside the methods themselves."""


def _matcher(name: str, weights: str) -> Matcher:
    """Raises OptionError for an unknown name, or weights for a method that has none."""
    from ..matching.registry import METHODS, create

    method = name.partition(":")[0] if name in VARIANTS else name
    if method not in LEARNED or (not weights and name not in ABLATIONS):
        if weights and method in METHODS:
            raise OptionError(f"Matching method '{method}' has no weights.", "Leave --weights away.")
        return create(method)
    path, parts = Path(weights) if weights else None, ABLATIONS.get(name, {})
    if method == "promptmid":
        from ..matching.promptmid import matcher as promptmid

        return promptmid.PromptMidMatcher(path, promptmid.Parts(**parts))
    from ..matching.tar import matcher as tar

    return tar.TarMatcher(path, tar.Parts(**parts))


def _grid(image: Pixels) -> Grid:
    return Grid.of_pixels(image.shape[1], image.shape[0])


def _lattice(image: Pixels, n: int = 16) -> Floats:
    """(n², 2) positions evenly over an image, corners included."""
    x, y = np.meshgrid(np.linspace(0, image.shape[1] - 1, n), np.linspace(0, image.shape[0] - 1, n))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def nearest_affine(mapped: npt.ArrayLike, points: npt.ArrayLike) -> Floats | None:
    """The least-squares affine (2, 3) that takes points (N, 2) to mapped (N, 2).

    Positions that a transform does not map (NaN) are left out; None where fewer than three remain.
    """
    target, source = np.asarray(mapped, dtype=np.float64), np.asarray(points, dtype=np.float64)
    finite = np.isfinite(target).all(axis=1)
    if finite.sum() < 3:
        return None
    design = np.column_stack([source[finite], np.ones(int(finite.sum()))])
    solution, *_ = np.linalg.lstsq(design, target[finite], rcond=None)
    return np.asarray(solution.T, dtype=np.float64)


def _features(values: Any, count: int) -> dict[str, Floats]:
    """A matcher's per-tie features as named arrays (N,); a table (N, K) gets the names f0, f1, …"""
    if values is None:
        return {}
    if isinstance(values, dict):
        named = {str(name): np.asarray(column, dtype=np.float64) for name, column in values.items()}
    else:
        table = np.asarray(values, dtype=np.float64)
        named = {f"f{i}": table[:, i] for i in range(table.shape[1])} if table.ndim == 2 else {}
    return {name: column for name, column in named.items() if column.shape == (count,)}
