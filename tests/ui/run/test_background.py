"""Tasks and their queue, with real threads."""

from __future__ import annotations

import gc
import time
import weakref

import pytest
from qgis.core import QgsApplication, QgsTask
from qgis.PyQt import sip
from sarto.core.contract import EngineError, InputError, Reporter
from sarto.core.pipeline import Overall
from sarto.ui.run import BackgroundTask, RunQueue
from sarto.ui.run.speed import corrected, remember


def finish(qtbot, task: BackgroundTask) -> BackgroundTask:
    with qtbot.waitSignal(task.done, timeout=10_000):
        task.start()
    return task


def sleeper(seconds: float = 5.0):
    def work(reporter: Reporter) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            reporter.progress("Sleeping", 0.5)
            time.sleep(0.02)
        return "slept"

    return work


def test_result_and_progress(qtbot) -> None:
    seen = []

    def work(reporter: Reporter) -> int:
        reporter.progress("Reading the optical layer", 0.5)
        reporter.log("hello")
        return 42

    task = BackgroundTask("t", work)
    task.progressed.connect(seen.append)
    with qtbot.waitSignal(task.logged) as said:
        finish(qtbot, task)
    assert task.result == 42
    assert task.error is None
    assert said.args == ["hello"]
    assert [p.stage for p in seen] == ["Reading the optical layer"]
    assert 0 < seen[0].overall < 1


@pytest.mark.parametrize(
    ("raised", "kind", "text"),
    [
        (InputError("Layer 'x' is bad.", "Mend it."), InputError, "Layer 'x' is bad. Mend it."),
        (MemoryError(), EngineError, "memory"),
        (ZeroDivisionError("division by zero"), Exception, "ZeroDivisionError: division by zero"),
    ],
)
def test_errors_become_words(qtbot, raised, kind, text) -> None:
    def work(_reporter: Reporter) -> None:
        raise raised

    task = finish(qtbot, BackgroundTask("t", work))
    assert isinstance(task.error, kind)
    assert text in str(task.error)
    assert not task.was_cancelled


def test_cancel_ends_within_two_seconds(qtbot) -> None:
    task = BackgroundTask("t", sleeper(30))
    task.start()
    qtbot.waitUntil(lambda: task.progress() > -1 and task.isActive(), timeout=5000)
    started = time.monotonic()
    with qtbot.waitSignal(task.done, timeout=5000):
        task.cancel()
    assert time.monotonic() - started < 2
    assert task.was_cancelled


def test_cancelled_before_its_thread_begins(qtbot) -> None:
    """QGIS would delete the task at once, and crash where the thread begins after all.

    For us it is over at once, however long others keep QGIS's threads; its thread begins and ends later.
    """
    called: list[int] = []
    ended: list[BackgroundTask] = []
    task = BackgroundTask("t", lambda _reporter: called.append(1))
    task.done.connect(ended.append)
    task.cancel()
    assert task.status() == QgsTask.TaskStatus.Queued
    assert ended == [task]
    QgsApplication.taskManager().addTask(task)
    over = (QgsTask.TaskStatus.Complete, QgsTask.TaskStatus.Terminated)
    qtbot.waitUntil(lambda: sip.isdeleted(task) or task.status() in over, timeout=10_000)
    qtbot.wait(100)
    assert ended == [task]
    assert task.was_cancelled
    assert called == []


def test_cancelled_before_it_is_handed_to_qgis(qtbot) -> None:
    called: list[int] = []
    ended: list[BackgroundTask] = []
    task = BackgroundTask("t", lambda _reporter: called.append(1))
    task.done.connect(ended.append)
    task.start()
    task.cancel()
    assert ended == [task]
    qtbot.wait(100)
    assert task not in QgsApplication.taskManager().tasks()
    assert (ended, called) == ([task], [])


def test_to_wait_for_a_task_that_has_not_begun_ends_it(qtbot) -> None:
    """The main thread, which waits, would have to begin it."""
    called: list[int] = []
    task = BackgroundTask("t", lambda _reporter: called.append(1))
    task.start()
    started = time.monotonic()
    task.wait(30)
    assert time.monotonic() - started < 5
    qtbot.wait(100)
    assert called == []
    assert task.was_cancelled


