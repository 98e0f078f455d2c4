"""A scene: one layer with its grid, its chosen bands and the way to read them onto any grid."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
from osgeo import gdal

from ..contract import SILENT, Flags, Grid, InputError, LayerSource, Points, Reporter
from .bands import choose_bands
from .crs import Transformation
from .gdal_tools import GdalProgress, gdal_errors
from .opening import open_raster

Values = npt.NDArray[np.float32]

# Largest error of GDAL's piecewise linear approximation of a reprojection, source pixels. Far below what a
# tie point can be measured to, and still fast.
APPROXIMATION_PX = 0.02

# From this ratio of pixel sizes on, a mean over all pixels beats a stretched interpolation kernel.
_AVERAGE_FROM = 2.0

CODE_METHODS = ("near", "mode")
"""GDAL's ways of resampling that make no values of their own."""

_NO_GEOTRANSFORM = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

# Units per pixel of a private pixel world: GDAL takes a geotransform of ones for none at all.
PIXEL_UNIT = 3.7
IDENTITY = (0.0, PIXEL_UNIT, 0.0, 0.0, 0.0, PIXEL_UNIT)

UNREADABLE = "Is the file damaged or incomplete? Try to display it in full."


def kernel_options(scale: float, method: str = "") -> dict[str, Any]:
    """`gdal.Warp` options for a target pixel that is `scale` source pixels wide.

    GDAL derives the kernel's size from bounding boxes and so blurs what is rotated: up to twice coarser it
    is given. Beyond, GDAL chooses, and takes overviews where there are some; not for codes (method 'near' or
    'mode'), which overviews may have averaged.
    """
    initialise = "INIT_DEST=NO_DATA"
    if method in CODE_METHODS:
        return {"warpOptions": [initialise], "overviewLevel": "NONE"}
    if scale >= _AVERAGE_FROM:
        return {"warpOptions": [initialise]}
    size = f"{1 / max(1.0, scale):.9g}"
    return {"warpOptions": [initialise, f"XSCALE={size}", f"YSCALE={size}"], "overviewLevel": "NONE"}


