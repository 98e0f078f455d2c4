"""Fixtures for the dock: small rasters written by GDAL, and a dock that is taken down again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, osr
from qgis.core import QgsProject, QgsRasterLayer, QgsSettings
from sarto.core.contract import Grid, RegisterJob
from sarto.ui.dock import RegisterDock


def write_raster(
    path: Path,
    bands: int = 1,
    size: int = 200,
    origin: tuple[float, float] | None = (600_000.0, 5_000_000.0),
    gsd: float = 10.0,
    epsg: int = 32631,
    kind: int = gdal.GDT_Byte,
    names: tuple[str, ...] = (),
) -> Path:
    """A raster of noise; origin None = without georeference."""
    options = ["PHOTOMETRIC=RGB"] if bands == 3 else []
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), size, size, bands, kind, options)
    if origin is not None:
        dataset.SetGeoTransform((origin[0], gsd, 0.0, origin[1], 0.0, -gsd))
        reference = osr.SpatialReference()
        reference.ImportFromEPSG(epsg)
        dataset.SetProjection(reference.ExportToWkt())
    random = np.random.default_rng(bands)
    for number in range(1, bands + 1):
        dataset.GetRasterBand(number).WriteArray(random.integers(1, 255, (size, size)))
        if names:
            dataset.GetRasterBand(number).SetDescription(names[number - 1])
    return path


@dataclass
class FakeForesee:
    """Stands in for the engine's look at the layers. error: raised instead. asked: the jobs."""

    error: Exception | None = None
    asked: list[RegisterJob] = field(default_factory=list)

    def __call__(self, job: RegisterJob) -> Any:
        self.asked.append(job)
        if self.error is not None:
            raise self.error
        grid = Grid(3072, 2048, (0.0, 10.0, 0.0, 0.0, 0.0, -10.0), "x")
        return SimpleNamespace(reference_grid=grid, overlap_km2=629.1, seconds=31.0, gsd_text="10 m")


@pytest.fixture
def foresee_fake() -> FakeForesee:
    return FakeForesee()


@pytest.fixture
def make_dock(qgis_iface: Any, qgis_new_project: None, qtbot: Any) -> Iterator[Callable[..., RegisterDock]]:
    QgsSettings().remove("sarto/slowness")
    made: list[RegisterDock] = []

    def make(**more: Any) -> RegisterDock:
        dock = RegisterDock(qgis_iface, None, **more)
        qtbot.addWidget(dock)
        dock.show()
        made.append(dock)
        return dock

    yield make
    for dock in made:
        dock.shut_down()
    QgsProject.instance().clear()


@pytest.fixture
def dock(make_dock: Callable[..., RegisterDock], foresee_fake: FakeForesee) -> RegisterDock:
    """A dock whose forecasts are made up."""
    return make_dock(foresee=foresee_fake)


@dataclass
class Pair:
    optical: QgsRasterLayer
    sar: QgsRasterLayer


@pytest.fixture
def pair(tmp_path: Path, qgis_new_project: None) -> Pair:
    """Two overlapping layers in the project, the SAR layer on top."""
    optical = QgsRasterLayer(str(write_raster(tmp_path / "S2_rgb.tif", bands=3)), "S2 scene")
    sar = QgsRasterLayer(
        str(write_raster(tmp_path / "s1_vv.tif", bands=2, names=("VV", "VH"), kind=gdal.GDT_Float32)), "S1 VV"
    )
    assert optical.isValid()
    assert sar.isValid()
    QgsProject.instance().addMapLayers([optical, sar])
    return Pair(optical, sar)
