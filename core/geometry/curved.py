"""Polynomials and thin-plate splines: evaluated directly, inverted by Newton's method."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..contract import Points
from .frame import Frame
from .transform import Transform, refuse_lost

_NEWTON_STEPS = 30
_CHUNK = 1 << 20  # kernel values held at a time by a thin-plate spline: 8 MiB an array


class Curved(Transform):
    """A transform without closed inverse, evaluated in normalised coordinates.

    source, target: frames of the reference and the moving image.
    """

    def __init__(self, model: str, source: Frame, target: Frame) -> None:
        super().__init__(model)
        self.source = source
        self.target = target

    @abstractmethod
    def _image(self, u: Points) -> Points:
        """Normalised reference (N, 2) → normalised moving (N, 2)."""

    @abstractmethod
    def _slope(self, u: Points) -> Points:
        """Normalised reference (N, 2) → derivative (N, 2, 2) of the normalised image, rows x, y."""

    def apply(self, xy: npt.ArrayLike) -> Points:
        p = np.asarray(xy, dtype=np.float64)
        image = self._image(self.source.normalise(p).reshape(-1, 2))
        return self.target.restore(image).reshape(p.shape)

    def jacobian(self, xy: npt.ArrayLike) -> Points:
        p = np.asarray(xy, dtype=np.float64)
        slope = self._slope(self.source.normalise(p).reshape(-1, 2))
        return np.asarray(slope * (self.target.scale / self.source.scale)).reshape(*p.shape, 2)

    def invert(self, xy: npt.ArrayLike) -> Points:
        """Moving → reference pixels by damped Newton iteration, to about 1e-7 px.

        A solution beyond a fold of the transform (where the image is mirrored) does not count.
        """
        p = np.asarray(xy, dtype=np.float64)
        wanted = self.target.normalise(p).reshape(-1, 2)
        found = np.full_like(wanted, np.nan)
        finite = np.isfinite(wanted).all(axis=1)
        found[finite] = self._newton_from_grid(wanted[finite])
        result = self.source.restore(found).reshape(p.shape)
        refuse_lost(self.model, p, result)
        return result

    def _newton_from_grid(self, wanted: Points) -> Points:
        """Newton from an affine guess; where that fails, from the nearest node of a grid."""
        axis = np.linspace(-1.5, 1.5, 25)
        nodes = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        images, slopes = self._image(nodes), self._slope(nodes)
        orientation = np.sign(np.linalg.det(slopes[len(nodes) // 2]))
        design = np.column_stack([images, np.ones(len(nodes))])
        guess = np.column_stack([wanted, np.ones(len(wanted))]) @ np.linalg.lstsq(design, nodes, rcond=None)[0]
        found = self._newton(wanted, guess, orientation)
        lost = np.flatnonzero(np.isnan(found[:, 0]))
        upright = np.sign(np.linalg.det(slopes)) == orientation
        for part in np.array_split(lost, max(1, len(lost) // 2000)):
            distance = ((wanted[part, None] - images[None, upright]) ** 2).sum(axis=2)
            start = nodes[upright][distance.argmin(axis=1)]
            found[part] = self._newton(wanted[part], start, orientation)
        return found

    def _newton(self, wanted: Points, start: Points, orientation: float) -> Points:
        """Solve f(u) = wanted for each row; NaN where it does not converge to an upright solution."""
        u = start.copy()
        image = self._image(u)
        error = np.linalg.norm(image - wanted, axis=1)
        damping = np.ones(len(u))
        tolerance = 1e-7 / self.target.scale + 1e-14 * (1 + np.abs(self.target.centre).max() / self.target.scale)
        for _ in range(_NEWTON_STEPS):
            active = np.flatnonzero((error > tolerance) & (damping > 1e-3))
            if not len(active):
                break
            step = _solve_2x2(self._slope(u[active]), wanted[active] - image[active])
            trial = u[active] + damping[active, None] * step
            new_image = self._image(trial)
            new_error = np.linalg.norm(new_image - wanted[active], axis=1)
            better = new_error < error[active]
            damping[active] = np.where(better, np.minimum(1.0, damping[active] * 2), damping[active] / 2)
            kept = active[better]
            u[kept], image[kept], error[kept] = trial[better], new_image[better], new_error[better]
        solved = (error <= 10 * tolerance) & (np.sign(np.linalg.det(self._slope(u))) == orientation)
        return np.asarray(np.where(solved[:, None], u, np.nan))


class Polynomial(Curved):
    """Polynomial of degree 2 or 3 in both coordinates, coefficients for normalised coordinates."""

    def __init__(self, model: str, source: Frame, target: Frame, coefficients: npt.ArrayLike) -> None:
        """coefficients: (K, 2), rows in the order of `exponents`."""
        super().__init__(model, source, target)
        self.coefficients = np.asarray(coefficients, dtype=np.float64)

    @property
    def _degree(self) -> int:
        return int(self.model[-1])

    def _image(self, u: Points) -> Points:
        return np.asarray(monomials(u, self._degree) @ self.coefficients)

    def _slope(self, u: Points) -> Points:
        powers = exponents(self._degree)
        by_x = np.stack([i * _power(u[:, 0], i - 1) * _power(u[:, 1], j) for i, j in powers], axis=1)
        by_y = np.stack([j * _power(u[:, 0], i) * _power(u[:, 1], j - 1) for i, j in powers], axis=1)
        return np.stack([by_x @ self.coefficients, by_y @ self.coefficients], axis=2)

    def parameters(self) -> dict[str, Any]:
        return {
            "source": self.source.to_parameters(),
            "target": self.target.to_parameters(),
            "exponents": [list(e) for e in exponents(self._degree)],
            "coefficients": self.coefficients.tolist(),
        }


class ThinPlate(Curved):
    """Thin-plate spline f(u) = c + A u + Σ wᵢ U(|u - uᵢ|), U(r) = r² log r (Duchon 1977, Bookstein 1989)."""

    def __init__(
        self, source: Frame, target: Frame, knots: npt.ArrayLike, weights: npt.ArrayLike, affine: npt.ArrayLike
    ) -> None:
        """knots: (M, 2) normalised. weights: (M, 2). affine: (3, 2), rows 1, x, y."""
        super().__init__("tps", source, target)
        self.knots = np.asarray(knots, dtype=np.float64)
        self.weights = np.asarray(weights, dtype=np.float64)
        self.affine = np.asarray(affine, dtype=np.float64)

    def _image(self, u: Points) -> Points:
        spline = [kernel(part, self.knots) @ self.weights for part in self._parts(u)]
        return np.asarray(self.affine[0] + u @ self.affine[1:] + np.concatenate(spline))

    def _slope(self, u: Points) -> Points:
        slopes = []
        for part in self._parts(u):
            d = part[:, None] - self.knots
            log = np.log(_positive((d * d).sum(axis=2))) + 1
            slopes.append(np.einsum("nmk,nm,mc->nck", d, log, self.weights, optimize=True))
        return np.asarray(self.affine[1:].T + np.concatenate(slopes))

    def _parts(self, u: Points) -> list[Points]:
        return np.array_split(u, max(1, -(-len(u) * len(self.knots) // _CHUNK)))

    def parameters(self) -> dict[str, Any]:
        return {
            "source": self.source.to_parameters(),
            "target": self.target.to_parameters(),
            "knots": self.knots.tolist(),
            "weights": self.weights.tolist(),
            "affine": self.affine.tolist(),
        }


def exponents(degree: int) -> list[tuple[int, int]]:
    """Powers (i, j) of the monomials xⁱ yʲ up to a degree: 1, x, y, x², xy, y², …"""
    return [(total - j, j) for total in range(degree + 1) for j in range(total + 1)]


def monomials(u: Points, degree: int) -> Points:
    """(N, K) values of the monomials at (N, 2)."""
    return np.stack([_power(u[:, 0], i) * _power(u[:, 1], j) for i, j in exponents(degree)], axis=1)


def kernel(a: Points, b: Points) -> Points:
    """(N, M) thin-plate kernel r² log r between normalised points (N, 2) and (M, 2)."""
    r2 = (a[:, None, 0] - b[None, :, 0]) ** 2 + (a[:, None, 1] - b[None, :, 1]) ** 2
    return np.asarray(0.5 * r2 * np.log(_positive(r2)))


def _positive(r2: Points) -> Points:
    """Squared distances fit for a logarithm: r² log r² → 0, so a knot contributes nothing to itself."""
    return np.asarray(np.where(r2 > 0, r2, 1.0))


def _power(values: Points, exponent: int) -> Points:
    """values ** exponent, and 0 for the negative exponents that differentiation yields."""
    return np.asarray(values**exponent) if exponent >= 0 else np.zeros_like(values)


def _solve_2x2(a: Points, b: Points) -> Points:
    """Solve (N, 2, 2) x = (N, 2); a singular system yields NaN."""
    det = a[:, 0, 0] * a[:, 1, 1] - a[:, 0, 1] * a[:, 1, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        x = (a[:, 1, 1] * b[:, 0] - a[:, 0, 1] * b[:, 1]) / det
        y = (a[:, 0, 0] * b[:, 1] - a[:, 1, 0] * b[:, 0]) / det
    return np.stack([x, y], axis=1)
