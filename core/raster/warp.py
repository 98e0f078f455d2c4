"""The aligned raster: all bands of the moving layer, warped by the transform, as Cloud Optimized GeoTIFF."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal

from ..contract import RESAMPLING, SILENT, Grid, InputError, LayerSource, OptionError, OutputError, Reporter
from .atomic import replacing
from .bands import data_bands
from .crs import georeference
from .gdal_tools import GdalProgress, attempt, gdal_errors, modest_cache
from .scene import IDENTITY, UNREADABLE, Scene
from .target import Backward, SourceMapping
from .tiles import Tile, TileWarper

_TILE = 1024
_TILE_BYTES = 128 << 20  # a smaller tile where many bands would take more
_COG_BLOCK = 512
_HINT = "Is there space on the disk, and may you write in the folder?"


def write_aligned(
    moving: LayerSource,
    backward: Backward,
    reference_grid: Grid,
    moving_grid: Grid,
    target: Grid,
    path: str | Path,
    resampling: str = "bilinear",
    reporter: Reporter = SILENT,
    overwrite: bool = False,
) -> Path:
    """Warp the moving layer onto `target` and write it as Cloud Optimized GeoTIFF; returns the path.

    backward: `reference_grid` pixel positions → `moving_grid` pixel positions, any smooth model.
    All bands, data type, band names, colours, metadata and NoData are kept; overviews and statistics are
    added. Pixels outside the moving image, or invalid in it, become NoData; where there is no NoData value:
    transparent (if the layer has alpha), NaN (floating point), else masked by an internal mask.
    Positions are accurate to about 0.05 source pixels. Memory is bounded.
    Raises OutputError (path exists, disk full, nothing would be seen), InputError (layer unreadable),
    OptionError (resampling), Cancelled; none of them leaves a file behind.
    """
    if resampling not in RESAMPLING:
        raise OptionError(f"Resampling '{resampling}' is not known.", f"Use one of {', '.join(RESAMPLING)}.")
    final = Path(path)
    with modest_cache(), Scene(moving, "SAR") as scene, replacing(final, overwrite) as temporary:
        _refuse_input(final, scene)
        mapping = SourceMapping(backward, reference_grid, moving_grid, scene)
        raw = temporary.with_name(temporary.stem + "-raw.tif")  # removed with the temporary file
        _warp_to(raw, _Plan(scene, mapping, target, resampling), reporter, final)
        _write_cog(raw, temporary, reporter, final)
    return final


def _refuse_input(path: Path, scene: Scene) -> None:
    files = {Path(name).resolve() for name in scene.dataset.GetFileList() or []}
    if path.resolve() in files:
        raise OutputError(f"'{path}' is the moving layer itself.", "Choose another name.")


class _Plan:
    """What is warped how: the views of the source, and how invalid pixels are marked in the result."""

    def __init__(self, scene: Scene, mapping: SourceMapping, target: Grid, method: str) -> None:
        dataset = scene.dataset
        values = data_bands(dataset)
        alpha = [n for n in range(1, dataset.RasterCount + 1) if n not in values]
        self.scene, self.target = scene, target
        self.numbers = [*values, *alpha[:1]]
        self.has_alpha = bool(alpha)
        self.type = dataset.GetRasterBand(values[0]).DataType
        for number in values[1:]:
            self.type = gdal.DataTypeUnion(self.type, dataset.GetRasterBand(number).DataType)
        self.nodata = self._nodata(values)
        self.has_mask = self.nodata is None and not self.has_alpha
        paletted = dataset.GetRasterBand(1).GetColorTable() is not None
        self.warper = TileWarper(
            self._view(), self._view(), mapping, target, "near" if paletted or method == "nearest" else method
        )

    def _nodata(self, values: list[int]) -> float | None:
        """One NoData value for all bands, as GeoTIFF has it: the given, the first declared, or NaN."""
        if self.scene.source.nodata is not None:
            return self.scene.source.nodata
        declared = [self.scene.dataset.GetRasterBand(n).GetNoDataValue() for n in values]
        known = [float(value) for value in declared if value is not None]
        if known:
            return known[0]
        floating = self.type in (gdal.GDT_Float32, gdal.GDT_Float64)
        return float("nan") if floating and not (self.has_alpha or self.scene.has_mask) else None

    def _view(self) -> Any:
        view = gdal.Translate("", self.scene.dataset, format="VRT", bandList=self.numbers)
        view.SetProjection("")
        view.SetGeoTransform(IDENTITY)
        if self.nodata is not None:
            for number in range(1, len(self.numbers) + 1 - self.has_alpha):
                band = view.GetRasterBand(number)
                if band.GetNoDataValue() is None or self.scene.source.nodata is not None:
                    band.SetNoDataValue(self.nodata)
        return view

    def tile_side(self) -> int:
        bytes_per_pixel = len(self.numbers) * gdal.GetDataTypeSize(self.type) // 8
        return _TILE if bytes_per_pixel * _TILE**2 <= _TILE_BYTES else _TILE // 2

    def new_image(self, width: int, height: int) -> Any:
        """A MEM dataset for one tile: the bands, then alpha if the source has it or a mask is needed."""
        count = len(self.numbers) - self.has_alpha
        image = gdal.GetDriverByName("MEM").Create("", width, height, count, self.type)
        if self.nodata is not None:
            for number in range(1, count + 1):
                image.GetRasterBand(number).SetNoDataValue(self.nodata)
                image.GetRasterBand(number).Fill(self.nodata)
        if self.has_alpha or self.has_mask:
            image.AddBand(self.type if self.has_alpha else gdal.GDT_Byte)
            image.GetRasterBand(count + 1).SetColorInterpretation(gdal.GCI_AlphaBand)
        return image


def _warp_to(raw: Path, plan: _Plan, reporter: Reporter, final: Path) -> None:
    """Warp all tiles into a temporary tiled GeoTIFF with all metadata."""
    side, target = plan.tile_side(), plan.target
    places = [(c, r) for r in range(0, target.height, side) for c in range(0, target.width, side)]
    seen = False
    with gdal_errors(OutputError, f"'{final}' could not be written", _HINT) as failures:
        output = _create(raw, plan)
        for done, (column, row) in enumerate(places):
            reporter.progress("Aligning the SAR layer", done / len(places))
            window = column, row, min(side, target.width - column), min(side, target.height - row)
            for tile in plan.warper.tiles(*window):
                seen = _warp_tile(plan, tile, output, reporter) or seen
            if failures:
                raise RuntimeError(failures[0])
        _add_statistics(output, plan, reporter)
        output.FlushCache()
        del output  # closing writes the rest
    if not seen:
        raise OutputError(
            f"The moved '{plan.scene.label}' would not be seen on the output grid.",
            "Check the GCPs, or choose the output grid 'source'.",
        )


def _warp_tile(plan: _Plan, tile: Tile, output: Any, reporter: Reporter) -> bool:
    """Warp one tile and store it; whether any pixel of it is valid."""
    image = plan.new_image(tile.width, tile.height)
    flags: dict[str, Any] = {"srcAlpha": plan.has_alpha, "dstAlpha": plan.has_alpha or plan.has_mask}
    if plan.nodata is not None:
        flags["dstNodata"] = repr(plan.nodata)
    progress = GdalProgress(reporter)
    with gdal_errors(InputError, f"Layer '{plan.scene.label}' cannot be read", UNREADABLE, progress):
        plan.warper.warp(tile, image, progress, **flags)
    count = len(plan.numbers)
    place = tile.column, tile.row, tile.width, tile.height
    data = image.ReadRaster(0, 0, tile.width, tile.height, band_list=list(range(1, count + 1)))
    output.WriteRaster(*place, data, buf_type=plan.type, band_list=list(range(1, count + 1)))
    if plan.has_mask:
        mask = np.where(image.GetRasterBand(count + 1).ReadAsArray() > 0, 255, 0).astype(np.uint8)
        output.GetRasterBand(1).GetMaskBand().WriteArray(mask, tile.column, tile.row)
        return bool(mask.any())
    return bool(image.GetRasterBand(1).GetMaskBand().ReadAsArray().any())


def _create(raw: Path, plan: _Plan) -> Any:
    """The temporary file with georeference, band descriptions and metadata."""
    options = ["TILED=YES", "COMPRESS=DEFLATE", "ZLEVEL=1", "SPARSE_OK=YES", "BIGTIFF=IF_SAFER", "INTERLEAVE=BAND"]
    options += [f"BLOCKXSIZE={_COG_BLOCK}", f"BLOCKYSIZE={_COG_BLOCK}", "PHOTOMETRIC=MINISBLACK"]
    target, source = plan.target, plan.scene.dataset
    output = gdal.GetDriverByName("GTiff").Create(
        str(raw), target.width, target.height, len(plan.numbers), plan.type, options=options
    )
    if output is None:
        raise RuntimeError("the file could not be created")
    georeference(output, target)
    output.SetMetadata(_kept(source.GetMetadata()))
    for number, original in enumerate(plan.numbers, 1):
        _copy_band_facts(source.GetRasterBand(original), output.GetRasterBand(number))
    if plan.nodata is not None:
        output.GetRasterBand(1).SetNoDataValue(plan.nodata)
    if plan.has_mask:
        output.CreateMaskBand(gdal.GMF_PER_DATASET)
    return output


def _copy_band_facts(source: Any, target: Any) -> None:
    target.SetDescription(source.GetDescription())
    target.SetMetadata(_kept(source.GetMetadata()))
    target.SetColorInterpretation(source.GetColorInterpretation())
    if source.GetColorTable() is not None and target.DataType in (gdal.GDT_Byte, gdal.GDT_UInt16):
        target.SetColorTable(source.GetColorTable())
    if source.GetScale() is not None and (source.GetScale(), source.GetOffset() or 0.0) != (1.0, 0.0):
        target.SetScale(source.GetScale())
        target.SetOffset(source.GetOffset() or 0.0)
    if source.GetUnitType():
        target.SetUnitType(source.GetUnitType())


def _kept(metadata: dict[str, str]) -> dict[str, str]:
    """Metadata without what no longer holds: statistics, and the place of a pixel's coordinate."""
    return {k: v for k, v in metadata.items() if k != "AREA_OR_POINT" and not k.startswith("STATISTICS_")}


