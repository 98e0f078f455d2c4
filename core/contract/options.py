"""What the user can choose: one dataclass per concept, the only home of each default.

The CLI, the Processing algorithms and the dock are generated from these fields: `metadata["help"]` is the
tooltip, `metadata["choices"]` the allowed values, `metadata["minimum"]` and `metadata["maximum"]` the limits,
`metadata["only_for"]` names the trait of the methods that heed it ("" = all do).
`check_options` holds values against them. The types are read at run time, also by Python 3.9 (QGIS before 3.36
on Windows): hence `Optional`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Optional, get_args, get_type_hints

from .errors import OptionError

READS_TEXT, READS_LAND_USE = "reads_text", "reads_land_use"
READS_WEIGHTS, PAINTS = "reads_weights", "paints"
"""Traits of methods (`core.matching.registry`) without which an option is not heeded."""


def option(
    default: Any,
    help: str,
    choices: tuple[str, ...] = (),
    minimum: float | None = None,
    maximum: float | None = None,
    only_for: str = "",
) -> Any:
    """A dataclass field with a help text and, where they apply, its values or its limits (inclusive).

    only_for: trait of the methods that heed it, one of the above; "" = all do.
    """
    metadata = {
        "help": help, "choices": choices, "minimum": minimum, "maximum": maximum, "only_for": only_for
    }  # fmt: skip
    return field(default=default, metadata=metadata)


def limits(metadata: Mapping[str, Any]) -> str:
    """The limits of an option in words, "" where it has none."""
    low, high = metadata.get("minimum"), metadata.get("maximum")
    if low is None and high is None:
        return ""
    if high is None:
        return f"at least {low}"
    return f"at most {high}" if low is None else f"{low} to {high}"


def check_options(options: Any) -> None:
    """Hold every option of a dataclass, and of the dataclasses in it, against its type, choices and limits.

    Raises OptionError naming the option, its value and what is allowed. NaN is outside all limits.
    """
    hints = get_type_hints(type(options))
    for f in fields(options):
        value = getattr(options, f.name)
        if is_dataclass(value):
            check_options(value)
        else:
            _check_value(f.name, value, hints[f.name], f.metadata)
    together = getattr(options, "check_together", None)
    if together is not None:
        together()


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def is_of_kind(kind: Any, value: Any) -> bool:
    """Whether a value is a bool, int, float or str as meant: whole numbers are numbers, flags are not."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def kind_in_words(kind: type) -> str:
    return _WORDS[kind]


def _check_value(name: str, value: Any, hint: Any, metadata: Mapping[str, Any]) -> None:
    kinds = get_args(hint) or (hint,)
    if value is None and type(None) in kinds:
        return
    kind = next(k for k in kinds if k is not type(None))
    if kind not in _WORDS or not is_of_kind(kind, value):
        raise OptionError(f"Option '{name}' is {value!r}.", f"Give {_WORDS.get(kind, 'its fields')}.")
    choices = metadata.get("choices")
    if choices and value not in choices:
        raise OptionError(f"Option '{name}' is {value!r}.", f"Use one of {', '.join(choices)}.")
    low, high = metadata.get("minimum"), metadata.get("maximum")
    if not ((low is None or value >= low) and (high is None or value <= high)):
        raise OptionError(f"Option '{name}' is {value}, which is outside its limits.", f"Use {limits(metadata)}.")


@dataclass(frozen=True)
class LayerSource:
    """One input raster: anything GDAL opens."""

    source: str
    name: str = option("", "Name used in messages; the file name if empty.")
    bands: str = option(
        "auto",
        "Bands: 'auto' (optical: red, green, blue; SAR: mean of VV and VH), 'mean' (of all), a number ('2'), "
        "several ('8,4,3': optical ones are looked at each, up to four; else their mean), "
        "or a band name ('VV', 'B04').",
    )
    nodata: Optional[float] = option(None, "Value that means 'no data', where the file does not say it.")

    @property
    def label(self) -> str:
        return self.name or self.source.replace("\\", "/").rsplit("/", 1)[-1]


