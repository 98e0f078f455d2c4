"""The report is one valid, self-contained, harmless page for every kind of result."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from osgeo import gdal, osr
from sarto.core.contract import (
    CHECK,
    GCP,
    Assessment,
    Figures,
    GcpTable,
    Grid,
    InputError,
    LayerSource,
    ModelOptions,
    OutputError,
    RegisterJob,
    RegisterResult,
    TransformRecord,
    Verdict,
)
from sarto.core.geometry import refit
from sarto.core.raster import CoverClass, LandCover
from sarto.core.report import Ruler, write_report

HOSTILE = """<script>alert("x")</script>'"><img src=x onerror=alert(1)>&amp;"""


def utm() -> str:
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(32633)
    return str(crs.ExportToWkt())


GRID = Grid(400, 300, (500_000.0, 10.0, 0.0, 5_400_000.0, 0.0, -10.0), utm())


def made(count: int = 40, grid: Grid = GRID, moving_grid: Grid | None = None, **changes) -> RegisterResult:
    """A result with `count` tie points, a quarter of them check points."""
    rng = np.random.default_rng(0)
    reference = rng.uniform(5, 290, (count, 2))
    moving = reference + np.array([7.0, -4.0]) + rng.normal(0, 0.8, (count, 2))
    role = np.where(np.arange(count) % 4 == 1, CHECK, GCP)
    table = GcpTable(
        grid, moving_grid or grid, reference, moving, rng.uniform(0, 1, count), rng.uniform(0, 1, count),
        np.full((count, 2), np.nan), np.arange(count) % 13 != 5, role,
    )  # fmt: skip
    record = TransformRecord("affine", {"matrix": np.eye(3).tolist()})
    if count >= 6:
        transform, table = refit(table, "affine")
        record = transform.to_record()
    figures = Figures(
        count, count * 3 // 4, count // 4, 90, 1.0, 1.2, 1.8, 1.1, 0.8, 0.7, 0.5, 0.1, 0.4, 0.99, 10.0
    )
    result = RegisterResult(
        RegisterJob(LayerSource("a/optical.tif"), LayerSource("b/radar.tif"), model=ModelOptions("affine")),
        grid, moving_grid or grid, table, record, Assessment(Verdict.TRUSTED, ("All is well.",), figures),
        {"aligned": "out/radar_aligned.tif"}, ("One note.",), {"sarto": "0.1.0"}, {"pose": [1.0]}, 3.2,
    )  # fmt: skip
    return replace(result, **changes)


def pictures(rows: int = 300, columns: int = 400):
    rng = np.random.default_rng(1)
    views = [rng.integers(1, 256, (rows, columns)).astype(np.uint8) for _ in range(3)]
    views[1][:20] = 0
    return views


class Page(HTMLParser):
    """Checks that tags balance and collects what matters."""

    VOID = ("meta", "br", "img", "link", "input", "hr")
    CLOSED_IN_SVG = ("path", "rect", "circle", "use", "image")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        assert tag in self.CLOSED_IN_SVG

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text += data

    def count(self, tag: str, **attributes: str) -> int:
        return sum(t == tag and attributes.items() <= a.items() for t, a in self.tags)


def written(tmp_path, result, views=None, **extras) -> Page:
    path = write_report(tmp_path / "report.html", result, *(views or pictures()), overwrite=True, **extras)
    html = path.read_text(encoding="utf-8")
    assert html.startswith("<!DOCTYPE html>")
    page = Page(html)
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "img", "form")
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href"):
                assert value is not None
                assert value.startswith(("#", "data:image/png;base64,"))
    assert not re.search(r"url\((?!#)|@import|https?:", html)
    targets = {a["id"] for _, a in page.tags if "id" in a}
    for _, attributes in page.tags:
        if str(attributes.get("href", "")).startswith("#"):
            assert str(attributes["href"])[1:] in targets
    assert "nan" not in re.sub(r"base64,[^\"]+", "", html).lower().replace("analy", "")
    return page


def test_usual_result(tmp_path):
    page = written(tmp_path, made())
    assert "radar.tif aligned to optical.tif" in page.text
    assert "Trusted" in page.text
    assert "All is well." in page.text
    assert "1.20 px12.0 m" in page.text
    assert page.count("image") == 6
    assert page.count("tr") > 40
    assert re.search(r"was moved [67]\d\.\d m west and [34]\d\.\d m south", page.text)
    assert "WGS 84 / UTM zone 33N (EPSG:32633)" in page.text
    assert "sqrt(mean(dx² + dy²))" in page.text


