"""Images without any georeference, from PNG to all results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal
from sarto.core.contract import LayerSource, MatchOptions, OutputOptions, RegisterJob, Verdict
from sarto.core.geometry import from_record
from sarto.core.matching import create
from sarto.core.pipeline import register


@pytest.fixture
def plain(sample_scene, tmp_path: Path) -> tuple[Path, Path]:
    """An optical crop, and the SAR crop turned by 90° (which no interpolation can blur)."""
    optical = gdal.Open(str(sample_scene.optical)).ReadAsArray(200, 200, 320, 320).mean(axis=0)
    power = gdal.Open(str(sample_scene.sar)).ReadAsArray(200, 200, 400, 400).mean(axis=0)
    decibel = 10 * np.log10(np.maximum(power, 1e-4))
    sar = np.clip(128 + 6 * (decibel + 12), 1, 255)
    paths = []
    for name, values in (("optical", optical), ("sar", np.rot90(sar))):
        memory = gdal.GetDriverByName("MEM").Create("", values.shape[1], values.shape[0], 1, gdal.GDT_Byte)
        memory.GetRasterBand(1).WriteArray(values.astype(np.uint8))
        path = tmp_path / f"{name}.png"
        gdal.GetDriverByName("PNG").CreateCopy(str(path), memory)
        (tmp_path / f"{name}.png.aux.xml").unlink(missing_ok=True)
        paths.append(path)
    return paths[0], paths[1]


@pytest.mark.slow
def test_two_pngs_of_unknown_pose(plain: tuple[Path, Path], tmp_path: Path) -> None:
    optical, sar = plain
    job = RegisterJob(
        LayerSource(str(optical)),
        LayerSource(str(sar)),
        match=MatchOptions(range="wild"),
        output=OutputOptions(directory=str(tmp_path / "out")),
    )
    result = register(job, create("structural"))
    assert result.assessment.verdict is Verdict.TRUSTED
    turned = from_record(result.transform).matrix[:2, :2]
    assert abs(abs(np.rad2deg(np.arctan2(turned[1, 0], turned[0, 0]))) - 90) < 3
    written = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert written == sorted(Path(p).name for p in result.files.values())
    assert "gcps.geojson" not in written  # it needs longitudes
    assert {"aligned.tif", "gcps.gpkg", "gcps.points", "report.html"} < set(written)
    assert np.isnan(result.gcps.displacement).all()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["optical.png", "out", "sar.png"]
