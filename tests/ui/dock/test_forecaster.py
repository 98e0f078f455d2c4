"""Foresight in the background: only the latest question counts, and nothing waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sarto.core.contract import InputError, LayerSource, OutputError, RegisterJob, Verdict
from sarto.ui.dock.forecaster import Answer, Forecaster, Question
from sarto.ui.dock.sentences import about, progress_sentence, square_kilometres, verdict_sentence
from sarto.ui.dock.tones import GOOD, PROBLEM


def job(name: str) -> RegisterJob:
    return RegisterJob(LayerSource(name), LayerSource("sar"))


def question(name: str) -> Question:
    return Question(job(name), lambda: f"/results/{name}")


class Slow:
    """Foresight that waits until it is let go."""

    def __init__(self) -> None:
        self.go, self.asked = threading.Event(), []

    def __call__(self, asked: RegisterJob) -> str:
        self.asked.append(asked.reference.source)
        self.go.wait(5)
        return f"forecast of {asked.reference.source}"


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def forecaster(slow: Slow, qgis_app: Any) -> Iterator[Forecaster]:
    forecaster = Forecaster(slow)
    yield forecaster
    slow.go.set()
    forecaster.shut_down()


def collect(forecaster: Forecaster) -> list[Answer]:
    answers: list[Answer] = []
    forecaster.answered.connect(answers.append)
    return answers


def test_questions_in_quick_succession_become_one(forecaster: Forecaster, slow: Slow, qtbot: Any) -> None:
    answers = collect(forecaster)
    slow.go.set()
    for name in "abc":
        forecaster.ask(question(name))
    qtbot.waitUntil(lambda: bool(answers), timeout=5000)
    assert slow.asked == ["c"]
    assert (answers[0].forecast, answers[0].folder) == ("forecast of c", "/results/c")


def test_stale_answer_is_dropped(forecaster: Forecaster, slow: Slow, qtbot: Any) -> None:
    answers = collect(forecaster)
    forecaster.ask(question("old"))
    qtbot.waitUntil(lambda: slow.asked == ["old"], timeout=5000)
    forecaster.ask(question("new"))
    qtbot.wait(400)
    assert slow.asked == ["old"]  # one at a time
    slow.go.set()
    qtbot.waitUntil(lambda: bool(answers), timeout=5000)
    assert [answer.job.reference.source for answer in answers] == ["new"]


def test_forgotten_question_is_not_answered(forecaster: Forecaster, slow: Slow, qtbot: Any) -> None:
    answers = collect(forecaster)
    forecaster.ask(question("a"))
    qtbot.waitUntil(lambda: slow.asked == ["a"], timeout=5000)
    forecaster.forget()
    slow.go.set()
    qtbot.wait(100)
    assert answers == []


def test_errors_come_as_answers(qgis_app: Any, qtbot: Any) -> None:
    def fail(_job: RegisterJob) -> None:
        raise error

    for error in (InputError("Layer 'x' is empty.", "Choose another."), ZeroDivisionError("a defect")):
        forecaster = Forecaster(fail)
        answers = collect(forecaster)
        forecaster.ask(question("a"))
        qtbot.waitUntil(lambda found=answers: bool(found), timeout=5000)
        assert str(error) in str(answers[0].error)
        forecaster.shut_down()


def test_folder_is_planned_in_the_thread(qgis_app: Any, slow: Slow, qtbot: Any) -> None:
    def refuse() -> str:
        assert threading.current_thread() is not threading.main_thread()
        raise OutputError("The folder cannot be written.")

    forecaster = Forecaster(slow)
    answers = collect(forecaster)
    forecaster.ask(Question(job("a"), refuse))
    qtbot.waitUntil(lambda: bool(answers), timeout=5000)
    assert isinstance(answers[0].error, OutputError)
    assert slow.asked == []
    forecaster.shut_down()


def test_hanging_disk_does_not_hold_up_the_end(slow: Slow, qgis_app: Any, qtbot: Any) -> None:
    forecaster = Forecaster(slow)
    forecaster.ask(question("a"))
    qtbot.waitUntil(lambda: slow.asked == ["a"], timeout=5000)
    started = time.monotonic()
    forecaster.shut_down()
    assert time.monotonic() - started < 4
    forecaster.ask(question("b"))
    slow.go.set()
    qtbot.wait(400)
    assert slow.asked == ["a"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "about a second"),
        (7.2, "about 7 s"),
        (21, "about 20 s"),
        (84, "about 80 s"),
        (170, "about 3 min"),
        (7200, "about 2 h"),
        (float("nan"), ""),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert about(seconds) == words


def test_other_words() -> None:
    assert square_kilometres(1234.5) == "1,234 km²"
    assert square_kilometres(0.0123) == "0.0123 km²"
    assert square_kilometres(float("nan")) == ""
    assert progress_sentence("Assessing", float("nan")) == "Assessing"
    assert verdict_sentence("Fine.", Verdict.TRUSTED.value) == ("Fine.", GOOD)
    text, tone = verdict_sentence("Bad.", Verdict.NOT_TRUSTED.value)
    assert "Do not use it" in text
    assert tone == PROBLEM