class Scene:
    """An opened layer. Reading only; the file is never changed.

    source: as given; label: its name in messages; role: "optical" or "SAR".
    grid: the layer's own grid; `Grid.of_pixels` without CRS where it is not georeferenced.
    crs: WKT or "". geotransform: GDAL's six numbers, or None if the file has none.
    bands: numbers of the chosen bands; descriptions: their names. dtype: GDAL's name of the data type.
    nodata: value per chosen band, or None; has_alpha, has_mask, is_complex: flags.
    notes: what was decided at opening, in plain words.
    """

    def __init__(self, source: LayerSource, role: str) -> None:
        """Open the layer. Raises InputError (see `open_raster`, `choose_bands`), or for GCP-only layers."""
        self.source, self.role, self.label = source, role, source.label
        self.dataset = open_raster(source)
        self._read_georeference()
        self.bands = choose_bands(self.dataset, source, role)
        self._read_band_facts()
        self.notes = self._notes()
        self._views: dict[bool, Any] = {}
        self._from: dict[str, Transformation] = {}

    def __enter__(self) -> Scene:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._views.clear()
        self.dataset = None

    @property
    def is_georeferenced(self) -> bool:
        """Whether the layer has both a CRS and a geotransform."""
        return bool(self.grid.crs)

    def _read_georeference(self) -> None:
        dataset = self.dataset
        geotransform = dataset.GetGeoTransform(can_return_null=True)
        if geotransform is None and dataset.GetGCPCount() > 0:
            raise InputError(
                f"Layer '{self.label}' is placed by {dataset.GetGCPCount()} GCPs only, not by a map grid.",
                "Warp it first (Raster ▸ Projections ▸ Warp, or terrain-correct it with SNAP).",
            )
        flat = geotransform is None or tuple(geotransform) == _NO_GEOTRANSFORM
        self.geotransform = None if flat else tuple(geotransform)
        self.crs = str(dataset.GetProjection() or "")
        width, height = dataset.RasterXSize, dataset.RasterYSize
        if self.geotransform is None or not self.crs:
            self.grid = Grid.of_pixels(width, height)
            return
        self.grid = Grid(width, height, self.geotransform, self.crs)
        if not (np.isfinite(self.geotransform).all() and self.grid.gsd > 0):
            raise InputError(
                f"Layer '{self.label}' has a broken geotransform {self.geotransform}.", "Georeference it anew."
            )

    def _read_band_facts(self) -> None:
        bands = [self.dataset.GetRasterBand(number) for number in self.bands]
        types = [band.DataType for band in bands]
        self.dtype = str(gdal.GetDataTypeName(types[0]))
        self.is_complex = any(gdal.DataTypeIsComplex(kind) for kind in types)
        self.descriptions = tuple(band.GetDescription() for band in bands)
        given = self.source.nodata
        if given is not None:
            for band in bands:
                _check_nodata(given, band, self.label)
        self.nodata = tuple(band.GetNoDataValue() if given is None else given for band in bands)
        self.scaling = tuple((band.GetScale() or 1.0, band.GetOffset() or 0.0) for band in bands)
        flags = bands[0].GetMaskFlags()
        self.has_mask = bool(flags & gdal.GMF_PER_DATASET) and not flags & gdal.GMF_ALPHA
        self._alpha = next(
            (
                number
                for number in range(1, self.dataset.RasterCount + 1)
                if self.dataset.GetRasterBand(number).GetColorInterpretation() == gdal.GCI_AlphaBand
            ),
            0,
        )
        self.has_alpha = self._alpha > 0

    def _notes(self) -> list[str]:
        names = [name or f"band {number}" for name, number in zip(self.descriptions, self.bands)]
        role = self.role[0].upper() + self.role[1:]
        notes = [f"{role} layer '{self.label}': using {', '.join(names)}."]
        if self.is_complex:
            notes.append(f"'{self.label}' is complex: its amplitude is taken.")
        return notes

    def read(self, grid: Grid, resample: str = "auto", reporter: Reporter = SILENT) -> tuple[Values, Flags]:
        """Read the chosen bands onto a grid, in another CRS, GSD or orientation if need be.

        grid: where to; one without CRS means the layer's own pixels (see `Grid.crs`).
        resample: a GDAL method, or 'auto': bilinear, and a mean where the grid is over 2 times coarser.
            All methods average when downsampling.
        Returns values (bands, rows, columns) float32, band scale and offset applied, and valid
        (rows, columns): no NoData, NaN, mask or transparency in any band. Invalid pixels never
        contribute to valid ones.
        Raises InputError naming the layer if pixels cannot be read, Cancelled.
        """
        scale = self.pixels_per_pixel(grid)
        method = resample
        if resample == "auto":
            method = "average" if scale > _AVERAGE_FROM else "bilinear"
        progress = GdalProgress(reporter)
        with gdal_errors(InputError, f"Layer '{self.label}' cannot be read", UNREADABLE, progress):
            target = self._warp(grid, method, scale, progress)
            values = np.asarray(target.ReadAsArray(), dtype=np.float32).reshape(-1, *grid.shape)
        for band, (factor, offset) in zip(values, self.scaling):
            if (factor, offset) != (1.0, 0.0) and not self.is_complex:
                band *= np.float32(factor)
                band += np.float32(offset)
        return values, np.isfinite(values).all(axis=0)

    def as_stored(self, values: Values) -> Values:
        """Values (bands, rows, columns) from `read` as the file has them: without scale and offset."""
        if all(pair == (1.0, 0.0) for pair in self.scaling):
            return values
        scaling = np.array(self.scaling)[:, :, None, None]
        stored = (values - scaling[:, 1]) / scaling[:, 0]
        return np.asarray(np.rint(stored) if "Int" in self.dtype else stored, dtype=np.float32)

    def _warp(self, grid: Grid, method: str, scale: float, progress: GdalProgress) -> Any:
        target = gdal.GetDriverByName("MEM").Create("", grid.width, grid.height, len(self.bands), gdal.GDT_Float32)
        unit = 1.0 if grid.crs else PIXEL_UNIT
        target.SetGeoTransform([unit * value for value in grid.geotransform])
        target.SetProjection(grid.crs)
        for number in range(1, len(self.bands) + 1):
            target.GetRasterBand(number).SetNoDataValue(float("nan"))
            target.GetRasterBand(number).Fill(float("nan"))  # GDAL leaves alone what has no source
        gdal.Warp(
            target,
            self._view(in_pixels=not grid.crs),
            resampleAlg=method,
            errorThreshold=APPROXIMATION_PX,
            dstNodata="nan",
            callback=progress,
            **kernel_options(scale, method),
        )
        return target

    def pixels_per_pixel(self, grid: Grid) -> float:
        """How many of the layer's own pixels one pixel of `grid` is wide, at its centre; 1 if unknown."""
        x, y = (grid.width - 1) / 2, (grid.height - 1) / 2
        middle = self.own_pixels(grid.to_world([[x, y], [x + 1, y], [x, y + 1]]), grid.crs)
        (ax, ay), (bx, by) = middle[1] - middle[0], middle[2] - middle[0]
        area = abs(ax * by - ay * bx)
        return float(np.sqrt(area)) if np.isfinite(area) and area > 0 else 1.0

    def own_coordinates(self, world: Points, crs: str) -> Points:
        """Coordinates (N, 2) in `crs` → the layer's own CRS; "" means its GDAL pixels, and stays."""
        if not crs:
            return np.array(world, dtype=np.float64)
        if crs not in self._from:
            self._from[crs] = Transformation(crs, self.grid.crs, self.grid)
        return self._from[crs](world)

    def own_pixels(self, world: Points, crs: str) -> Points:
        """Coordinates (N, 2) in `crs` → pixel positions in the layer, centres at integers."""
        own = self.own_coordinates(world, crs)
        grid = self.grid if crs else Grid.of_pixels(self.grid.width, self.grid.height)
        return grid.to_pixel(own)

    def _view(self, in_pixels: bool) -> Any:
        """A VRT of the chosen bands, alpha last; amplitude of complex bands; without georeference if asked."""
        if in_pixels not in self._views:
            view = self._amplitude_view() if self.is_complex else self._band_view()
            if in_pixels:
                view.SetProjection("")
                view.SetGeoTransform(IDENTITY)
            self._views[in_pixels] = view
        return self._views[in_pixels]

    def _band_view(self) -> Any:
        numbers = [*self.bands, self._alpha] if self.has_alpha else list(self.bands)
        view = gdal.Translate("", self.dataset, format="VRT", bandList=numbers)
        # NaN must not be averaged into its neighbours; a NoData value would hide a mask or alpha band.
        nan = self.dtype.startswith("Float") and not (self.has_mask or self.has_alpha)
        for number, nodata in enumerate(self.nodata, 1):
            if nodata is not None or nan:
                view.GetRasterBand(number).SetNoDataValue(float("nan") if nodata is None else nodata)
        return view

    def _amplitude_view(self) -> Any:
        """Complex bands → float32 modulus, by GDAL's own pixel function."""
        view = gdal.GetDriverByName("VRT").Create("", self.grid.width, self.grid.height, 0)
        view.SetProjection(self.grid.crs)
        view.SetGeoTransform(self.grid.geotransform)
        name = self.dataset.GetDescription()
        for number in self.bands:
            options = [
                "subClass=VRTDerivedRasterBand",
                "PixelFunctionType=mod",
                "SourceTransferType=CFloat32",
            ]
            view.AddBand(gdal.GDT_Float32, options)
            source = (
                f"<SimpleSource><SourceFilename>{_escape(name)}</SourceFilename>"
                f"<SourceBand>{number}</SourceBand></SimpleSource>"
            )
            band = view.GetRasterBand(view.RasterCount)
            band.SetMetadataItem("source_0", source, "new_vrt_sources")
            band.SetNoDataValue(0.0)  # no signal at all only occurs outside the swath
        return view


def _check_nodata(value: float, band: Any, label: str) -> None:
    """Raises InputError where a band cannot hold the NoData value that the user gave."""
    name = str(gdal.GetDataTypeName(band.DataType))
    if name in ("Float64", "CFloat32", "CFloat64", "CInt16", "CInt32"):
        return
    if name == "Float32":
        low, high = float(np.finfo(np.float32).min), float(np.finfo(np.float32).max)
        fits = not np.isfinite(value) or low * (1 + 1e-7) <= value <= high * (1 + 1e-7)  # as printed, rounded
    else:
        kind = np.iinfo("uint8" if name == "Byte" else name.lower())
        signed = band.GetMetadataItem("PIXELTYPE", "IMAGE_STRUCTURE") == "SIGNEDBYTE"  # GDAL before 3.7
        low, high = (-128.0, 127.0) if signed else (float(kind.min), float(kind.max))
        fits = low <= value <= high and value == int(value)
    if not fits:
        raise InputError(
            f"The NoData value {value:.10g} of layer '{label}' does not fit its data type {name} "
            f"({low:.10g} … {high:.10g}).",
            "Give a value that its pixels can have, or none.",
        )


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