@pytest.mark.parametrize("verdict", list(Verdict))
def test_verdicts(tmp_path, verdict):
    result = made()
    result = replace(result, assessment=replace(result.assessment, verdict=verdict, reasons=()))
    page = written(tmp_path, result)
    assert page.count(
        "section", **{"class": f"verdict {verdict.value.replace(' ', '-').replace('usable-with-', '')}"}
    )


def test_hostile_texts_stay_text(tmp_path):
    result = made(
        notes=(HOSTILE,),
        files={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
        steps={HOSTILE: HOSTILE},
        transform=TransformRecord(HOSTILE, {HOSTILE: HOSTILE}),
    )
    job = replace(
        result.job,
        reference=LayerSource(HOSTILE, name=HOSTILE, bands=HOSTILE),
        moving=LayerSource(HOSTILE, name=HOSTILE),
        area=HOSTILE,
        match=replace(result.job.match, method=HOSTILE),
    )
    assessment = replace(result.assessment, reasons=(HOSTILE,))
    page = written(tmp_path, replace(result, job=job, assessment=assessment))
    assert page.text.count(HOSTILE) >= 10


def test_no_tie_points_and_nothing_measured(tmp_path):
    nan = float("nan")
    result = made(0)
    figures = Figures(0, 0, 0, 90, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, 10.0)
    assessment = Assessment(Verdict.NOT_TRUSTED, ("No tie points were found.",), figures)
    page = written(tmp_path, replace(result, assessment=assessment))
    assert "Not trusted" in page.text
    assert "not measured" in page.text
    assert "There are no residuals to show." in page.text
    assert page.count("image") == 3


def test_unreferenced_pair_has_no_metres_and_no_displacement(tmp_path):
    page = written(tmp_path, made(grid=Grid.of_pixels(400, 300), moving_grid=Grid.of_pixels(350, 280)))
    assert "source x" in page.text
    assert "dX" not in page.text
    assert "residual m" not in page.text
    assert not re.search(r"\d m\b", page.text)
    assert "was moved" not in page.text


def grid_in(code: int, longitude: float, latitude: float, turn: float = 0.0) -> Grid:
    """300 × 200 pixels of 10 map units around a place."""
    crs, globe = osr.SpatialReference(), osr.SpatialReference()
    crs.ImportFromEPSG(code)
    globe.ImportFromEPSG(4326)
    for system in (crs, globe):
        system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    x, y, _ = osr.CoordinateTransformation(globe, crs).TransformPoint(longitude, latitude)
    c, s = 10 * np.cos(np.radians(turn)), 10 * np.sin(np.radians(turn))
    return Grid(300, 200, (x - 150 * c - 100 * s, c, s, y - 150 * s + 100 * c, s, -c), crs.ExportToWkt())


@pytest.mark.parametrize("turn", [0.0, 30.0])
@pytest.mark.parametrize(
    ("code", "place", "metres"),
    [
        (3857, (10, 60), 5.016),  # k = 1 / cos φ against the sphere; the ellipsoid's radii add 0.3 %
        (3857, (-122, -30), 8.653),
        (3857, (179.999, 45), 7.071),
        (3395, (10, 60), 5.012),
        (32633, (15, 50), 10.0),
        (3857, (0, 0), 10.0),
        (2263, (-74, 40.7), 3.048),  # feet
    ],
)
def test_lengths_are_on_the_ground(code, place, metres, turn):
    ruler = Ruler.of(grid_in(code, *place, turn))
    assert ruler.metres_per_pixel == pytest.approx(metres, rel=4e-3)
    assert ruler.metres_per_unit == pytest.approx(ruler.metres_per_pixel / 10)


def test_georeferenced_in_degrees_has_no_metres(tmp_path):
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(4326)
    grid = Grid(400, 300, (15.0, 1e-4, 0.0, 48.0, 0.0, -1e-4), crs.ExportToWkt())
    page = written(tmp_path, made(grid=grid))
    assert "dX" in page.text
    assert "residual m" not in page.text
    assert re.search(r"15\.\d{6}", page.text)


def test_curved_models_are_described(tmp_path):
    result = made()
    transform, table = refit(result.gcps, "tps")
    page = written(tmp_path, replace(result, gcps=table, transform=transform.to_record()))
    assert '"knots"' in page.text


def test_two_thousand_gcps_stay_small(tmp_path):
    result = made(2000)
    written(tmp_path, result, pictures(1500, 2000))
    assert (tmp_path / "report.html").stat().st_size < 3e6


def seen(grid: Grid = GRID, classes: bool = True, cell: int = 8) -> LandCover:
    """Trees in the left half, water in a corner."""
    rows, columns = -(-grid.height // cell), -(-grid.width // cell)
    values = np.zeros((rows, columns), np.uint8)
    if classes:
        values[:, : columns // 2] = 10
        values[-1, -1] = 80
    entries = (CoverClass(10, "Tree cover", "#006400"), CoverClass(80, HOSTILE, "#0064c8")) if classes else ()
    lattice = np.array([[cell, 0, (cell - 1) / 2], [0, cell, (cell - 1) / 2]])
    return LandCover(values, values, entries, grid.through(lattice, columns, rows))


@pytest.mark.parametrize("grid", [GRID, Grid.of_pixels(400, 300)])
def test_land_cover_lies_on_the_reference(tmp_path, grid):
    page = written(tmp_path, made(grid=grid), cover=seen(grid))
    assert "Land cover that the method saw" in page.text
    assert "no land-cover product" in page.text
    assert HOSTILE in page.text
    (overlay,) = [a for tag, a in page.tags if tag == "image" and a.get("class") == "cells"]
    assert (overlay["width"], overlay["height"]) == ("50", "38")
    numbers = [float(n) for n in overlay["transform"][len("matrix(") : -1].split()]
    assert numbers == pytest.approx([8, 0, 0, 8, 0, 0], abs=1e-6)
    png = encoded(overlay["href"])
    assert png[0, 0].tolist() == [0, 100, 0, 255]
    assert png[0, -1, 3] == 0
    assert re.search(r"Tree cover >? ?99|Tree cover 100", page.text)  # of what stands out, one cell is water
    assert "< 1" in page.text


def encoded(address: str) -> np.ndarray:
    """(rows, columns, bands) of a PNG in a data address."""
    gdal.FileFromMemBuffer("/vsimem/cells.png", base64.b64decode(address.partition(",")[2]))
    image = gdal.Open("/vsimem/cells.png").ReadAsArray()
    gdal.Unlink("/vsimem/cells.png")
    return np.moveaxis(image, 0, -1)


def test_fine_land_cover_is_thinned_and_stays_in_place(tmp_path):
    grid = replace(GRID, width=4000, height=3000)
    page = written(tmp_path, made(grid=grid), cover=seen(grid, cell=2))
    (overlay,) = [a for tag, a in page.tags if tag == "image" and a.get("class") == "cells"]
    assert int(overlay["width"]) <= 700
    numbers = [float(n) for n in overlay["transform"][len("matrix(") : -1].split()]
    assert numbers == pytest.approx([6, 0, 0, 6, 0, 0], abs=1e-6)
    assert (tmp_path / "report.html").stat().st_size < 3e6


def test_no_land_cover_stands_out(tmp_path):
    page = written(tmp_path, made(), cover=seen(classes=False))
    assert "No land cover stood out" in page.text
    assert "Land cover" not in written(tmp_path, made()).text


def test_the_synthetic_picture_is_said_to_be_one(tmp_path):
    views = pictures()
    page = written(tmp_path, made(), views, painted=views[2])
    for words in ("synthetic", "nothing in it was measured", "for the eye only"):
        assert words in page.text
    (image,) = [a for tag, a in page.tags if tag == "image" and a.get("id") == "synthetic"]
    assert (image["x"], image["y"], image["width"], image["height"]) == (
        "0",
        "0",
        str(GRID.width),
        str(GRID.height),
    )
    assert encoded(image["href"]).size > 0
    assert "ynthetic" not in written(tmp_path, made()).text


def test_one_point_and_tiny_views(tmp_path):
    written(tmp_path, made(1), pictures(3, 4))


def test_infinite_and_enormous_residuals(tmp_path):
    result = made()
    residual = result.gcps.residual_px.copy()
    residual[0], residual[1], residual[2] = np.inf, [1e7, 0], np.nan
    written(tmp_path, replace(result, gcps=result.gcps.with_columns(residual_px=residual)))


def test_existing_file_is_kept_unless_told(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(OutputError):
        write_report(path, made(), *pictures())
    assert path.read_text() == "mine"
    write_report(path, made(), *pictures(), overwrite=True)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE")
    assert list(tmp_path.iterdir()) == [path]


def test_views_must_fit_together(tmp_path):
    views = pictures()
    with pytest.raises(InputError, match="after view has shape"):
        write_report(tmp_path / "a.html", made(), views[0], views[1], views[2][:-1])
    with pytest.raises(InputError, match="before view must be uint8"):
        write_report(tmp_path / "a.html", made(), views[0], views[1].astype(float), views[2])
