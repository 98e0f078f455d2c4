"""PNG in memory, for the report."""

from __future__ import annotations

import uuid

from osgeo import gdal

from ..contract import OutputError, Pixels
from .gdal_tools import gdal_errors


def encode_png(array: Pixels) -> bytes:
    """Encode uint8 (rows, columns) grey or (rows, columns, 3 | 4) colour as PNG bytes.

    Raises ValueError for other shapes or types, OutputError if GDAL cannot encode.
    """
    bands = [array] if array.ndim == 2 else [array[..., i] for i in range(array.shape[-1])]
    if array.dtype != "uint8" or array.ndim not in (2, 3) or len(bands) not in (1, 3, 4) or array.size == 0:
        raise ValueError(f"PNG needs uint8 (H, W) or (H, W, 3 | 4), not {array.dtype} {array.shape}.")
    name = f"/vsimem/sarto-{uuid.uuid4().hex}.png"
    try:
        with gdal_errors(OutputError, "The PNG could not be encoded"):
            image = gdal.GetDriverByName("MEM").Create(
                "", array.shape[1], array.shape[0], len(bands), gdal.GDT_Byte
            )
            for number, band in enumerate(bands, 1):
                image.GetRasterBand(number).WriteArray(band)
            gdal.GetDriverByName("PNG").CreateCopy(name, image)
            return _read(name)
    finally:
        gdal.Unlink(name)


def _read(name: str) -> bytes:
    size = gdal.VSIStatL(name).size
    handle = gdal.VSIFOpenL(name, "rb")
    try:
        return bytes(gdal.VSIFReadL(1, size, handle))
    finally:
        gdal.VSIFCloseL(handle)
