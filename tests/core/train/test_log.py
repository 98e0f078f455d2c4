"""The log survives stops, and its picture is drawn."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from sarto.core.contract import InputError, OutputError
from sarto.core.train.curves import COLOURS, draw_curves
from sarto.core.train.log import HELD_OUT, TRAINED, Log, read_log
from sarto.core.train.tar_step import FIGURES


def _figures(value: float) -> dict[str, float]:
    return dict.fromkeys(FIGURES, value)


def test_columns_are_as_they_were(tmp_path: Path) -> None:
    with Log(tmp_path, FIGURES) as log:
        log.add(25, TRAINED, _figures(0.123456), 1.0)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == "step,kind,coarse,coarse right,window right,local,local right,text,seconds"
    assert lines[1] == "25,train,0.12346,0.12346,0.12346,0.12346,0.12346,0.12346,1.0"


def test_what_is_trained_again_counts_once(tmp_path: Path) -> None:
    for steps, value in (((25, 50, 75, 100), 1.0), ((75, 100, 125), 2.0)):
        with Log(tmp_path, FIGURES) as log:
            for step in steps:
                log.add(step, TRAINED, _figures(value))
            log.add(100, HELD_OUT, _figures(value))
    curves = read_log(tmp_path)
    assert curves[TRAINED].steps.tolist() == [25, 50, 75, 100, 125]
    assert curves[TRAINED].figures["local"].tolist() == [1, 1, 2, 2, 2]
    assert curves[HELD_OUT].figures["coarse"].tolist() == [2]


def test_a_row_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    with Log(tmp_path, FIGURES) as log:
        log.add(25, TRAINED, _figures(1.0))
        log.add(50, TRAINED, _figures(1.0))
    path = tmp_path / "log.csv"
    path.write_bytes(path.read_bytes()[:-20])
    with Log(tmp_path, FIGURES) as log:
        log.add(75, TRAINED, _figures(3.0))
    assert read_log(tmp_path)[TRAINED].steps.tolist() == [25, 75]


def test_curves_are_drawn(tmp_path: Path) -> None:
    with Log(tmp_path, FIGURES) as log:
        for step in range(25, 2000, 25):
            log.add(step, TRAINED, _figures(np.exp(-step / 500) + (float("nan") if step == 500 else 0)))
        log.add(1000, HELD_OUT, _figures(0.5))
    picture = cv2.imread(str(draw_curves(tmp_path)))
    assert picture.shape == (620, 1500, 3)
    assert 0.01 < (picture.min(axis=2) < 250).mean() < 0.2
    assert draw_curves(tmp_path, tmp_path / "more.png") == tmp_path / "more.png"
    with pytest.raises(OutputError):
        draw_curves(tmp_path, tmp_path / "log.csv" / "x.png")


def test_what_took_no_part_has_no_number_and_is_not_drawn(tmp_path: Path) -> None:
    """Nor does it hide the others: the text began later, the local features took no part at all."""
    none = float("nan")
    with Log(tmp_path, FIGURES) as log:
        for step in range(25, 500, 25):
            late = {"text": none if step < 200 else 0.3, "local": none, "local right": none}
            log.add(step, TRAINED, {**_figures(0.5), **late})
        log.add(250, HELD_OUT, {**_figures(0.5), "local": none, "local right": none})
    curve = read_log(tmp_path)[TRAINED]
    assert np.isnan(curve.figures["local"]).all()
    assert np.isnan(curve.figures["text"]).tolist() == [step < 200 for step in curve.steps]
    picture = cv2.imread(str(draw_curves(tmp_path)))
    green = (abs(picture.astype(int) - COLOURS[2]).max(axis=2) < 20).nonzero()
    vermilion = (abs(picture.astype(int) - COLOURS[1]).max(axis=2) < 20).nonzero()
    assert green[1][green[1] < 750].min() > 300  # the text's curve does not begin at the left
    assert len(vermilion[1][vermilion[1] < 750]) == 0


def test_nothing_but_missing_numbers_is_drawn_too(tmp_path: Path) -> None:
    with Log(tmp_path, FIGURES) as log:
        log.add(25, TRAINED, _figures(float("nan")))
    draw_curves(tmp_path)


def test_one_row_is_enough(tmp_path: Path) -> None:
    with Log(tmp_path, FIGURES) as log:
        log.add(1, TRAINED, _figures(0.0))
    draw_curves(tmp_path)


def test_no_rows_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        draw_curves(tmp_path)
    with Log(tmp_path, FIGURES):
        pass
    with pytest.raises(InputError, match="no row"):
        draw_curves(tmp_path)
