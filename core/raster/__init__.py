"""Rasters in and out, by GDAL: scenes, the common grid, radiometry, warping, GCP files.

Knows the contract, GDAL and numpy. `prepare` turns two layers into two 8-bit images on one grid;
`write_aligned` warps the moving layer with the fitted transform; the writers store GCPs. Inputs are opened
read-only and never changed; results appear whole or not at all.
"""

from .png import encode_png
from .prepare import prepare
from .scene import Scene
from .target import target_grid
from .warp import write_aligned

__all__ = ["Scene", "encode_png", "prepare", "target_grid", "write_aligned"]