@dataclass(frozen=True)
class RadiometryOptions:
    """How pixel values become the 8-bit images that are matched. The delivered raster keeps its values."""

    sar_kind: str = option(
        "auto",
        "What the SAR values are; 'auto' looks at them.",
        ("auto", "power", "amplitude", "db", "8bit"),
    )
    speckle: str = option(
        "none", "Speckle filter before matching (matching averages speckle itself).", ("none", "refined-lee")
    )
    low_percentile: float = option(1.0, "Percentile of valid pixels shown black.", minimum=0, maximum=100)
    high_percentile: float = option(99.0, "Percentile of valid pixels shown white.", minimum=0, maximum=100)

    def check_together(self) -> None:
        """Raises OptionError where black is not below white."""
        if not self.low_percentile < self.high_percentile:
            raise OptionError(
                f"Option 'low_percentile' is {self.low_percentile:g}, 'high_percentile' {self.high_percentile:g}.",
                "The low one must be below the high one.",
            )


@dataclass(frozen=True)
class SearchRange:
    """How far the moving image may be off, as seen on the analysis grid.

    The largest shift is `shift_px` pixels if given, else `shift_fraction` of the longer image side.
    """

    shift_px: Optional[float] = None
    shift_fraction: float = 0.09
    rotation_deg: float = 2.0
    scale_min: float = 0.98
    scale_max: float = 1.02

    def max_shift(self, width: int, height: int) -> float:
        """Largest shift in pixels for an image of this size."""
        return self.shift_px if self.shift_px is not None else self.shift_fraction * max(width, height)

    @staticmethod
    def parse(text: str) -> SearchRange:
        """A preset's name, or a number of pixels of shift with the small angles of georeferenced layers."""
        if text in RANGES:
            return RANGES[text]
        try:
            shift = float(text)
        except ValueError:
            raise OptionError(
                f"Search range '{text}' is not known.",
                f"Use one of {', '.join(RANGES)} or a number of pixels, for example 50.",
            ) from None
        if not 0 < shift < 1e6:
            raise OptionError(f"Search range of {shift:g} pixels makes no sense.", "Use a positive number.")
        return SearchRange(shift_px=shift)


RANGES: dict[str, SearchRange] = {
    "georef": SearchRange(),
    "promptmid": SearchRange(shift_fraction=0.1, rotation_deg=10.0, scale_min=1.0, scale_max=1.25),
    "tar": SearchRange(shift_fraction=0.1, rotation_deg=35.0, scale_min=0.7, scale_max=1.3),
    "wild": SearchRange(shift_fraction=0.35, rotation_deg=180.0, scale_min=0.5, scale_max=2.0),
}

MODELS = ("auto", "shift", "similarity", "affine", "homography", "poly1", "poly2", "poly3", "tps")


@dataclass(frozen=True)
class MatchOptions:
    """How tie points are found.

    Names in `scene` and `land_use` are checked where jobs are (`pipeline.check_hints`): the contract reads no
    files and knows no methods.
    """

    method: str = option("tar", "Matching method.")
    range: str = option(
        "georef",
        "How far the layers may be apart: 'georef' (a shift of up to 9 % of the image, slight rotation), "
        "'tar', 'promptmid', 'wild' (any rotation, half to twice the size), or a number of pixels.",
    )
    scene: str = option(
        "auto",
        "What the images show, where it is known: names of scenes (resources/prompts/scenes.json), separated by "
        "commas, for example 'harbour,river'. They narrow the words that the images are compared with; 'auto' "
        "takes all.",
        only_for=READS_TEXT,
    )
    land_use: str = option(
        "auto",
        "What the ground is used for, where it is known: some of farmland, city, village, water, forest, road and "
        "others, separated by commas, for example 'farmland,water'. A land-cover layer goes first where it has "
        "values; 'auto' looks at the images.",
        only_for=READS_LAND_USE,
    )
    legend: str = option(
        "auto",
        "Of which product the codes of the land-cover layer are; 'auto' tells by the codes and the layer's name.",
        ("auto", "worldcover", "corine", "nlcd", "dynamicworld"),
        only_for=READS_LAND_USE,
    )
    keypoints: str = option(
        "auto",
        "Where tie points are looked for: at the places of a regular 'grid', at corners of the optical image's "
        "phase congruency ('pc-fast'), or at 'sift' keypoints; 'auto' is what the method was made for.",
        ("auto", "grid", "pc-fast", "sift"),
    )
    points: int = option(400, "About how many tie points to look for in a large scene.", minimum=10, maximum=20000)
    device: str = option("auto", "Where to compute.", ("auto", "cpu", "cuda"))
    seed: int = option(0, "Random seed; the same seed gives the same result.", minimum=0, maximum=2_147_483_647)
    weights: str = option(
        "",
        "File of weights (.safetensors) for the method in place of Sarto's own: trained by you, or of PromptMID's "
        "full size.",
        only_for=READS_WEIGHTS,
    )

    def check_together(self) -> None:
        """Raises OptionError for an unknown search range."""
        SearchRange.parse(self.range)


