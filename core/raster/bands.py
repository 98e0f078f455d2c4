"""Which bands of a layer are used: band choice from `LayerSource.bands` and what the file says."""

from __future__ import annotations

from typing import Any, Optional

from osgeo import gdal

from ..contract import InputError, LayerSource

_COLOURS = (gdal.GCI_RedBand, gdal.GCI_GreenBand, gdal.GCI_BlueBand)
_RGB_NAMES = (("B04", "B03", "B02"), ("B4", "B3", "B2"), ("RED", "GREEN", "BLUE"))


def data_bands(dataset: Any) -> list[int]:
    """Numbers of the bands that hold values; alpha bands do not count."""
    numbers = range(1, dataset.RasterCount + 1)
    return [n for n in numbers if dataset.GetRasterBand(n).GetColorInterpretation() != gdal.GCI_AlphaBand]


def choose_bands(dataset: Any, source: LayerSource, role: str) -> tuple[int, ...]:
    """Band numbers (from 1) that `source.bands` means for this dataset.

    role: "optical" or "SAR", which decides what 'auto' means.
    Raises InputError for a band that is not there, naming those that are.
    """
    usable = data_bands(dataset)
    if not usable:
        raise InputError(f"Layer '{source.label}' has no raster bands.", "Choose a raster layer.")
    wanted = source.bands.strip()
    if wanted.lower() == "mean":
        return tuple(usable)
    if wanted.lower() in ("", "auto"):
        return _auto_optical(dataset, usable) if role == "optical" else _auto_sar(dataset, usable)
    return tuple(_find(dataset, part.strip(), source) for part in wanted.split(","))


def _names(dataset: Any) -> dict[str, int]:
    """Upper-case band description → number; the first wins where a name is given twice."""
    names: dict[str, int] = {}
    for number in data_bands(dataset):
        names.setdefault(dataset.GetRasterBand(number).GetDescription().strip().upper(), number)
    names.pop("", None)
    return names


def has_colours(dataset: Any) -> bool:
    """Whether a dataset says which of its bands are red, green and blue."""
    return _colours(dataset) is not None


def _colours(dataset: Any) -> Optional[tuple[int, ...]]:
    """Numbers of the red, the green and the blue band; None where the file does not say."""
    # Names come first: GDAL calls the first three of four 8-bit bands red, green, blue whatever they are.
    names = _names(dataset)
    for triple in _RGB_NAMES:
        if all(name in names for name in triple):
            return tuple(names[name] for name in triple)
    colours = {dataset.GetRasterBand(n).GetColorInterpretation(): n for n in reversed(data_bands(dataset))}
    if all(colour in colours for colour in _COLOURS):
        return tuple(colours[colour] for colour in _COLOURS)
    return None


def _auto_optical(dataset: Any, usable: list[int]) -> tuple[int, ...]:
    colours = _colours(dataset)
    if colours is not None:
        return colours
    return tuple(usable[:3]) if len(usable) >= 3 else (usable[0],)


def _auto_sar(dataset: Any, usable: list[int]) -> tuple[int, ...]:
    names = _names(dataset)
    found = [_polarisation(names, name) for name in ("VV", "VH")]
    if all(found):
        return tuple(n for n in found if n)
    return tuple(usable) if len(usable) <= 2 else (usable[0],)


def _polarisation(names: dict[str, int], wanted: str) -> int | None:
    """The first band whose description holds VV or VH as a word, as in 'Sigma0_VV_db'."""
    for name, number in names.items():
        if wanted in name.replace("-", "_").replace(" ", "_").replace(".", "_").split("_"):
            return number
    return None


def _find(dataset: Any, text: str, source: LayerSource) -> int:
    names = _names(dataset)
    if text.upper() in names:
        return names[text.upper()]
    if text.isdecimal() and 1 <= int(text) <= dataset.RasterCount:
        return int(text)
    known = f"1 to {dataset.RasterCount}" + (f" or {', '.join(names)}" if names else "")
    raise InputError(f"Layer '{source.label}' has no band '{text}'.", f"Its bands are {known}.")
