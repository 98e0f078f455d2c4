"""Which files lie behind a source."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal
from sarto.core.raster import input_files


@pytest.fixture
def tif(kit, tmp_path):
    return Path(kit.write(tmp_path / "a ä.tif", np.ones((70, 80), np.uint8), kit.grid(80, 70))).resolve()


def test_plain_relative_and_with_options(tif, monkeypatch, gdal_mode):
    assert input_files(str(tif)) == {tif}
    assert input_files(f"{tif}|option:NUM_THREADS=2") == {tif}
    assert input_files(f"GTIFF_DIR:1:{tif}") == {tif}
    monkeypatch.chdir(tif.parent)
    assert input_files(tif.name) == {tif}
    assert input_files(f"file://{tif}") == {tif}


def test_files_that_belong_to_a_raster(tif):
    sidecar = tif.with_name(tif.name + ".ovr")
    dataset = gdal.Open(str(tif))
    dataset.BuildOverviews("AVERAGE", [2])
    del dataset
    assert input_files(str(tif)) == {tif, sidecar}


def test_vrts_of_vrts(tif, tmp_path, gdal_mode, monkeypatch):
    inner, outer = tmp_path / "sub" / "inner.vrt", tmp_path / "outer.vrt"
    inner.parent.mkdir()
    gdal.Translate(str(inner), str(tif), format="VRT")
    gdal.BuildVRT(str(outer), [str(inner)]).FlushCache()
    assert input_files(str(outer)) == {tif, inner.resolve(), outer.resolve()}
    monkeypatch.chdir(tmp_path)
    assert input_files(outer.read_text()) >= {inner.resolve(), tif}


def test_a_circle_of_vrts_ends(tif, tmp_path):
    first, second = tmp_path / "1.vrt", tmp_path / "2.vrt"
    gdal.Translate(str(first), str(tif), format="VRT")
    text = first.read_text().replace(tif.name, "2.vrt")
    first.write_text(text)
    second.write_text(text.replace("2.vrt", "1.vrt"))
    assert input_files(str(first)) == {first.resolve(), second.resolve()}


@pytest.mark.parametrize("form", ["/vsizip/{zip}/in/a.tif", "/vsizip/{{{zip}}}/in/a.tif", "/vsizip/{zip}"])
def test_archives(tif, tmp_path, form):
    archive = tmp_path / "pack.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(tif, "in/a.tif")
    assert input_files(form.format(zip=archive)) == {archive.resolve()}
    vrt = tmp_path / "z.vrt"
    gdal.Translate(str(vrt), f"/vsizip/{archive}/in/a.tif", format="VRT")
    assert input_files(str(vrt)) == {vrt.resolve(), archive.resolve()}


def test_tables_of_a_geopackage(tif, tmp_path):
    package = (tmp_path / "p.gpkg").resolve()
    for number, name in enumerate(("one", "two")):
        options = [f"RASTER_TABLE={name}"] + (["APPEND_SUBDATASET=YES"] if number else [])
        gdal.Translate(str(package), str(tif), format="GPKG", creationOptions=options)
    for source in (str(package), f"GPKG:{package}:two", f"{package}|layername=two", f'GPKG:"{package}":two'):
        assert input_files(source) == {package}


@pytest.mark.parametrize(
    "source",
    ["", " ", "|", ":", "x" * 5000, "a\0b", "/vsizip/", "/vsizip/none.zip/a.tif", "/vsicurl/http://no.invalid/a.tif",
     "type=xyz&url=https://no.invalid/{z}", "https://no.invalid/a.tif", "GPKG::", "<VRTDataset", "/",
     "C:\\no\\a.tif", ":" * 300, 'NETCDF:"none.nc":v', "/vsimem/none.tif", "PG:host=none.invalid"],
)  # fmt: skip
def test_odd_sources_have_no_files(source, capfd, tmp_path, monkeypatch, gdal_mode):
    monkeypatch.chdir(tmp_path)
    assert input_files(source) == set()
    assert capfd.readouterr().err == ""


def test_a_name_with_colon_and_bar(tif, tmp_path):
    if os.name == "nt":
        pytest.skip("no such names on Windows")
    odd = tmp_path / "b:c|d.tif"
    odd.write_bytes(tif.read_bytes())
    assert odd.resolve() in input_files(str(odd))
