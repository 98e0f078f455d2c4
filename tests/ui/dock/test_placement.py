"""Which control an error is shown at."""

from __future__ import annotations

import pytest
from sarto.core.contract import InputError, LayerSource, RegisterJob
from sarto.ui.dock.placement import place_of

AREA = "Polygon ((0 0, 1 0, 1 1, 0 0))"


def job(optical: str, sar: str, area: str = "") -> RegisterJob:
    return RegisterJob(LayerSource("a.tif", optical), LayerSource("b.tif", sar), area=area)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Layer 'B2' has no band '9'.", ""),
        ("The optical layer 'B2' has no band '9'.", "reference.bands"),
        ("Layer 'B2' (SAR) is constant.", "moving"),
        ("Layer 'B2' of optical and SAR layers is constant.", ""),
        ("'B2' (x) and 'B2' (y) do not overlap.", "moving"),
        ("Layer 'other' cannot be opened.", ""),
    ],
)
def test_layers_of_one_name(text: str, place: str) -> None:
    assert place_of(InputError(text), job("B2", "B2")) == place


def test_a_role_in_the_layers_name_says_nothing() -> None:
    assert place_of(InputError("Layer 'SAR' has no band '9'."), job("SAR", "SAR")) == ""


def test_layers_of_two_names() -> None:
    names = job("S2", "S1"), job("S2", "S1", AREA)
    assert place_of(InputError("Layer 'S2' has no band '9'."), names[0]) == "reference.bands"
    text = "'S2' and 'S1' share only 3 × 4 pixels at 10 metres."
    assert [place_of(InputError(text), one) for one in names] == ["moving", "area"]
