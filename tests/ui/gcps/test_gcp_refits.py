"""Another transform, and refits that take long."""

from __future__ import annotations

import statistics
import threading
import time

import numpy as np
from qgis.core import QgsApplication
from qgis.PyQt.QtCore import Qt
from sarto.core.geometry import refit
from sarto.core.pipeline import Review
from sarto.ui.gcps import GcpDock
from sarto.ui.gcps.columns import ON

from .dock_helpers import choose_model, figures, on, wait_fitted


def test_another_transform(dock, review, qtbot):
    dock.show_run(review, "one")
    box = dock.controls.model
    assert box.currentData() == "affine"
    assert box.findData("auto") == -1
    box.setCurrentIndex(box.findData("poly2"))
    box.activated.emit(box.currentIndex())
    assert review.model == "poly2"
    with qtbot.waitSignal(dock.apply_requested) as caught:
        dock.controls.apply.click()
    assert caught.args[0].model == "poly2"
    dock.set_busy(True)
    assert not dock.controls.apply.isEnabled()
    dock.set_busy(False)
    assert dock.controls.apply.isEnabled()
    dock.controls.reset.click()
    assert box.currentData() == "affine"


def test_a_large_spline_is_fitted_beside_the_interface(dock, make_review, qtbot):
    review = make_review(2000)
    dock.show_run(review, "one")
    dock.view.switch_requested.emit(np.array([5, 6]), False)
    started = time.perf_counter()
    choose_model(dock, "tps")
    dock.view.switch_requested.emit(np.array([8]), False)
    dock.view.switch_requested.emit(np.array([5, 9]), True)
    assert time.perf_counter() - started < 0.2
    assert "Fitting" in figures(dock)
    controls = dock.controls
    for control in (controls.model, controls.reset, controls.apply, controls.export):
        assert not control.isEnabled()
    assert (on(dock)[[5, 6, 8]] == [False, False, True]).all()  # not yet
    shown = [dock.model.data(dock.model.index(row, ON), Qt.ItemDataRole.CheckStateRole) for row in (5, 6, 8)]
    assert shown == [Qt.CheckState.Checked, Qt.CheckState.Unchecked, Qt.CheckState.Unchecked]
    wait_fitted(dock, qtbot)
    assert dock.review.model == "tps"
    assert controls.model.isEnabled()
    assert (on(dock)[[5, 6, 8, 9]] == [True, False, False, True]).all()
    expected = refit(review.result.gcps.with_columns(enabled=on(dock)), "tps")[1]
    np.testing.assert_allclose(dock.review.table.residual_px, expected.residual_px, atol=1e-3)
    assert "was" in figures(dock)
    for row in (8, 10, 11):  # by now it is quick
        dock.view.switch_requested.emit(np.array([row]), not on(dock)[row])
        wait_fitted(dock, qtbot)
    started = time.perf_counter()
    dock.view.switch_requested.emit(np.array([12]), False)
    assert time.perf_counter() - started < 0.2
    assert not on(dock)[12]
    controls.reset.click()
    assert (dock.review.model, controls.model.currentData()) == ("affine", "affine")


def slow_review(review, seconds=0.15):
    """A review whose fits take their time, as those of thousands of GCPs or without smoothing do."""

    class Slow(type(review)):
        def _refit(self, enabled):
            if self._differs(enabled):
                fits.append(threading.current_thread() is threading.main_thread())
                time.sleep(seconds)
            super()._refit(enabled)

    fits: list[bool] = []
    review.__class__ = Slow
    return review, fits


def test_what_takes_long_once_is_done_beside_the_interface(dock, make_review, qtbot):
    review, in_main_thread = slow_review(make_review(40))
    dock.show_run(review, "one")
    for row in (1, 2, 3, 4):
        dock.view.switch_requested.emit(np.array([row]), False)
    assert in_main_thread[0]
    wait_fitted(dock, qtbot)
    assert not on(dock)[[1, 2, 3, 4]].any()
    assert not any(in_main_thread[1:])
    assert len(in_main_thread) <= 3  # 3 and 4 were asked for while 2 was fitted
    dock.view.switch_requested.emit(np.array([1, 2, 3, 4]), True)  # the run as it was: nothing is computed
    wait_fitted(dock, qtbot)
    assert not dock.review.is_changed
    dock.view.switch_requested.emit(np.array([1]), False)
    wait_fitted(dock, qtbot)
    assert not in_main_thread[-1]


def test_a_spline_without_smoothing_does_not_block(dock, make_review, qtbot):
    review = make_review(2500, model="tps", smoothing=0.0)
    dock.show_run(review, "one")
    for row in (1, 2, 3):
        started = time.perf_counter()
        dock.view.switch_requested.emit(np.array([row]), False)
        assert time.perf_counter() - started < 0.15
        wait_fitted(dock, qtbot)
    assert not on(dock)[[1, 2, 3]].any()


def test_another_run_can_be_edited_meanwhile(dock, make_review, qtbot):
    slow, fast = slow_review(make_review(40, name="a"), 0.5)[0], make_review(40, name="b")
    dock.show_run(slow, "slow")
    dock.view.switch_requested.emit(np.array([1]), False)
    dock.view.switch_requested.emit(np.array([2]), False)
    run = dock._shown
    assert run.is_fitting
    dock.show_run(fast, "fast")
    assert "Fitting" not in figures(dock)
    assert dock.controls.model.isEnabled()
    dock.view.switch_requested.emit(np.array([3]), False)
    assert not fast.table.enabled[3]
    qtbot.waitUntil(lambda: not run.is_fitting, timeout=10_000)
    assert not run.review.table.enabled[[1, 2]].any()
    assert dock.review is fast


def test_what_was_fitted_for_a_replaced_run_is_dropped(dock, make_review, qtbot):
    review = slow_review(make_review(40))[0]
    dock.show_run(review, "one")
    dock.view.switch_requested.emit(np.array([1]), False)
    dock.view.switch_requested.emit(np.array([2]), False)
    again = Review(review.result)
    dock.show_run(again, "again")
    with qtbot.waitSignal(dock.refits.fitted, timeout=10_000):
        pass
    assert dock.review is again
    assert not again.is_changed


def test_shut_down_waits_for_the_spline(canvas, make_review, qtbot):
    dock = GcpDock(canvas)
    qtbot.addWidget(dock)
    dock.show_run(make_review(1500), "one")
    choose_model(dock, "tps")
    dock.shut_down()
    dock.shut_down()
    qtbot.waitUntil(lambda: QgsApplication.taskManager().countActiveTasks() == 0, timeout=10_000)


def test_an_edit_of_2000_points_is_felt_as_immediate(dock, make_review):
    dock.show_run(make_review(2000), "one")
    times = []
    for row in range(1, 8):
        started = time.perf_counter()
        dock.model.toggled.emit(row, not on(dock)[row])
        dock.view.viewport().repaint()
        times.append(time.perf_counter() - started)
    assert statistics.median(times) < 0.1
