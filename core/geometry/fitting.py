"""The table of models, and what can be asked of each: fit, leave out, rebuild."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ..contract import MODELS, Floats, InputError, ModelOptions, OptionError, Points, TransformRecord
from .curved import Polynomial, ThinPlate
from .frame import Frame, as_points
from .homography import Homography
from .least_squares import Model, PolynomialModel, Shift, Similarity
from .thin_plate import ThinPlateModel
from .transform import Projective, Transform

_MODELS: dict[str, Callable[[float], Model]] = {
    "shift": lambda _: Shift(),
    "similarity": lambda _: Similarity(),
    "affine": lambda _: PolynomialModel("affine", 1),
    "homography": lambda _: Homography(),
    "poly1": lambda _: PolynomialModel("poly1", 1),
    "poly2": lambda _: PolynomialModel("poly2", 2),
    "poly3": lambda _: PolynomialModel("poly3", 3),
    "tps": ThinPlateModel,
}


def fit(
    model: str,
    reference: npt.ArrayLike,
    moving: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    smoothing: float = ModelOptions.smoothing,
) -> Transform:
    """Fit a transform reference → moving by (weighted) least squares of the moving positions.

    reference, moving: (N, 2) pixels, centres at integers. weights: (N,), at least 0; None = all 1.
    smoothing: thin-plate spline only, see `ModelOptions`.

    Raises OptionError for an unknown model, InputError for too few, coinciding or collinear points.
    """
    chosen = _model(model, smoothing)
    r, m, w, used = _checked(reference, moving, weights)
    _require(chosen, int(used.sum()))
    return chosen.fit(r[used], m[used], w[used])


def leave_one_out(
    model: str,
    reference: npt.ArrayLike,
    moving: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    smoothing: float = ModelOptions.smoothing,
) -> Points:
    """(N, 2) residual of each point under the transform fitted to all others, predicted minus observed.

    Exact for all models but homography, where it is the first-order approximation (see `Homography`).
    NaN where the others do not determine the transform. Arguments and errors as for `fit`.
    """
    chosen = _model(model, smoothing)
    r, m, w, used = _checked(reference, moving, weights)
    _require(chosen, int(used.sum()))
    result = np.empty_like(r)
    if not used.all():
        result[~used] = chosen.fit(r[used], m[used], w[used]).residuals(r[~used], m[~used])
    result[used] = chosen.leave_one_out(r[used], m[used], w[used])
    return result


def leave_out(
    model: str,
    reference: npt.ArrayLike,
    moving: npt.ArrayLike,
    groups: npt.ArrayLike,
    smoothing: float = ModelOptions.smoothing,
) -> Points:
    """(N, 2) residual of each point under the transform fitted to all other groups; else as `leave_one_out`.

    groups: (N,) numbers from 0.
    """
    chosen = _model(model, smoothing)
    r, m, w, _ = _checked(reference, moving, None)
    _require(chosen, len(r))
    return chosen.leave_out(r, m, w, np.asarray(groups, dtype=np.int64))


def minimum_points(model: str) -> int:
    """Fewest GCPs that determine a model."""
    return _model(model).minimum_points


def from_record(record: TransformRecord) -> Transform:
    """Rebuild a transform; raises InputError if the record does not fit its model."""
    p = record.parameters
    try:
        if record.model in ("poly2", "poly3"):
            source, target = Frame.from_parameters(p["source"]), Frame.from_parameters(p["target"])
            return Polynomial(record.model, source, target, p["coefficients"])
        if record.model == "tps":
            source, target = Frame.from_parameters(p["source"]), Frame.from_parameters(p["target"])
            return ThinPlate(source, target, p["knots"], p["weights"], p["affine"])
        _model(record.model)
        return Projective(record.model, p["matrix"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"The stored parameters of the {record.model} transform do not fit: {error}.",
            "Register the layers again.",
        ) from error


def _model(name: str, smoothing: float = ModelOptions.smoothing) -> Model:
    if name not in _MODELS:
        known = ", ".join(m for m in MODELS if m in _MODELS)
        raise OptionError(f"Transform model '{name}' cannot be fitted.", f"Choose one of {known}.")
    return _MODELS[name](smoothing)


def _checked(
    reference: npt.ArrayLike, moving: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[Points, Points, Floats, npt.NDArray[np.bool_]]:
    """Checked positions and weights, and which points have a weight above 0."""
    r, m = as_points(reference, "reference"), as_points(moving, "moving")
    if len(r) != len(m):
        raise InputError(f"There are {len(r)} reference but {len(m)} moving positions.")
    w = np.ones(len(r)) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != (len(r),) or not np.isfinite(w).all() or (w < 0).any():
        raise InputError(f"There must be {len(r)} weights, all of them 0 or positive numbers.")
    return r, m, w, w > 0


def _require(model: Model, count: int) -> None:
    if count >= model.minimum_points:
        return
    simpler = [n for n in _MODELS if n != "poly1" and minimum_points(n) <= count]
    raise InputError(
        f"A {model.name} transform needs at least {model.minimum_points} GCPs; there are {count}.",
        f"Add or enable GCPs, or choose {' or '.join(simpler)}." if simpler else "Add or enable GCPs.",
    )
