"""Which layer is the optical one and which the SAR one: told from names and band facts, without pixels."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

Extent = tuple[float, float, float, float]


@dataclass(frozen=True)
class LayerFacts:
    """What is known about a raster layer without reading pixels.

    key: the layer's id. name: as in the layer tree. file: name of the file.
    band_names: one for each band, "" where there is none. dtype: GDAL's name of the data type, or "".
    low, high: stretch of the first band's display, NaN if unknown.
    extent: (xmin, ymin, xmax, ymax) in a CRS that all layers share, None if not georeferenced.
    has_colours: whether bands are marked as red, green, blue, or colours of a palette.
    is_usable: not a web service and readable. is_own: made by Sarto.
    """

    key: str
    name: str
    file: str = ""
    band_count: int = 1
    band_names: tuple[str, ...] = ()
    dtype: str = ""
    low: float = math.nan
    high: float = math.nan
    extent: Extent | None = None
    has_colours: bool = False
    is_usable: bool = True
    is_own: bool = False


# A word in a name is somebody's statement, a band count only an indication.
_WORD, _STRONG, _WEAK = 4.0, 2.0, 1.0
# From this on a layer is clearly the other thing, and an empty box is the better proposal.
_UNLIKELY = -3.0
_OVERLAP, _APART = 3.0, -6.0


def words_of(text: str) -> set[str]:
    """The words in a layer's or file's name, in lower case: 'S1A_IW-VV.tif' → s1a, iw, vv, tif."""
    lower = re.sub(r"sentinel[\s_-]*([123])", r"s\1", text.lower())
    lower = re.sub(r"(sigma|gamma|beta)[\s_-]*0", r"\g<1>0", lower)
    return set(re.findall(r"[a-z0-9]+", lower))


_SAR_WORDS = words_of(
    "sar s1 s1a s1b s1c s1d vv vh hh hv sigma0 gamma0 beta0 sigma gamma grd grdh grdm slc rtc iw ew tsx tdx "
    "terrasar tandem paz alos alos2 palsar palsar2 csk csg cosmo radarsat rs2 rcm ers1 ers2 asar iceye capella "
    "umbra nisar saocom gf3 risat backscatter amplitude intensity radar"
)
_OPTICAL_WORDS = words_of(
    "optical opt s2 s2a s2b s2c rgb rgbn rgbi tci msi l1c l2a b02 b03 b04 b08 b2 b3 b4 b8 b8a red green blue "
    "nir landsat lc08 lc09 le07 lt05 l8 l9 ortho orthophoto orthoimage dop dop10 dop20 dop40 aerial naip spot "
    "pleiades phr planet planetscope skysat worldview wv2 wv3 quickbird ikonos rapideye geoeye pan pansharp "
    "truecolor visual uav drone"
)
_OTHER_WORDS = words_of(
    "dem dtm dsm srtm elevation height slope aspect hillshade contour mask classification landcover clouds "
    "coherence interferogram phase ndvi"
)


def fits(facts: LayerFacts) -> tuple[float, float]:
    """How well a layer fits as (optical, SAR): about −10…10, 0 where nothing is known."""
    leaning = _leaning(facts)
    words = words_of(f"{facts.name} {facts.file}")
    other = _WORD + _WEAK if words & _OTHER_WORDS else 0.0
    return -leaning - other, leaning - other


def _leaning(facts: LayerFacts) -> float:
    """Above 0 for SAR, below 0 for optical."""
    score = 0.0
    for text in (f"{facts.name} {facts.file}", " ".join(facts.band_names)):
        words = words_of(text)
        score += _WORD * (bool(words & _SAR_WORDS) - bool(words & _OPTICAL_WORDS))
    if facts.dtype.startswith("C"):
        score += _WORD
    if facts.has_colours:
        score -= _STRONG
    if facts.band_count >= 3:
        score -= _STRONG
    elif facts.dtype.startswith("Float"):
        score += _WEAK
    else:
        score += _WEAK / 2
    if facts.dtype.startswith("Float") and -80 < facts.low < -3 and facts.high < 30:
        score += _STRONG  # a range such as only decibels have
    return score


def guess_pair(
    layers: Sequence[LayerFacts], reference: str | None = None, moving: str | None = None
) -> tuple[str | None, str | None]:
    """Keys of the optical and the SAR layer, None where no layer seems to fit.

    layers: those of the project, in the order in which they are preferred where nothing else speaks.
    reference, moving: what the user has chosen already; it is kept.
    """
    known = {facts.key: facts for facts in layers}
    free = [facts for facts in layers if facts.is_usable and not facts.is_own]
    if reference and moving:
        return reference, moving
    if reference or moving:
        chosen = str(reference or moving)
        fixed = known.get(chosen, LayerFacts(chosen, ""))
        column = 1 if reference else 0
        others = [f for f in free if f.key != chosen]
        best = max(others, key=lambda f: fits(f)[column] + _nearness(f, fixed), default=None)
        other = best.key if best is not None and fits(best)[column] > _UNLIKELY else None
        return (chosen, other) if reference else (other, chosen)
    return _best_pair(free)


def _best_pair(free: Sequence[LayerFacts]) -> tuple[str | None, str | None]:
    optical = [(f, fits(f)[0]) for f in free]
    sar = [(f, fits(f)[1]) for f in free]
    pairs = [
        (a_fit + b_fit + _nearness(a, b), a.key, b.key)
        for a, a_fit in optical
        for b, b_fit in sar
        if a.key != b.key and a_fit > _UNLIKELY and b_fit > _UNLIKELY
    ]
    if pairs:
        _, reference, moving = max(pairs, key=lambda pair: pair[0])
        return reference, moving
    best = max(free, key=lambda f: max(fits(f)), default=None)
    if best is None or max(fits(best)) <= _UNLIKELY:
        return None, None
    return (None, best.key) if is_sar(best) else (best.key, None)


def is_sar(facts: LayerFacts) -> bool:
    """Whether a layer is the SAR layer rather than the optical one."""
    optical, sar = fits(facts)
    return sar > optical


def _nearness(a: LayerFacts, b: LayerFacts) -> float:
    if a.extent is None or b.extent is None:
        return 0.0
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = a.extent, b.extent
    return _OVERLAP if ax0 < bx1 and bx0 < ax1 and ay0 < by1 and by0 < ay1 else _APART