def test_a_task_that_nobody_else_holds_is_run_and_then_gone(qtbot) -> None:
    """QGIS holds the C++ half of a task only, and could not call the other one."""
    ended: list[str] = []
    kept: list[weakref.ref[BackgroundTask]] = []

    def work(_reporter: Reporter) -> None:
        time.sleep(0.1)
        ended.append("ran")

    def start() -> None:
        task = BackgroundTask("t", work)
        task.start()
        kept.append(weakref.ref(task))

    start()

    def is_over() -> bool:
        gc.collect()
        return ended == ["ran"] and kept[0]() is None

    qtbot.waitUntil(is_over, timeout=10_000)


def test_a_task_started_by_the_end_of_another_waits_until_qgis_has_put_that_away(qtbot) -> None:
    """Else QGIS may take the second for the first, and never run it."""
    manager = QgsApplication.taskManager()
    first, second = (BackgroundTask(name, lambda _reporter: 1) for name in "ab")
    known: list[bool] = []  # whether QGIS still knew the first when it got to know the second

    def on_added(_task_id: int) -> None:
        if second in manager.tasks():
            known.append(first in manager.tasks())

    first.done.connect(lambda _task: second.start())
    manager.taskAdded.connect(on_added)
    try:
        with qtbot.waitSignal(second.done, timeout=10_000):
            first.start()
    finally:
        manager.taskAdded.disconnect(on_added)
    assert known == [False]


def test_queue_runs_one_after_another(qtbot) -> None:
    order: list[str] = []

    def work_of(name: str):
        def work(_reporter: Reporter) -> str:
            order.append(f"{name} starts")
            time.sleep(0.1)
            order.append(f"{name} ends")
            return name

        return work

    queue = RunQueue()
    tasks = [BackgroundTask(name, work_of(name)) for name in "abc"]
    for task in tasks:
        queue.submit(task)
    assert queue.running is tasks[0]
    assert queue.waiting == tuple(tasks[1:])
    qtbot.waitUntil(lambda: queue.running is None, timeout=10_000)
    assert order == [f"{name} {what}" for name in "abc" for what in ("starts", "ends")]


def test_waiting_and_running_tasks_are_cancelled(qtbot) -> None:
    queue = RunQueue()
    first, second, third = (BackgroundTask(name, sleeper()) for name in "abc")
    ended: list[str] = []
    for task in (first, second, third):
        task.done.connect(lambda t: ended.append(t.title))
        queue.submit(task)
    queue.cancel(second)
    assert ended == ["b"]
    assert queue.waiting == (third,)
    queue.cancel(first)
    qtbot.waitUntil(lambda: queue.running is third, timeout=5000)
    queue.cancel_all()
    qtbot.waitUntil(lambda: queue.running is None, timeout=5000)
    assert ended == ["b", "a", "c"]
    assert all(task.was_cancelled for task in (first, second, third))


def test_an_error_does_not_stop_the_queue(qtbot) -> None:
    def fails(_reporter: Reporter) -> None:
        raise InputError("no")

    queue = RunQueue()
    queue.submit(BackgroundTask("a", fails))
    last = BackgroundTask("b", lambda _reporter: "done")
    queue.submit(last)
    qtbot.waitUntil(lambda: queue.running is None, timeout=10_000)
    assert last.result == "done"


def test_shut_down_waits_for_the_thread(qtbot) -> None:
    queue = RunQueue()
    running, waiting = BackgroundTask("a", sleeper()), BackgroundTask("b", sleeper())
    queue.submit(running)
    queue.submit(waiting)
    qtbot.waitUntil(running.isActive, timeout=5000)
    queue.shut_down()
    assert not running.isActive()
    qtbot.wait(100)
    assert queue.waiting == ()
    assert waiting.was_cancelled


def test_speed_is_learnt_and_stays_sane(qgis_app) -> None:
    assert corrected(10.0) == 10.0
    for _ in range(12):
        remember(10.0, 20.0)
    assert corrected(10.0) == pytest.approx(20.0, rel=0.01)
    for _ in range(50):
        remember(10.0, 1e9)
    assert corrected(10.0) <= 100.0
    remember(float("nan"), 5.0)
    remember(0.0, 5.0)
    assert corrected(10.0) <= 100.0


def test_a_cancel_after_the_work_is_known_as_such(qtbot) -> None:
    task = BackgroundTask("t", lambda _reporter: task.cancel() or "there")
    finish(qtbot, task)
    assert task.result == "there"
    assert task.came_too_late


def test_time_left_does_not_count_the_waiting(monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    overall = Overall(20.0)
    now[0] = 1000.0  # others ran
    assert overall.update("Starting the engine", 0.0)[1] == 20.0
