"""Preparation: two layers → two 8-bit images on one grid, in blocks, within bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

import numpy as np

from ..contract import (
    SILENT,
    Flags,
    Grid,
    InputError,
    LayerSource,
    Pixels,
    PreparedPair,
    RadiometryOptions,
    RegisterJob,
    Reporter,
)
from . import speckle
from .analysis_grid import SMALLEST_SIDE, Plan, plan_grids
from .exchanged import colour_notes, value_notes
from .footprint import rasterise
from .gdal_tools import modest_cache
from .land_use import Classify, LandUseLayer
from .radiometry import (
    DB,
    Array,
    db_unit,
    detect_sar_kind,
    find_fill,
    power_to_db,
    stretch_limits,
    to_power,
    to_uint8,
)
from .scene import Scene, Values
from .scratch import BLOCK, blocks, mapped_image

_SAMPLE = 1024  # side of the sample that decides stretch and kind
_TILES = 8  # a larger grid is sampled by 8 × 8 evenly spaced full-resolution tiles

_MOST_BANDS = 4  # of more, methods see the mean: each costs time at matching
_COLOURED = 2.0  # mean difference in grey values below which bands show all the same

Tone = Callable[[Values, Flags], tuple[Array, Flags]]
"""(bands, H, W) values and (H, W) valid → (planes, H, W) to be stretched, the grey one first, and where valid."""


@dataclass(frozen=True)
class Look:
    """How one layer becomes 8-bit images: the planes of its values, their stretch, and the margin it needs."""

    tone: Tone
    limits: tuple[tuple[float, float], ...]
    margin: int = 0


def prepare(
    job: RegisterJob,
    reporter: Reporter,
    workdir: Path,
    with_bands: bool = True,
    classify: Optional[Classify] = None,
) -> PreparedPair:
    """Read both layers onto the analysis grid as uint8 images (0 = NoData) in `workdir`.

    `job.reference` is the optical, `job.moving` the SAR layer. Both georeferenced: one grid on the
    reference's lattice at the coarser GSD (or `job.gsd`), over the overlap of the footprints and the box of
    `job.area`; reference pixels outside that polygon become NoData. Otherwise each keeps its own pixels.
    The images are memory-mapped `.npy` files; memory stays bounded for any size. with_bands: false where
    nothing is matched. classify: tells what the codes of `job.land_use_layer` mean; None = that is not read.
    Raises InputError (layer cannot be used: see the message), OptionError, OutputError (no room in `workdir`),
    Cancelled.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    with (
        modest_cache(),
        Scene(job.reference, "optical") as reference,
        Scene(job.moving, "SAR") as moving,
        land_use_layer(job, classify is not None) as land_cover,
    ):
        plan = plan_grids(job, reference, moving)
        if land_cover is not None:
            land_cover.check_place(plan.reference_grid)
        notes = [*reference.notes, *moving.notes, *plan.notes]
        if _same_pixels(job):
            notes.append(f"'{reference.label}' and '{moving.label}' are the same layer: nothing is to be found.")
        notes += colour_notes(reference, moving)
        optical, optical_look = _optical_look(reference, plan, job.radiometry, reporter, notes, with_bands)
        sar, sar_look = _sar_look(moving, plan, job.radiometry, reporter, notes)
        fills = tuple(
            now.source.nodata if before.source.nodata is None else None
            for before, now in ((reference, optical), (moving, sar))
        )
        with optical, sar:
            first, bands = _fill(
                optical, plan.reference_grid, optical_look, workdir / "reference.npy", reporter, plan.area
            )
            second, _ = _fill(sar, plan.moving_grid, sar_look, workdir / "moving.npy", reporter)
        _check_common(first, second, plan, job)
        land_use = None
        if land_cover is not None and classify is not None:
            path = workdir / "reference_land_use.npy"
            land_use, more = land_cover.read(plan.reference_grid, first, classify, path, reporter)
            notes += more
    for note in notes:
        reporter.log(note)
    return PreparedPair(first, second, plan.reference_grid, plan.moving_grid, tuple(notes), bands, land_use, fills)


def _same_pixels(job: RegisterJob) -> bool:
    return (job.reference.source, job.reference.bands) == (job.moving.source, job.moving.bands)


def land_use_layer(job: RegisterJob, is_read: bool) -> AbstractContextManager[Optional[LandUseLayer]]:
    """The opened land-cover layer of a job; None where it has none, or it is not read. Raises InputError."""
    if job.land_use_layer is None or not is_read:
        return nullcontext(None)
    return LandUseLayer(job.land_use_layer)


