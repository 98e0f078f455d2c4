"""Which control an error belongs to."""

from __future__ import annotations

import re

from ...core.contract import OptionError, OutputError, RegisterJob, SartoError

_OPTION = re.compile(r"^Option '(\w+)'")
# Words with which the engine names an option that has no 'Option …' before it.
_OPTION_WORDS = (
    ("Search range", "range"),
    ("analysis GSD", "gsd"),
    ("Matching method", "method"),
    ("Output grid", "grid"),
    ("Resampling", "resampling"),
)


def place_of(error: SartoError, job: RegisterJob | None) -> str:
    """The place where an error is shown, "" if it belongs to none.

    Places: "reference", "moving", "reference.bands", "moving.bands", "reference.nodata", "moving.nodata",
    "area", "folder", or the name of an option ("range", "gsd", …).
    """
    if isinstance(error, OutputError):
        return "folder"
    text = error.message
    found = _OPTION.match(text)
    if found:
        return _place_of_option(found.group(1))
    if isinstance(error, OptionError):
        for words, name in _OPTION_WORDS:
            if words in text:
                return name
    if text.startswith("The area"):
        return "area"
    return _place_of_layer(text, job) if job is not None else ""


def _place_of_option(name: str) -> str:
    return {"directory": "folder", "overwrite": "folder", "nodata": "", "bands": ""}.get(name, name)


def _place_of_layer(text: str, job: RegisterJob) -> str:
    """The box of the layer that is named first; of a pair, the SAR layer, for it is the one to be moved."""
    is_moving = f"'{job.moving.label}'" in text
    is_reference = f"'{job.reference.label}'" in text
    if not (is_moving or is_reference):
        return ""
    if is_moving and is_reference:
        return "area" if "share only" in text and job.area else "moving"
    box = "moving" if is_moving else "reference"
    if "has no band" in text:
        return f"{box}.bands"
    if text.startswith("The NoData value"):
        return f"{box}.nodata"
    return box