@dataclass(frozen=True)
class ModelOptions:
    """Which transform is fitted and how it is checked."""

    model: str = option("auto", "Transform; 'auto' takes the simplest that the check points support.", MODELS)
    tolerance_px: float = option(
        3.0, "Tie points further than this from the consensus are rejected (pixels).", minimum=0.1, maximum=100
    )
    check_share: float = option(0.25, "Share of the tie points held back as check points.", minimum=0, maximum=0.5)
    smoothing: float = option(
        1.0, "Thin-plate spline only: smoothing, 0 passes through every point.", minimum=0, maximum=1_000_000
    )


RESAMPLING = ("nearest", "bilinear", "cubic", "cubicspline", "lanczos", "average")


@dataclass(frozen=True)
class OutputOptions:
    """What is written, and where."""

    directory: str = option("", "Folder for the results.")
    grid: str = option(
        "reference",
        "Pixel grid of the aligned raster: the reference's, or one with the moving raster's own pixel size.",
        ("reference", "source"),
    )
    resampling: str = option("bilinear", "How pixel values are interpolated.", RESAMPLING)
    overwrite: bool = option(False, "Replace results that are already there.")
    land_cover: bool = option(
        False,
        "Also write which land cover the method saw where (land_cover.tif), and show it in the report.",
        only_for=READS_TEXT,
    )
    painted: bool = option(
        False,
        "Also write what the SAR image would look like to an optical sensor, as the method imagines it "
        "(synthetic_optical.tif): a synthetic picture, for the eye only.",
        only_for=PAINTS,
    )


@dataclass(frozen=True)
class RegisterJob:
    """Everything that a registration needs; suffices to repeat it.

    area: optional area of interest as WKT polygon in the reference's CRS ("" = the whole overlap).
    gsd: analysis GSD in units of the reference's CRS; None = the coarser of the two layers.
    land_use_layer: land cover of the area as codes of a known product (`match.legend`), for methods that read it.
    """

    reference: LayerSource
    moving: LayerSource
    area: str = ""
    gsd: Optional[float] = None
    radiometry: RadiometryOptions = field(default_factory=RadiometryOptions)
    match: MatchOptions = field(default_factory=MatchOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
    output: OutputOptions = field(default_factory=OutputOptions)
    land_use_layer: Optional[LayerSource] = option(  # noqa: RUF009 - it is frozen
        None,
        "Raster with the land cover of the area, as codes of ESA WorldCover, CORINE, NLCD or Dynamic World, in "
        "any CRS and pixel size: it tells the method what is where.",
        only_for=READS_LAND_USE,
    )

    def check_together(self) -> None:
        """Raises OptionError for a GSD that is none."""
        if self.gsd is not None and not (math.isfinite(self.gsd) and self.gsd > 0):
            raise OptionError(f"Option 'gsd' is {self.gsd:g}.", "Use a number above 0.")