def _optical_look(
    scene: Scene,
    plan: Plan,
    options: RadiometryOptions,
    reporter: Reporter,
    notes: list[str],
    with_bands: bool,
) -> tuple[Scene, Look]:
    scene, values, valid = _sample(scene, plan.reference_grid, reporter, notes)
    notes += value_notes(scene, values, valid)
    stretch = options.low_percentile, options.high_percentile
    grey = stretch_limits(values.mean(axis=0), valid, *stretch, scene.label)
    bands = {}
    if with_bands and len(values) <= _MOST_BANDS and scene.source.bands.strip().lower() != "mean":
        for number, band in enumerate(values):
            with suppress(InputError):  # one band of zeros is no reason to give up
                bands[number] = stretch_limits(band, valid, *stretch, scene.label)
    shown = [to_uint8(values[number], valid, *limits).astype(np.int16) for number, limits in bands.items()]
    if max((np.abs(band - shown[0]).mean() for band in shown), default=0.0) < _COLOURED:
        bands = {}
    chosen = list(bands)

    def tone(values: Values, valid: Flags) -> tuple[Array, Flags]:
        return np.concatenate([values.mean(axis=0, keepdims=True), values[chosen]]), valid

    return scene, Look(tone, (grey, *bands.values()))


def _sar_look(
    scene: Scene, plan: Plan, options: RadiometryOptions, reporter: Reporter, notes: list[str]
) -> tuple[Scene, Look]:
    scene, values, valid = _sample(scene, plan.moving_grid, reporter, notes)
    chosen = values[:, valid]
    kind = options.sar_kind
    if kind == "auto":
        kind = detect_sar_kind(chosen, scene.dtype)
        notes.append(f"SAR values of '{scene.label}' look like {_KIND_NAMES[kind]}.")
    unit = db_unit(chosen) if kind == DB else 1.0
    looks = 0.0
    if options.speckle == "refined-lee":
        power, good = _sar_power(values, valid, kind, unit)
        looks = speckle.estimate_looks(power, good)
        notes.append(f"Speckle filter: refined Lee, {looks:.1f} looks.")

    def tone(values: Values, valid: Flags) -> tuple[Array, Flags]:
        power, good = _sar_power(values, valid, kind, unit)
        if looks:
            power = speckle.refined_lee(power, good, looks)
        return power_to_db(power, kind)[None], good

    planes, good = tone(values, valid)
    limits = stretch_limits(planes[0], good, options.low_percentile, options.high_percentile, scene.label)
    return scene, Look(tone, (limits,), speckle.MARGIN if looks else 0)


_KIND_NAMES = {"power": "linear power", "amplitude": "amplitude", "db": "dB", "8bit": "an 8-bit display"}


def _sar_power(values: Values, valid: Flags, kind: str, unit: float) -> tuple[Array, Flags]:
    """Mean of the bands in linear power (8 bit: of the display values), and where all bands have it."""
    power = to_power(values, kind, unit)
    good = valid & np.isfinite(power).all(axis=0)
    return np.where(good, power.mean(axis=0), np.nan), good


def told_of_fill(scene: Scene, reporter: Reporter = SILENT) -> tuple[LayerSource, list[str]]:
    """A scene's layer, with the value that stands for NoData although the file does not declare it, and notes."""
    notes: list[str] = []
    own = Grid.of_pixels(scene.grid.width, scene.grid.height)
    return _with_fill(scene, *_read_sample(scene, own, reporter), notes), notes


def _sample(scene: Scene, grid: Grid, reporter: Reporter, notes: list[str]) -> tuple[Scene, Values, Flags]:
    """Values and validity of a sample of the grid; the scene again, now knowing of undeclared NoData."""
    values, valid = _read_sample(scene, grid, reporter)
    source = _with_fill(scene, values, valid, notes)
    if source != scene.source:
        scene = Scene(source, scene.role)
        values, valid = _read_sample(scene, grid, reporter)
    if not valid.any():
        raise InputError(
            f"Layer '{scene.label}' has no valid pixels in the overlap.",
            "Choose another area or check its NoData value.",
        )
    return scene, values, valid


