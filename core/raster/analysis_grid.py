"""The grid on which two layers are compared: the reference's lattice at the coarser GSD, over the overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from ..contract import Grid, InputError, OptionError, RegisterJob
from .crs import Transformation, crs_name, same_crs, unit_name
from .footprint import describe, intersection, outline, outline_in, parse_area, polygon, to_pixel_shape
from .scene import Scene

SMALLEST_SIDE = 64  # pixels; below, nothing can be matched
LONGEST_STRIP = 20  # times as long as wide; an overview of longer ones shows next to nothing across
LARGEST_GSD_RATIO = 20.0
_LARGEST_SIZE_RATIO = 2.0  # of images without georeference; beyond, no search range finds the scale
_SAME_GSD = 1.05  # ratios below are not worth resampling the reference


@dataclass(frozen=True)
class Plan:
    """What is read onto which grid, and why.

    area: OGR geometry of the area of interest, or None. overlap: OGR geometry of what both layers (and the
    area) cover, in the reference's CRS; None where they share no world.
    """

    reference_grid: Grid
    moving_grid: Grid
    area: Any = None
    notes: list[str] = field(default_factory=list)
    overlap: Any = None


def plan_grids(job: RegisterJob, reference: Scene, moving: Scene) -> Plan:
    """Choose both grids. Raises InputError or OptionError as described in `prepare.prepare`."""
    _check_crs(reference, moving)
    _check_gsd_option(job.gsd)
    area = parse_area(job.area) if job.area.strip() else None
    if reference.is_georeferenced and moving.is_georeferenced:
        return _plan_overlap(job, reference, moving, area)
    return _plan_pixels(job, reference, moving, area)


def gsd_in(scene: Scene, crs: str) -> float:
    """The scene's pixel size at its centre in units of `crs` (geometric mean of both directions)."""
    grid = scene.grid
    x, y = (grid.width - 1) / 2, (grid.height - 1) / 2
    world = Transformation(grid.crs, crs)(grid.to_world([[x, y], [x + 1, y], [x, y + 1]]))
    (ax, ay), (bx, by) = world[1] - world[0], world[2] - world[0]
    return math.sqrt(abs(ax * by - ay * bx))


def _plan_overlap(job: RegisterJob, reference: Scene, moving: Scene, area: Any) -> Plan:
    crs = reference.grid.crs
    notes = []
    if not same_crs(crs, moving.grid.crs):
        notes.append(f"'{moving.label}' is transformed from {crs_name(moving.grid.crs)} to {crs_name(crs)}.")
    overlap = _overlap(reference, moving, area)
    lattice = _lattice(job, reference, gsd_in(moving, crs), moving.label)
    grid = _window_over(lattice, overlap, reference, moving)
    notes.append(f"Analysis at {grid.gsd:.6g} {unit_name(crs)} on {grid.width} × {grid.height} pixels.")
    return Plan(grid, grid, area, notes, overlap)


def _overlap(reference: Scene, moving: Scene, area: Any) -> Any:
    """Intersection of both footprints (and the area), OGR geometry in the reference's CRS."""
    crs = reference.grid.crs
    ring = outline_in(moving.grid, reference.grid)
    first, second = polygon(outline(reference.grid)), polygon(ring)
    if second.IsEmpty():
        raise InputError(
            f"Layer '{moving.label}' cannot be expressed in the CRS of '{reference.label}', {crs_name(crs)}.",
            "Check the CRS of both layers.",
        )
    overlap = intersection(first, second)
    if overlap.IsEmpty() or overlap.GetArea() == 0:
        raise InputError(
            f"'{reference.label}' ({describe(first)}) and '{moving.label}' ({describe(second)}, seen in "
            f"{crs_name(crs)}) do not overlap: they are {first.Distance(second):,.6g} {unit_name(crs)} apart.",
            "Check the CRS of both layers, or remove a wrong georeference.",
        )
    if area is None:
        return overlap
    inside = intersection(overlap, area)
    if inside.IsEmpty():
        raise InputError(
            f"The area ({describe(area)}) lies outside the overlap of the layers ({describe(overlap)}).",
            "Draw it in the overlap, in the reference's CRS.",
        )
    return inside


def _lattice(job: RegisterJob, reference: Scene, moving_gsd: float, moving_label: str) -> Grid:
    """The reference's full grid at the analysis GSD."""
    own = reference.grid.gsd
    ratio = max(own, moving_gsd) / min(own, moving_gsd)
    unit = unit_name(reference.grid.crs)
    if ratio > LARGEST_GSD_RATIO:
        raise InputError(
            f"The pixel sizes differ {ratio:.3g} times: {own:.6g} {unit} in '{reference.label}', "
            f"{moving_gsd:.6g} {unit} in '{moving_label}'.",
            f"Up to {LARGEST_GSD_RATIO:g} times can be matched; use layers of more similar resolution.",
        )
    gsd = job.gsd if job.gsd is not None else max(own, moving_gsd)
    if gsd < 0.5 * min(own, moving_gsd):
        raise OptionError(
            f"An analysis GSD of {gsd:.6g} {unit} is far finer than both layers ({own:.6g} and {moving_gsd:.6g}).",
            "Leave it empty, or give it in units of the reference's CRS.",
        )
    if 1 / _SAME_GSD < gsd / own < _SAME_GSD:
        return reference.grid
    return reference.grid.resampled(gsd)


