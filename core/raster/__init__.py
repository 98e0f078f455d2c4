"""Rasters in and out, by GDAL: scenes, the common grid, radiometry, warping, GCP files.

Knows the contract, GDAL and numpy. `prepare` turns two layers into two 8-bit images on one grid;
`write_aligned` warps the moving layer with the fitted transform; the writers store GCPs. Inputs are opened
read-only and never changed; results appear whole or not at all.
"""

from .analysis_grid import gsd_in
from .atomic import replacing
from .crs import has_longitudes
from .display import display_limits
from .foresight import Outlook, gsd_text, outlook
from .gcp_files import write_csv, write_geojson, write_points
from .gcp_reading import StoredGcps, read_gcps
from .gcp_table import SourcePositions, moving_source_pixels, source_positions
from .geopackage import write_gpkg
from .inputs import input_files
from .land_cover import CoverClass, LandCover, classify_cover, read_land_cover, rgb, write_land_cover
from .land_use import Classify, LandUseLayer
from .png import encode_png
from .prepare import prepare, told_of_fill
from .radiometry import detect_sar_kind, to_uint8
from .scene import Scene
from .speckle import refined_lee
from .synthetic import write_synthetic
from .target import target_grid
from .warp import write_aligned

__all__ = [
    "Classify",
    "CoverClass",
    "LandCover",
    "LandUseLayer",
    "Outlook",
    "Scene",
    "SourcePositions",
    "StoredGcps",
    "classify_cover",
    "detect_sar_kind",
    "display_limits",
    "encode_png",
    "gsd_in",
    "gsd_text",
    "has_longitudes",
    "input_files",
    "moving_source_pixels",
    "outlook",
    "prepare",
    "read_gcps",
    "read_land_cover",
    "refined_lee",
    "replacing",
    "rgb",
    "source_positions",
    "target_grid",
    "to_uint8",
    "told_of_fill",
    "write_aligned",
    "write_csv",
    "write_geojson",
    "write_gpkg",
    "write_land_cover",
    "write_points",
    "write_synthetic",
]
