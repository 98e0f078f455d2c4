"""What the codes of well-known land-cover products mean in the seven classes of land use.

Codes and names are those of the products; which class each one becomes is our own reading, with the eye on what an
image shows. A product that has one class for all that is built cannot tell a village from a city: it becomes
'city'. None of them but CORINE knows roads.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NoReturn, Optional

from ..contract import InputError, OptionError
from .land_use import CLASSES, UNKNOWN

AUTO = "auto"
_SHOWN = 6  # codes in a message


@dataclass(frozen=True)
class Legend:
    """The codes of a land-cover product.

    name: what is typed; title: what is read; words: in names of its files, lower case.
    series: code → class of `CLASSES`. A product with two ways to write its codes has two; a file uses one.
    nothing: codes that mean no data or no class. They are allowed, but do not speak for this legend.
    """

    name: str
    title: str
    words: tuple[str, ...]
    series: tuple[Mapping[int, str], ...]
    nothing: frozenset[int]

    @property
    def codes(self) -> frozenset[int]:
        """All codes that have a class."""
        return frozenset(code for one in self.series for code in one)

    def fitting(self, codes: Collection[int], strictly: bool = False) -> Optional[Mapping[int, str]]:
        """The series that holds all codes, None where none does. strictly: also those that mean nothing."""
        rest = set(codes) if strictly else set(codes) - self.nothing
        return next((one for one in self.series if rest <= set(one)), None)

    def table(self, codes: Collection[int]) -> dict[int, int]:
        """Code → value of the class raster, for codes of which one series holds all. See `fitting`."""
        series = self.fitting(codes) or {}
        return {code: CLASSES.index(series[code]) + 1 if code in series else UNKNOWN for code in codes}


def _spread(by_class: Mapping[str, tuple[int, ...]]) -> dict[int, str]:
    return {code: name for name, codes in by_class.items() for code in codes}


# ESA WorldCover 2020 and 2021, product user manual: 10 tree cover, 20 shrubland, 30 grassland, 40 cropland,
# 50 built-up, 60 bare or sparse vegetation, 70 snow and ice, 80 permanent water bodies, 90 herbaceous wetland,
# 95 mangroves, 100 moss and lichen; 0 no data.
_WORLDCOVER = _spread(
    {
        "farmland": (40,),
        "city": (50,),
        "water": (80,),
        "forest": (10, 95),
        "others": (20, 30, 60, 70, 90, 100),
    }
)

# CORINE Land Cover, nomenclature of 44 classes on three levels (EEA/Copernicus): 111 continuous and 112
# discontinuous urban fabric, 121 industry and commerce, 122 roads and railways, 123 ports, 124 airports, 131-133
# mines, dumps, building sites, 141 urban parks, 142 sport and leisure; 211-213 arable land, 221-223 vineyards,
# orchards, olives, 231 pastures, 241-244 mixed farming; 311-313 forests, 321-323 grass, heath, sclerophyllous
# shrubs, 324 woodland in transition, 331-335 beaches, rock, sparse plants, burnt land, glaciers; 411-423 wetlands
# with salt works and tidal flats; 511-523 rivers, lakes, lagoons, estuaries, sea.
_CORINE = _spread(
    {
        "farmland": (211, 212, 213, 221, 222, 223, 231, 241, 242, 243, 244),
        "city": (111, 121, 123, 141),
        "village": (112,),
        "water": (511, 512, 521, 522, 523),
        "forest": (311, 312, 313, 324),
        "road": (122,),
        "others": (124, 131, 132, 133, 142, 321, 322, 323, 331, 332, 333, 334, 335, 411, 412, 421, 422, 423),
    }
)
# The raster files number the same 44 classes 1 to 44, in the order of their codes.
_CORINE_GRID = {number: _CORINE[code] for number, code in enumerate(sorted(_CORINE), 1)}

# National Land Cover Database (USGS, MRLC) since 2001: 11 open water, 12 lasting ice or snow; developed: 21 open
# space (large lots, parks), 22 low intensity (single houses), 23 medium, 24 high; 31 barren; 41-43 forests; 51, 52
# shrubs; 71 grassland, 72-74 sedge, lichens, moss (Alaska); 81 pasture and hay, 82 crops; 90 woody and 95
# herbaceous wetlands. 0 is background, 250 the fill of Annual NLCD.
_NLCD = _spread(
    {
        "farmland": (81, 82),
        "city": (23, 24),
        "village": (21, 22),
        "water": (11,),
        "forest": (41, 42, 43, 90),
        "others": (12, 31, 51, 52, 71, 72, 73, 74, 95),
    }
)

# Dynamic World V1 (Google, World Resources Institute), band 'label': 0 water, 1 trees, 2 grass, 3 flooded
# vegetation, 4 crops, 5 shrub and scrub, 6 built, 7 bare, 8 snow and ice.
_DYNAMIC_WORLD = _spread(
    {
        "farmland": (4,),
        "city": (6,),
        "water": (0,),
        "forest": (1,),
        "others": (2, 3, 5, 7, 8),
    }
)

LEGENDS: dict[str, Legend] = {
    legend.name: legend
    for legend in (
        Legend("worldcover", "ESA WorldCover", ("worldcover",), (_WORLDCOVER,), frozenset({0})),
        Legend(
            "corine",
            "CORINE Land Cover",
            ("corine", "clc"),
            (_CORINE, _CORINE_GRID),
            frozenset({0, 48, -128, 999}),  # 48 and 999: 'NODATA' of its own legend, -128: of its raster files
        ),
        Legend("nlcd", "NLCD", ("nlcd",), (_NLCD,), frozenset({0, 250})),
        Legend("dynamicworld", "Dynamic World", ("dynamicworld", "dynamic_world"), (_DYNAMIC_WORLD,), frozenset()),
    )
}


def guess_legend(codes: Collection[int], name: str = "") -> tuple[str, ...]:
    """The names of the legends that hold all codes, those with fewest codes of their own first.

    Codes that mean nothing in a legend count for it only where no legend knows them all as classes: 0 among others
    is water in Dynamic World before it is the background of a warped CORINE; alone it may be either. name: of the
    layer or its file; a legend of which it tells is the only one where it holds the codes.
    """
    if not codes:
        return ()
    empty = set(codes) <= {code for legend in LEGENDS.values() for code in legend.nothing}
    told = name.lower()
    for legend in LEGENDS.values():
        if any(word in told for word in legend.words) and legend.fitting(codes) is not None:
            return (legend.name,)
    for strictly in (False,) if empty else (True, False):
        fitting = {n: legend.fitting(codes, strictly) for n, legend in LEGENDS.items()}
        sizes = {n: len(series) for n, series in fitting.items() if series is not None}
        if sizes:
            return tuple(sorted(sizes, key=lambda n: sizes[n]))
    return ()


def choose_legend(wanted: str, codes: Collection[int], label: str, name: str = "") -> Legend:
    """The legend of a layer with these codes.

    wanted: a name of `LEGENDS`, or "auto"; label: the layer's name for messages; name: see `guess_legend`.
    Raises OptionError for an unknown name, and where 'auto' is not sure; InputError for codes that are unknown.
    """
    if wanted != AUTO:
        if wanted not in LEGENDS:
            raise OptionError(f"Option 'legend' is {wanted!r}.", f"Use one of {', '.join((AUTO, *LEGENDS))}.")
        legend = LEGENDS[wanted]
        if legend.fitting(codes) is None:
            _refuse(_strangers(legend, codes), label, legend.title)
        return legend
    found = guess_legend(codes, name)
    if len(found) > 1:
        titles = " and ".join(LEGENDS[n].title for n in found)
        raise OptionError(
            f"Option 'legend' is 'auto', but the codes {_few(codes)} of '{label}' fit {titles}.",
            f"Set it to {' or '.join(found)}.",
        )
    if not found:
        nearest = min(LEGENDS.values(), key=lambda legend: len(_strangers(legend, codes)))
        titles = ", ".join(legend.title for legend in LEGENDS.values())
        _refuse(_strangers(nearest, codes), label, f"any legend that is known ({titles})")
    return LEGENDS[found[0]]


def _strangers(legend: Legend, codes: Collection[int]) -> set[int]:
    """The codes that the series that knows most of them does not know."""
    rest = set(codes) - legend.nothing
    return min((rest - set(one) for one in legend.series), key=len)


def _refuse(strangers: Collection[int], label: str, what: str) -> NoReturn:
    raise InputError(
        f"Land-cover layer '{label}' has codes that are not of {what}: {_few(strangers)}.",
        "Choose another legend, declare the values that mean no data as NoData in the file, or leave the "
        "land-cover layer out and name the land use instead.",
    )


def _few(codes: Collection[int]) -> str:
    """The first few codes in words."""
    ordered = sorted(codes)
    return ", ".join(map(str, ordered[:_SHOWN])) + (", …" if len(ordered) > _SHOWN else "")