def _window_over(lattice: Grid, overlap: Any, reference: Scene, moving: Scene) -> Grid:
    xmin, xmax, ymin, ymax = to_pixel_shape(overlap, lattice).GetEnvelope()
    slack = 1e-3  # pixels; a footprint that ends on a pixel edge does not take the next pixel
    left, top = max(0, math.floor(xmin + slack)), max(0, math.floor(ymin + slack))
    right, bottom = min(lattice.width, math.ceil(xmax - slack)), min(lattice.height, math.ceil(ymax - slack))
    width, height = right - left, bottom - top
    if min(width, height) < SMALLEST_SIDE:
        raise InputError(
            f"'{reference.label}' and '{moving.label}' share only {max(width, 0)} × {max(height, 0)} pixels at "
            f"{lattice.gsd:.6g} {unit_name(lattice.crs)}.",
            f"At least {SMALLEST_SIDE} × {SMALLEST_SIDE} are needed: choose a larger area or a finer GSD.",
        )
    if max(width, height) > LONGEST_STRIP * min(width, height):
        raise InputError(
            f"'{reference.label}' and '{moving.label}' share a strip of {width:,} × {height:,} pixels, "
            f"{max(width, height) / min(width, height):.0f} times as long as wide.",
            f"Up to {LONGEST_STRIP} times can be matched: register it in parts, each with an area of its own.",
        )
    return lattice.window(left, top, width, height)


def _plan_pixels(job: RegisterJob, reference: Scene, moving: Scene, area: Any) -> Plan:
    """One layer (or both) has no georeference: each keeps its own pixels."""
    lattice = reference.grid if job.gsd is None else reference.grid.resampled(job.gsd)
    shape = polygon(outline(reference.grid))
    shape = shape if area is None else intersection(shape, area)
    if shape.IsEmpty():
        raise InputError(f"The area lies outside '{reference.label}'.", "Draw it on the reference.")
    grid = _window_over(lattice, shape, reference, reference)
    theirs = Grid.of_pixels(moving.grid.width, moving.grid.height)
    if min(theirs.shape) < SMALLEST_SIDE:
        raise InputError(
            f"Layer '{moving.label}' has only {theirs.width} × {theirs.height} pixels.",
            f"At least {SMALLEST_SIDE} × {SMALLEST_SIDE} are needed.",
        )
    notes = [_why_pixels(reference, moving)]
    # The moving image may show all of the reference or only the area: the milder resampling of the two.
    whole, part = (max(theirs.shape) / max(side) for side in (lattice.shape, grid.shape))
    if whole > _LARGEST_SIZE_RATIO:
        theirs = theirs.resampled(whole)
        notes.append(
            f"'{moving.label}' is {whole:.1f} times larger; reduced to {theirs.width} × {theirs.height} pixels."
        )
    elif part < 1 / _LARGEST_SIZE_RATIO and job.gsd is None:
        lattice = lattice.resampled(lattice.gsd / part)
        grid = _window_over(lattice, shape, reference, reference)
        notes.append(
            f"'{reference.label}' is {1 / part:.1f} times larger; reduced to {grid.width} × {grid.height} pixels."
        )
    return Plan(grid, theirs, area, notes)


def _why_pixels(reference: Scene, moving: Scene) -> str:
    plain = [scene.label for scene in (reference, moving) if not scene.is_georeferenced]
    if len(plain) == 2:
        return f"Neither '{plain[0]}' nor '{plain[1]}' is georeferenced: searched by their pixels."
    return f"'{plain[0]}' is not georeferenced: searched by its pixels."


def _check_crs(reference: Scene, moving: Scene) -> None:
    """A layer lacks only its CRS, and its coordinates would be lost although they matter: an oversight."""
    place = _place_without_crs(reference)
    if place is not None and not moving.is_georeferenced:
        subject = f"Layer '{reference.label}' has"
        if _place_without_crs(moving):
            subject = f"Layers '{reference.label}' and '{moving.label}' have"
        raise InputError(
            f"{subject} coordinates but no CRS (upper left corner at {place[0]:,.7g}, {place[1]:,.7g}).",
            _SET_CRS,
        )
    for lacking, other in ((reference, moving), (moving, reference)):
        if lacking.crs or lacking.geotransform is None or not other.is_georeferenced:
            continue
        grid = Grid(lacking.grid.width, lacking.grid.height, lacking.geotransform)
        first, second = grid.bounds(), other.grid.bounds()
        if first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]:
            raise InputError(
                f"Layer '{lacking.label}' has no CRS, but its coordinates fit those of '{other.label}', "
                f"{crs_name(other.crs)}.",
                _SET_CRS,
            )


def _place_without_crs(scene: Scene) -> tuple[float, float] | None:
    """The corner of a layer whose geotransform says more than 'pixels', but which has no CRS."""
    if scene.crs or scene.geotransform is None or tuple(scene.geotransform) in (_PIXELS, _PIXELS_UP):
        return None
    return scene.geotransform[0], scene.geotransform[3]


_PIXELS, _PIXELS_UP = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0), (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
_SET_CRS = "Set the layer's CRS in the file: gdal_edit.py -a_srs EPSG:…, or in QGIS Layer ▸ Set CRS and export it."


def _check_gsd_option(gsd: float | None) -> None:
    if gsd is not None and not (math.isfinite(gsd) and gsd > 0):
        raise OptionError(f"An analysis GSD of {gsd:g} makes no sense.", "Give a positive number.")


__all__ = ["Plan", "gsd_in", "plan_grids"]
