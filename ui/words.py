"""Plain words for options and their values: what the dock shows, and what Processing explains.

Defaults, choices, limits and help texts come from the contract; here are only the names that people read.
"""

from __future__ import annotations

from ..core.pipeline import traits_of

LABELS: dict[str, str] = {
    "method": "Method",
    "range": "How far off",
    "scene": "Scene",
    "land_use": "Land use",
    "legend": "Land-cover legend",
    "land_use_layer": "Land-cover layer",
    "keypoints": "Look for tie points at",
    "weights": "Weights",
    "points": "Tie points to look for",
    "device": "Compute on",
    "seed": "Random seed",
    "model": "Transform",
    "tolerance_px": "Reject beyond (pixels)",
    "check_share": "Held back as check points",
    "smoothing": "Spline smoothing",
    "sar_kind": "SAR values are",
    "speckle": "Speckle filter",
    "low_percentile": "Black below percentile",
    "high_percentile": "White above percentile",
    "directory": "Output folder",
    "grid": "Pixel grid of the result",
    "resampling": "Resampling",
    "overwrite": "Replace existing results",
    "land_cover": "Write the land cover seen",
    "painted": "Write a synthetic optical picture",
    "gsd": "Pixel size for matching",
    "bands": "Bands",
    "nodata": "NoData value",
}
"""Field name of an options dataclass → its label. A test holds it against the contract."""

CHOICES: dict[str, dict[str, str]] = {
    "range": {
        "10": "A few pixels (up to 10)",
        "50": "Up to 50 pixels",
        "georef": "Roughly in place (up to 9 % of the image)",
        "tar": "Moved and turned (up to 35°)",
        "promptmid": "Moved, turned (up to 10°) and larger",
        "wild": "Unknown position, rotation or scale",
    },
    "device": {"auto": "Graphics card if there is one", "cpu": "Processor", "cuda": "Graphics card (CUDA)"},
    "keypoints": {
        "auto": "What suits the method",
        "grid": "A regular grid",
        "pc-fast": "Corners (PC-FAST)",
        "sift": "SIFT keypoints",
    },
    "legend": {
        "auto": "Tell by the codes",
        "worldcover": "ESA WorldCover",
        "corine": "CORINE Land Cover",
        "nlcd": "NLCD",
        "dynamicworld": "Dynamic World",
    },
    "model": {
        "auto": "Automatic (simplest that fits)",
        "shift": "Shift",
        "similarity": "Similarity (shift, rotation, scale)",
        "affine": "Affine",
        "homography": "Homography (projective)",
        "poly1": "Polynomial 1 (as affine)",
        "poly2": "Polynomial 2",
        "poly3": "Polynomial 3",
        "tps": "Thin-plate spline",
    },
    "sar_kind": {
        "auto": "Look at them",
        "power": "Linear power",
        "amplitude": "Amplitude",
        "db": "Decibel",
        "8bit": "8-bit picture",
    },
    "speckle": {"none": "None", "refined-lee": "Refined Lee"},
    "grid": {"reference": "The optical layer's", "source": "The SAR layer's own pixel size"},
    "resampling": {
        "nearest": "Nearest neighbour",
        "bilinear": "Bilinear",
        "cubic": "Cubic",
        "cubicspline": "Cubic spline",
        "lanczos": "Lanczos",
        "average": "Average",
    },
}
"""Field name → value → what is shown for it. Where a value is missing it is shown as it is.

Methods bring their own words (`Traits` in `core.matching.registry`), so that a new one is nothing to change here.
"""

HELPS: dict[str, str] = {
    "scene": "What the images show, where you know it. It narrows the words that the method compares the images "
    "with; where nothing is chosen, it uses all of them.",
    "land_use": "What the ground is used for, where you know it. A land-cover layer goes first where it has "
    "values; where nothing is chosen, the method looks at the images.",
}
"""Field name → help, where something is chosen that the contract, and the command line, has as text."""

PLAIN_RANGES = ("10", "50", "georef", "wild")
"""The search ranges that are offered; the others are protocols of the benchmarks."""


def label_of(field: str) -> str:
    """The label of an option."""
    return LABELS.get(field, field.replace("_", " ").capitalize())


def choice_of(field: str, value: str) -> str:
    """What is shown for a value of an option."""
    if field == "method":
        return traits_of(value).title
    return CHOICES.get(field, {}).get(value, value)


def hint_of(field: str, value: str) -> str:
    """When to choose a value of an option, "" where there is nothing to say."""
    return traits_of(value).when if field == "method" else ""
