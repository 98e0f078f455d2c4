"""Runs in memory whose residuals are a real fit's, and a canvas in the reference's CRS."""

from __future__ import annotations

import numpy as np
import pytest
from osgeo import osr
from qgis.core import QgsCoordinateReferenceSystem, QgsRectangle
from qgis.gui import QgsMapCanvas
from sarto.core.contract import (
    Assessment,
    Figures,
    GcpTable,
    Grid,
    LayerSource,
    ModelOptions,
    OutputOptions,
    RegisterJob,
    RegisterResult,
    Verdict,
)
from sarto.core.geometry import refit, summary
from sarto.core.pipeline import Review
from sarto.ui.gcps import GcpDock

SIDE = 1000


def wkt(epsg: int) -> str:
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(epsg)
    return reference.ExportToWkt()


@pytest.fixture
def make_review(tmp_path):
    """make_review(count, crs=…, model=…, name=…): every tenth point off, every fourth a check point."""

    def make(
        count: int = 40,
        epsg: int = 32632,
        model: str = "affine",
        name: str = "run",
        smoothing: float = ModelOptions.smoothing,
    ) -> Review:
        rng = np.random.default_rng(7)
        if epsg:
            grid = Grid(SIDE, SIDE, (500_000.0, 10.0, 0.0, 5_500_000.0, 0.0, -10.0), wkt(epsg))
        else:
            grid = Grid.of_pixels(SIDE, SIDE)
        place = rng.uniform(50, SIDE - 50, (count, 2))
        table = GcpTable(
            grid, grid, place, place + np.array([4.0, -3.0]) + rng.normal(0, 0.7, (count, 2)), rng.random(count),
            rng.random(count), np.full((count, 2), np.nan), np.arange(count) % 10 != 0,
            np.where(np.arange(count) % 4 == 3, "check", "gcp"),
        )  # fmt: skip
        transform, table = refit(table, model, smoothing)
        fit, check = (summary(table.residual_px, table.used(role)) for role in ("gcp", "check"))
        figures = Figures(
            count, fit.count, check.count, count, fit.rmse, check.rmse, check.ce90, fit.rmse, 0.8, 1.0, 0.3, 0.1,
            0.5, 0.99, grid.gsd,
        )  # fmt: skip
        job = RegisterJob(
            LayerSource("optical.tif"),
            LayerSource("sar.tif"),
            output=OutputOptions(directory=str(tmp_path)),
            model=ModelOptions(smoothing=smoothing),
        )
        return Review(
            RegisterResult(
                job, grid, grid, table, transform.to_record(), Assessment(Verdict.TRUSTED, (), figures),
                files={"record": str(tmp_path / name / "record.json")},
            )
        )  # fmt: skip

    return make


@pytest.fixture
def canvas(qgis_app, qgis_new_project, qtbot):
    """600 × 400 pixels, over the whole scene of `make_review`, in its CRS."""
    canvas = QgsMapCanvas()
    qtbot.addWidget(canvas)
    canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:32632"))
    canvas.resize(600, 400)
    canvas.show()
    canvas.setExtent(QgsRectangle(500_000, 5_490_000, 510_000, 5_500_000))
    yield canvas
    canvas.stopRendering()


@pytest.fixture
def dock(canvas, qtbot):
    dock = GcpDock(canvas)
    qtbot.addWidget(dock)
    dock.resize(1000, 300)
    dock.show()
    yield dock
    dock.shut_down()


@pytest.fixture
def review(make_review):
    return make_review(40)
