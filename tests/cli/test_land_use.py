"""Land use on the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from osgeo import gdal
from sarto.cli.commands import _job
from sarto.cli.main import build_parser, main
from sarto.core.contract import LayerSource

LAYERS = ["--optical", "a.tif", "--sar", "b.tif"]


@pytest.mark.parametrize("command", ["register", "match", "assess"])
def test_options_become_the_job(command: str) -> None:
    args = build_parser().parse_args(
        [command, *LAYERS, "--land-use-layer", "lc.tif", "--legend", "nlcd", "--land-use", "water,road"]
    )
    args.__dict__.setdefault("directory", "")
    job = _job(args)
    assert job.land_use_layer == LayerSource("lc.tif")
    assert (job.match.legend, job.match.land_use) == ("nlcd", "water,road")


def test_the_defaults_are_none_and_auto() -> None:
    job = _job(build_parser().parse_args(["match", *LAYERS]))
    assert job.land_use_layer is None
    assert (job.match.legend, job.match.land_use) == ("auto", "auto")


def test_the_help_says_which_methods_heed_it(reader) -> None:
    text = " ".join(build_parser().parse_args(["match", *LAYERS]).parser.format_help().split())
    assert "--land-use-layer RASTER" in text
    assert "what is where. (only with --method promptmid or reader)" in text
    assert "{auto,worldcover,corine,nlcd,dynamicworld}" in text


def test_wrong_words_are_one_clear_line(tmp_path, capsys) -> None:
    assert main(["register", *LAYERS, "--out", str(tmp_path / "o"), "--land-use", "watr"]) == 2
    shown = capsys.readouterr().err
    assert "Land use 'watr' is not known." in shown
    assert "Closest: water" in shown
    with pytest.raises(SystemExit):
        main(["register", *LAYERS, "--out", str(tmp_path / "o"), "--legend", "modis"])


def test_layer_and_words_reach_the_record(sample_scene, reader, tmp_path, capsys) -> None:
    optical = gdal.Open(str(sample_scene.optical))
    cover = tmp_path / "cover.tif"
    raster = gdal.GetDriverByName("GTiff").Create(str(cover), optical.RasterXSize, optical.RasterYSize, 1)
    raster.SetGeoTransform(optical.GetGeoTransform())
    raster.SetProjection(optical.GetProjection())
    raster.GetRasterBand(1).WriteArray(np.full((optical.RasterYSize, optical.RasterXSize), 82, np.uint8))
    raster = None
    layers = ["--optical", str(sample_scene.optical), "--sar", str(sample_scene.sar), "--method", "reader"]
    wanted = ["--land-use-layer", str(cover), "--land-use", "water", "--out", str(tmp_path / "o"), "--quiet"]
    assert main(["match", *layers, *wanted]) in (0, 10)
    record = json.loads((tmp_path / "o" / "record.json").read_text(encoding="utf-8"))
    assert record["job"]["land_use_layer"]["source"] == str(cover)
    assert record["steps"]["named"] == ["water"]
    assert record["steps"]["land_use"]["shares"][0] == 1.0
    assert any("legend of NLCD" in note for note in record["notes"])