def _with_fill(scene: Scene, values: Values, valid: Flags, notes: list[str]) -> LayerSource:
    """See `told_of_fill`. values, valid: a sample."""
    searched = not (scene.has_alpha or scene.has_mask or scene.is_complex or scene.source.nodata is not None)
    fill = find_fill(scene.as_stored(values), valid, scene.dtype) if searched else None
    if fill is None:
        return scene.source
    what = "zeros" if fill == 0 else f"{fill:.6g}"
    declared = [value for value in scene.nodata if value is not None and np.isfinite(value)]
    if declared:  # there can be only one
        notes.append(
            f"'{scene.label}' declares {declared[0]:.6g} as NoData, but has areas of {what}, too: if those "
            "show nothing, give that as its NoData value."
        )
        return scene.source
    notes.append(f"In '{scene.label}', areas of {what} are taken for NoData, which the file does not declare.")
    return replace(scene.source, nodata=fill)


def _read_sample(scene: Scene, grid: Grid, reporter: Reporter) -> tuple[Values, Flags]:
    """At most about `_SAMPLE`² pixels at the grid's own resolution, whose spread decides the stretch.

    Tiles rather than a decimated picture: decimation averages speckle away and narrows the spread. Where
    tiles miss the few valid pixels, a decimated picture must do.
    """
    if grid.width * grid.height <= _SAMPLE**2:
        return scene.read(grid, reporter=reporter)
    side = _SAMPLE // _TILES
    width, height = min(side, grid.width), min(side, grid.height)
    columns = np.linspace(0, grid.width - width, _TILES).astype(int)
    rows = np.linspace(0, grid.height - height, _TILES).astype(int)
    parts = [
        scene.read(grid.window(int(c), int(r), width, height), reporter=reporter) for r in rows for c in columns
    ]
    values = np.concatenate([part for part, _ in parts], axis=1)
    valid = np.concatenate([part for _, part in parts], axis=0)
    if valid.mean() > 0.01:
        return values, valid
    return scene.read(grid.resampled(grid.gsd * max(grid.shape) / _SAMPLE), reporter=reporter)


def _fill(
    scene: Scene, grid: Grid, look: Look, path: Path, reporter: Reporter = SILENT, area: Any = None
) -> tuple[Pixels, Pixels | None]:
    """Write the 8-bit images of a scene on a grid to memory-mapped .npy files, block by block.

    Returns the grey one, and the bands, where the look has any; those lie beside `path`.
    """
    image = mapped_image(path, grid.shape)
    count = len(look.limits) - 1
    bands = mapped_image(path.with_name(f"{path.stem}_bands.npy"), (count, *grid.shape)) if count else None
    stage = f"Reading the {scene.role} layer"
    places = list(blocks(grid))
    margin = look.margin
    for done, (column, row, width, height) in enumerate(places):
        reporter.progress(stage, done / len(places))
        window = grid.window(column - margin, row - margin, width + 2 * margin, height + 2 * margin)
        planes, valid = look.tone(*scene.read(window, reporter=reporter))
        inner = slice(margin, margin + height), slice(margin, margin + width)
        shown = valid[inner]
        if area is not None:
            shown = shown & rasterise(area, grid.window(column, row, width, height)).astype(np.bool_)
        grey, *others = (to_uint8(plane[inner], shown, *pair) for plane, pair in zip(planes, look.limits))
        place = slice(row, row + height), slice(column, column + width)
        image[place] = grey
        if bands is not None:
            bands[:, place[0], place[1]] = others
    reporter.progress(stage, 1.0)
    for file in (image, bands):
        if file is not None:
            file.flush()
    return image, bands


def _check_common(first: Pixels, second: Pixels, plan: Plan, job: RegisterJob) -> None:
    """Enough pixels valid in both, as far as that can be told before matching."""
    if plan.moving_grid != plan.reference_grid or not plan.reference_grid.crs:
        common = min(_count(first), _count(second))
    else:
        common = sum(
            int(np.count_nonzero((first[r : r + h, c : c + w] > 0) & (second[r : r + h, c : c + w] > 0)))
            for c, r, w, h in blocks(plan.reference_grid)
        )
    if common < SMALLEST_SIDE**2:
        raise InputError(
            f"'{job.reference.label}' and '{job.moving.label}' have only {common} valid pixels in common.",
            f"At least {SMALLEST_SIDE}² are needed: check the NoData values, or choose another area.",
        )


def _count(image: Pixels) -> int:
    return sum(int(np.count_nonzero(image[row : row + BLOCK])) for row in range(0, image.shape[0], BLOCK))