def _add_statistics(output: Any, plan: _Plan, reporter: Reporter) -> None:
    if gdal.DataTypeIsComplex(plan.type):
        return
    for number in range(1, len(plan.numbers) + 1):
        progress = GdalProgress(reporter)
        compute = output.GetRasterBand(number).ComputeStatistics
        attempt(partial(compute, False, progress))  # fails for a band without valid pixels, which has none
        reporter.check()


def _write_cog(raw: Path, temporary: Path, reporter: Reporter, final: Path) -> None:
    progress = GdalProgress(reporter, "Writing the aligned raster")
    with gdal_errors(OutputError, f"'{final}' could not be written", _HINT, progress):
        source = gdal.Open(str(raw))
        band = source.GetRasterBand(1)
        exact = gdal.DataTypeIsComplex(band.DataType) or band.GetColorTable() is not None
        options = ["COMPRESS=DEFLATE", "BIGTIFF=IF_SAFER", f"BLOCKSIZE={_COG_BLOCK}", "NUM_THREADS=ALL_CPUS"]
        options += [f"OVERVIEW_RESAMPLING={'NEAREST' if exact else 'AVERAGE'}"]
        options += [] if gdal.DataTypeIsComplex(band.DataType) else ["PREDICTOR=YES"]
        cog = gdal.GetDriverByName("COG").CreateCopy(str(temporary), source, options=options, callback=progress)
        if cog is not None:
            cog.FlushCache()
        del cog, band, source
