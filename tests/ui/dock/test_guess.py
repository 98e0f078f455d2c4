"""Telling the optical from the SAR layer."""

from __future__ import annotations

import pytest
from sarto.ui.dock.guess import LayerFacts, guess_pair, is_sar

HERE, THERE = (0.0, 0.0, 1.0, 1.0), (5.0, 5.0, 6.0, 6.0)


@pytest.mark.parametrize(
    "facts",
    [
        LayerFacts("a", "S1A_IW_GRDH_1SDV_20230101T051522"),
        LayerFacts("a", "Sentinel-1 median"),
        LayerFacts("a", "layer", "TSX_SAR_SM.tif"),
        LayerFacts("a", "scene", band_count=2, band_names=("Sigma0_VV_db", "Sigma0_VH_db"), dtype="Float32"),
        LayerFacts("a", "product", dtype="CInt16"),
        LayerFacts("a", "product", dtype="Float32", low=-22.0, high=3.0),
    ],
)
def test_is_sar(facts: LayerFacts) -> None:
    assert is_sar(facts)


@pytest.mark.parametrize(
    "facts",
    [
        LayerFacts("a", "S2B_MSIL2A_20230101", band_count=4, dtype="UInt16"),
        LayerFacts("a", "sentinel2_rgb", band_count=3, has_colours=True),
        LayerFacts("a", "layer", "dop20_ortho.tif"),
        LayerFacts("a", "picture", band_count=3, dtype="Byte", has_colours=True),
        LayerFacts("a", "scene", band_count=13, dtype="UInt16", band_names=("B01", "B02", "B03", "B04")),
        LayerFacts("a", "pan", dtype="UInt16"),
    ],
)
def test_is_optical(facts: LayerFacts) -> None:
    assert not is_sar(facts)


def test_pair_by_name_whatever_the_order() -> None:
    sar, optical = LayerFacts("s", "my sar"), LayerFacts("o", "ortho", band_count=3)
    assert guess_pair([sar, optical]) == ("o", "s")
    assert guess_pair([optical, sar]) == ("o", "s")


def test_pair_that_overlaps_is_preferred() -> None:
    layers = [
        LayerFacts("o1", "S2 north", band_count=3, extent=HERE),
        LayerFacts("s2", "S1 south", extent=THERE),
        LayerFacts("o2", "S2 south", band_count=3, extent=THERE),
    ]
    assert guess_pair(layers) == ("o2", "s2")


def test_web_layers_and_results_are_left_out() -> None:
    layers = [
        LayerFacts("w", "S2 cloudless", band_count=3, is_usable=False),
        LayerFacts("r", "S1 (aligned)", is_own=True),
        LayerFacts("o", "S2", band_count=3),
        LayerFacts("s", "S1"),
    ]
    assert guess_pair(layers) == ("o", "s")


def test_choice_is_kept_and_completed() -> None:
    layers = [LayerFacts("o", "S2", band_count=3), LayerFacts("s", "S1 a"), LayerFacts("t", "S1 b")]
    assert guess_pair(layers, moving="t") == ("o", "t")
    assert guess_pair(layers, reference="s") == ("s", "t")
    assert guess_pair(layers, "s", "o") == ("s", "o")


def test_never_the_same_layer_twice() -> None:
    one = LayerFacts("s", "S1")
    assert guess_pair([one]) == (None, "s")
    assert guess_pair([one], reference="s") == ("s", None)
    assert guess_pair([LayerFacts("o", "RGB", band_count=3)]) == ("o", None)


def test_a_box_stays_empty_where_nothing_fits() -> None:
    layers = [LayerFacts("o", "S2 RGB", band_count=3), LayerFacts("d", "dem", dtype="Float32")]
    assert guess_pair(layers) == ("o", None)
    assert guess_pair([LayerFacts("d", "SRTM elevation")]) == (None, None)
    assert guess_pair([]) == (None, None)


def test_unknown_names_are_told_by_their_bands() -> None:
    layers = [LayerFacts("a", "scene 1", dtype="Float32"), LayerFacts("b", "scene 2", band_count=4)]
    assert guess_pair(layers) == ("b", "a")
