"""PNG encoding and atomic files."""

import numpy as np
import pytest
from osgeo import gdal
from sarto.core.contract import Cancelled, OutputError
from sarto.core.raster import encode_png
from sarto.core.raster.atomic import replacing


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4)])
def test_png_round_trip(shape):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    gdal.FileFromMemBuffer("/vsimem/test.png", encode_png(array))
    back = gdal.Open("/vsimem/test.png").ReadAsArray()
    gdal.Unlink("/vsimem/test.png")
    assert np.array_equal(back if array.ndim == 2 else np.moveaxis(back, 0, -1), array)


@pytest.mark.parametrize("array", [np.zeros((4, 4)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4), np.uint8)])
def test_png_refuses_other_arrays(array):
    with pytest.raises(ValueError, match="PNG needs"):
        encode_png(array)


def test_file_appears_whole(tmp_path):
    path = tmp_path / "Tübingen 1" / "a.txt"
    with replacing(path) as temporary:
        temporary.write_text("x")
        assert temporary.parent == path.parent
        assert temporary.suffix == ".txt"
        assert not path.exists()
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [Cancelled(), KeyboardInterrupt(), RuntimeError()])
def test_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.gpkg"
    path.write_text("old")

    def fail():
        with replacing(path, overwrite=True) as temporary:
            for suffix in ("", "-journal", "-wal", ".aux.xml", ".msk", ".ovr", ".ovr.tmp"):
                temporary.with_name(temporary.name + suffix).write_text("new")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_existing_file_is_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OutputError, match=r"exists already.*overwriting"), replacing(path):
        pass
    with replacing(path, overwrite=True) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"


def test_folder_and_missing_product_are_refused(tmp_path):
    with pytest.raises(OutputError, match="is a folder"), replacing(tmp_path):
        pass
    with pytest.raises(OutputError, match="nothing was produced"), replacing(tmp_path / "b.txt"):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"), replacing(tmp_path / "file" / "sub" / "c.txt"):
        pass
