"""Generate the sample scene: `python -m sarto.resources.sample.generate OUT_DIR [--seed N]`.

Writes `sample_optical.tif`, `sample_sar.tif` and `truth.json`. The SAR image is rendered directly on its own
grid from the continuous landscape; its georeference is wrong by a known similarity.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from osgeo import gdal, osr

from . import optical, sar
from .landscape import build
from .terrain import View

SIZE = 768
GSD = 10.0
EPSG = 32633
ORIGIN = (412_340.0, 5_417_680.0)  # outer corner of the optical image's first pixel

SHIFT = (14.3, 9.6)  # pixels east and south (y down): nominal minus true position at the scene's centre
ROTATION_DEG = 0.6  # clockwise on the map, about the scene's centre
SCALE = 1.004

SAR_SIZE = (868, 860)
SAR_ORIGIN = (-46.37, -41.81)  # nominal optical pixel of the SAR image's first pixel centre


def misregistration() -> npt.NDArray[np.float64]:
    """(2, 3) true optical pixel → nominal optical pixel of the same thing in the SAR layer."""
    angle = np.deg2rad(ROTATION_DEG)
    linear = SCALE * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.full(2, (SIZE - 1) / 2)
    return np.column_stack([linear, centre - linear @ centre + SHIFT])


def views() -> tuple[View, View]:
    """The optical and the SAR sensor's grid on the ground."""
    ground_to_sar = misregistration()
    ground_to_sar[:, 2] -= SAR_ORIGIN
    return View(SIZE, SIZE, np.eye(2, 3)), View(*SAR_SIZE, ground_to_sar)


def generate(directory: Path, seed: int = 7) -> dict[str, Any]:
    """Write the scene into `directory` (made if missing) and return what `truth.json` says."""
    directory.mkdir(parents=True, exist_ok=True)
    land = build(seed)
    optical_view, sar_view = views()
    x0, y0 = ORIGIN
    sar_corner = (x0 + SAR_ORIGIN[0] * GSD, y0 - SAR_ORIGIN[1] * GSD)
    image = optical.render(land, optical_view, seed)
    _write(directory / "sample_optical.tif", image, ORIGIN, ("B04 red", "B03 green", "B02 blue"))
    backscatter = _rounded(sar.render(land, sar_view, seed))
    _write(directory / "sample_sar.tif", backscatter, sar_corner, ("VV", "VH"))
    truth = _truth(seed)
    (directory / "truth.json").write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")
    return truth


def _truth(seed: int) -> dict[str, Any]:
    return {
        "explanation": (
            "The SAR layer's georeference is wrong on purpose. 'matrix' maps the position of a thing on the "
            "optical image's pixel grid (x, y, pixel centres at integers, y down) to the position on the same "
            "grid where the SAR layer shows it by its own georeference: [x', y'] = matrix · [x, y, 1]. "
            "Buildings and trees lean towards the radar in the west by about their height, as in real images."
        ),
        "matrix": misregistration().tolist(),
        "shift_px_at_centre": list(SHIFT),
        "rotation_deg_clockwise": ROTATION_DEG,
        "scale": SCALE,
        "gsd_m": GSD,
        "crs": f"EPSG:{EPSG}",
        "seed": seed,
    }


def _rounded(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Keep 11 bits of the mantissa (0.05 %): the file halves and speckle hides the rest."""
    return (values.view(np.uint32) & np.uint32(0xFFFFF000)).view(np.float32)


def _write(path: Path, image: npt.NDArray[Any], corner: tuple[float, float], names: tuple[str, ...]) -> None:
    rows, columns, bands = image.shape
    is_float = image.dtype == np.float32
    options = ["COMPRESS=DEFLATE", "TILED=YES", f"PREDICTOR={3 if is_float else 2}", "ZLEVEL=9"]
    kind = gdal.GDT_Float32 if is_float else gdal.GDT_Byte
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), columns, rows, bands, kind, options)
    if dataset is None:
        raise OSError(f"Cannot write {path}.")
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(EPSG)
    dataset.SetProjection(crs.ExportToWkt())
    dataset.SetGeoTransform((corner[0], GSD, 0.0, corner[1], 0.0, -GSD))
    for number, name in enumerate(names, start=1):
        band = dataset.GetRasterBand(number)
        band.SetDescription(name)
        band.WriteArray(np.ascontiguousarray(image[..., number - 1]))
    dataset.FlushCache()


def main() -> None:
    parser = argparse.ArgumentParser(description="Generate Sarto's sample scene.")
    parser.add_argument("directory", type=Path, help="folder for the two GeoTIFFs and truth.json")
    parser.add_argument("--seed", type=int, default=7, help="another landscape (default: 7)")
    arguments = parser.parse_args()
    generate(arguments.directory, arguments.seed)
    print(f"Sample scene written to {arguments.directory}.")


if __name__ == "__main__":
    main()
