"""Which control an error belongs to."""

from __future__ import annotations

import re

from ...core.contract import OptionError, OutputError, RegisterJob, SartoError

_OPTION = re.compile(r"^Option '(\w+)'")
# Words with which the engine names an option that has no 'Option …' before it.
_OPTION_WORDS = (
    ("Search range", "range"),
    ("Scene '", "scene"),
    ("Land use '", "land_use"),
    ("analysis GSD", "gsd"),
    ("Matching method", "method"),
    ("Output grid", "grid"),
    ("Resampling", "resampling"),
)

_ROLES = {"reference": "optical", "moving": "sar"}


def place_of(error: SartoError, job: RegisterJob | None) -> str:
    """The place where an error is shown, "" if it belongs to none.

    Places: "reference", "moving", "reference.bands", "moving.bands", "reference.nodata", "moving.nodata",
    "land_use_layer", "area", "folder", or the name of an option ("range", "gsd", …).
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
    """The place of a layer's error; "" where it cannot be told which layer is meant."""
    labels = {"reference": f"'{job.reference.label}'", "moving": f"'{job.moving.label}'"}
    if text.startswith("Land-cover layer '"):
        return "land_use_layer"
    named = [box for box, label in labels.items() if label in text]
    if not named and job.land_use_layer is not None and f"'{job.land_use_layer.label}'" in text:
        return "land_use_layer"
    if job.reference.label == job.moving.label and text.count(labels["moving"]) == 1:
        words = re.findall(r"\w+", text.replace(labels["moving"], "").lower())
        named = [box for box, role in _ROLES.items() if role in words]
    elif len(named) == 2:
        # About the pair: at the SAR layer, for it is the one to be moved.
        return "area" if "share only" in text and job.area else "moving"
    if len(named) != 1:
        return ""
    box = named[0]
    if "has no band" in text:
        return f"{box}.bands"
    if text.startswith("The NoData value"):
        return f"{box}.nodata"
    return box
