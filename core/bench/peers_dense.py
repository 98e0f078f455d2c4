"""Peers that match areas: AROSICS and GeFolki."""

from __future__ import annotations

import contextlib
import io
import warnings
from importlib import import_module
from typing import Any

import numpy as np

from ..contract import Pixels, Points, SearchRange
from .peers import PeerMatch

_PIXEL = 10.0  # metres; AROSICS wants a georeference, any will do


class Arosics:
    """AROSICS (Scheffler et al. 2017): phase correlation, which searches for shifts only.

    Local co-registration in windows on a regular grid, of which the tie points that pass its own filters
    (reliability, SSIM, RANSAC) are used; where none does, its global co-registration: one shift.
    """

    def match(self, optical: Pixels, sar: Pixels, search: SearchRange) -> PeerMatch:
        """Tie points, or a shift alone."""
        found = self._local(optical, sar, search)
        return found if len(found.optical) else self._global(optical, sar, search)

    def _global(self, optical: Pixels, sar: Pixels, search: SearchRange) -> PeerMatch:
        """One shift, from a window of two thirds of the image in its middle."""
        from arosics import COREG

        side, nothing = min(optical.shape), np.zeros((0, 2))
        reach = int(np.ceil(search.max_shift(optical.shape[1], optical.shape[0])))
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                job: Any = COREG(
                    _georeferenced(optical),
                    _georeferenced(sar),
                    ws=(side * 2 // 3, side * 2 // 3),
                    max_shift=reach,
                    CPUs=1,
                    q=True,
                    progress=False,
                )
                job.calculate_spatial_shifts()
        except RuntimeError:
            return PeerMatch(nothing, nothing)
        shift = np.array([[1.0, 0.0, -job.x_shift_px], [0.0, 1.0, -job.y_shift_px]])
        return PeerMatch(nothing, nothing, affine=shift)

    def _local(self, optical: Pixels, sar: Pixels, search: SearchRange) -> PeerMatch:
        """Windows of half the image, 17 × 17 of them: on chips smaller ones lose the larger shifts."""
        from arosics import COREG_LOCAL

        side = min(optical.shape)
        reach = int(np.ceil(min(search.max_shift(optical.shape[1], optical.shape[0]), side / 4)))
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                job = COREG_LOCAL(
                    _georeferenced(optical),
                    _georeferenced(sar),
                    grid_res=max(1, side // 16),
                    window_size=(side // 2, side // 2),
                    max_shift=reach,
                    CPUs=1,
                    q=True,
                    progress=False,
                )
                table: Any = job.CoRegPoints_table
        except RuntimeError:  # its way to say that no window matched
            return PeerMatch(np.zeros((0, 2)), np.zeros((0, 2)))
        return _from_table(table)


def _from_table(table: Any) -> PeerMatch:
    """AROSICS gives the correction that the target needs, so the displacement is its negative."""
    if "OUTLIER" not in table or not len(table):
        return PeerMatch(np.zeros((0, 2)), np.zeros((0, 2)))
    kept = table[(table["OUTLIER"] == False) & (table["X_SHIFT_PX"] != -9999)]  # noqa: E712 - -9999 is "not tried"
    points = kept[["X_IM", "Y_IM"]].to_numpy(dtype=np.float64)
    shifts = kept[["X_SHIFT_PX", "Y_SHIFT_PX"]].to_numpy(dtype=np.float64)
    reliability = kept["RELIABILITY"].to_numpy(dtype=np.float64) / 100
    return PeerMatch(points, points - shifts, np.clip(reliability, 0, 1))


def _georeferenced(image: Pixels) -> Any:
    array, crs = import_module("geoarray").GeoArray, import_module("pyproj").CRS
    corner = (500_000.0, _PIXEL, 0.0, 5_000_000.0, 0.0, -_PIXEL)
    return array(image, geotransform=corner, projection=crs.from_epsg(32631).to_wkt(), nodata=0)


class GeFolki:
    """GeFolki (Brigot et al. 2016): dense optical flow for images of different sensors, here on a lattice.

    Parameters as in its optical–radar example but for `levels`, fewer because chips are small.
    """

    def __init__(self) -> None:
        adapthist, exposure = import_module("gefolki.adapthist"), import_module("skimage.exposure")

        def as_before(image: Any, *args: Any, **named: Any) -> Any:
            return exposure.rescale_intensity(image, *args, **named).astype(image.dtype)

        # gefolki 1.1.0 counts on the integers that scikit-image gave before 0.16; now it gives floats.
        adapthist.rescale_intensity = as_before  # type: ignore[attr-defined]

    def match(self, optical: Pixels, sar: Pixels, search: SearchRange) -> PeerMatch:
        """The flow at 24 × 24 places that stay within the SAR image."""
        from gefolki import GEFolki

        rows, columns = np.minimum(optical.shape, sar.shape)
        first, second = optical[:rows, :columns].astype(np.float32), sar[:rows, :columns].astype(np.float32)
        if first.std() == 0 or second.std() == 0:
            return PeerMatch(np.zeros((0, 2)), np.zeros((0, 2)))
        levels = max(1, int(np.log2(min(rows, columns) / 12)))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            u, v = GEFolki(first, second, iteration=2, radius=range(32, 4, -4), rank=4, levels=levels)
        points = _lattice(int(columns), int(rows))
        index = points.astype(int)
        flow = np.stack([u[index[:, 1], index[:, 0]], v[index[:, 1], index[:, 0]]], axis=1)
        moved = points + flow
        inside = ((moved >= 0) & (moved <= np.array([columns - 1, rows - 1]))).all(axis=1)
        return PeerMatch(points[inside], moved[inside])


def _lattice(columns: int, rows: int, n: int = 24) -> Points:
    """(n², 2) whole pixels evenly over an image."""
    x, y = np.meshgrid(np.rint(np.linspace(0, columns - 1, n)), np.rint(np.linspace(0, rows - 1, n)))
    return np.stack([x.ravel(), y.ravel()], axis=1)
