"""The whole plugin: real dock, real tasks, real worker process, real files."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
import uuid
from pathlib import Path

import pytest
from qgis.core import QgsApplication, QgsProject, QgsRasterLayer
from sarto import classFactory
from sarto.core.contract import EngineError
from sarto.core.pipeline import STAGES
from sarto.core.raster import read_gcps
from sarto.ui.engine import remember_engine
from sarto.ui.runs import registration

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc"),
]

LIMIT = 90_000  # ms, for a run on a busy machine


MARK = f"SARTO_TEST_MARK={uuid.uuid4().hex}"  # in the environment of all processes that these tests start


def workers() -> list[int]:
    """The worker processes of these tests, orphaned ones too."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            is_worker = b"core/worker/__main__.py" in (entry / "cmdline").read_bytes()
            if is_worker and MARK.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except (OSError, ValueError):
            continue
    return found


@pytest.fixture
def plugin(qgis_iface, qgis_new_project, monkeypatch, tmp_path):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv(*MARK.split("="))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    remember_engine(sys.executable)
    plugin = classFactory(qgis_iface)
    plugin.initGui()
    yield plugin
    plugin.unload()
    QgsApplication.processEvents()
    assert workers() == []
    assert list((tmp_path / "tmp").glob("sarto-*")) == []


@pytest.fixture
def ready(plugin, sample_scene, tmp_path, qtbot):
    """The dock with the sample scene, ready to run: (controller, dock)."""
    for path in (sample_scene.optical, sample_scene.sar):  # the SAR layer on top, as it lies
        QgsProject.instance().addMapLayer(QgsRasterLayer(str(path), path.stem))
    plugin.show_dock()
    control = plugin.controller
    control.dock.output.folder = str(tmp_path / "results")
    control.dock.advanced.options.set_values({"match.points": 80})
    qtbot.waitUntil(lambda: control.dock.run_row.is_ready, timeout=10_000)
    return control, control.dock


def start(control, dock, qtbot):
    dock.run_row.run_button.click()
    qtbot.waitUntil(lambda: control.queue.running is not None, timeout=5000)
    return control.queue.running


def finish(control, dock, qtbot):
    task = start(control, dock, qtbot)
    with qtbot.waitSignal(task.done, timeout=LIMIT):
        pass
    if task.error is None and not task.came_too_late:
        shown(dock, qtbot)
    return task


def groups() -> list[str]:
    return [group.name() for group in QgsProject.instance().layerTreeRoot().findGroups()]


def shown(dock, qtbot, count=1):
    """Wait for the results of a run, which appear in small steps, the verdict last. count: of runs."""
    qtbot.waitUntil(lambda: len(groups()) == count and bool(dock.run_row.result.label.plain_text), timeout=20_000)


def test_a_run_from_click_to_layers(ready, qtbot, sample_scene, qgis_iface) -> None:
    control, dock = ready
    before = sample_scene.fingerprint()
    stages = []
    task = start(control, dock, qtbot)
    task.progressed.connect(lambda p: stages.append((p.overall, p.stage)))
    assert dock.run_row.run_button.text() == "Cancel"
    with qtbot.waitSignal(task.done, timeout=LIMIT):
        pass
    shown(dock, qtbot)
    assert task.error is None
    assert groups() == ["sample_sar → sample_optical: trusted"]
    root = QgsProject.instance().layerTreeRoot()
    order = [layer.name() for layer in root.layerOrder()]
    aligned = next(
        x for x in QgsProject.instance().mapLayers().values() if x.customProperty("sarto/role") == "aligned"
    )
    assert order.index(aligned.name()) < order.index("sample_optical")
    assert order.index(aligned.name()) < order.index("sample_sar")  # or the layer as it lay would hide it
    assert "trusted" in aligned.metadata().abstract()
    assert control.table.model.rowCount() == len(task.result.result.gcps)
    assert [o for o, _ in stages] == sorted(o for o, _ in stages)
    assert {"Matching tie points", "Writing the aligned raster"} <= {s for _, s in stages}
    assert dock.run_row.run_button.text() == "Register"
    assert control._pair_of(aligned) is not None  # so that they can be compared
    bar = qgis_iface.messageBar()
    assert "trusted" in bar.currentItem().text()
    assert sample_scene.fingerprint() == before


@pytest.mark.parametrize("stage", [name for name, _ in STAGES if name != "Refining the position"])
def test_cancel_at_each_stage(ready, qtbot, stage, tmp_path) -> None:
    """The sample's position is plain at a glance and leaves nothing to refine, so that stage does not come."""
    control, dock = ready
    task = start(control, dock, qtbot)
    if stage != STAGES[0][0]:  # which has begun already
        with qtbot.waitSignal(task.progressed, timeout=LIMIT, check_params_cb=lambda p: p.stage == stage):
            pass
    started = time.monotonic()
    with qtbot.waitSignal(task.done, timeout=10_000):
        dock.run_row.run_button.click()
    assert time.monotonic() - started < 2
    qtbot.wait(300)
    assert task.was_cancelled
    assert groups() == []
    assert not (tmp_path / "results").exists()
    assert workers() == []
    assert dock.run_row.run_button.text() == "Register"
    assert control.queue.running is None


def test_a_cancel_at_the_very_end_adds_no_layers(ready, qtbot, tmp_path, qgis_iface, monkeypatch) -> None:
    """The files are whole and stay; the project is left as it was, and the folder is named."""
    control, dock = ready

    def cancelled_late(job, python):
        def work(reporter):
            outcome = registration(job, python)(reporter)
            control.queue.running.cancel()
            return outcome

        return work

    monkeypatch.setattr("sarto.ui.controller.registration", cancelled_late)
    finish(control, dock, qtbot)
    qtbot.waitUntil(lambda: "cancelled too late" in str(qgis_iface.messageBar().messages), timeout=10_000)
    qtbot.wait(300)  # nothing follows
    assert groups() == []
    assert (tmp_path / "results" / "sample_sar_aligned" / "aligned.tif").is_file()


def test_killed_worker(ready, qtbot, tmp_path) -> None:
    control, dock = ready
    task = start(control, dock, qtbot)
    qtbot.waitUntil(lambda: bool(workers()), timeout=LIMIT)
    for pid in workers():
        os.kill(pid, signal.SIGKILL)
    with qtbot.waitSignal(task.done, timeout=10_000):
        pass
    qtbot.wait(300)
    assert isinstance(task.error, EngineError)
    assert "SIGKILL" in str(task.error)
    assert groups() == []
    assert not (tmp_path / "results").exists()
    assert finish(control, dock, qtbot).error is None  # and the next run works


def test_layer_removed_during_the_run(ready, qtbot) -> None:
    """The files are still there: the run goes on, its group comes on top."""
    control, dock = ready
    task = start(control, dock, qtbot)
    for name in ("sample_optical", "sample_sar"):
        (layer,) = QgsProject.instance().mapLayersByName(name)
        QgsProject.instance().removeMapLayer(layer.id())
    with qtbot.waitSignal(task.done, timeout=LIMIT):
        pass
    shown(dock, qtbot)
    assert task.error is None
    assert not dock.run_row.is_ready


def test_project_closed_during_the_run(ready, qtbot, tmp_path) -> None:
    control, dock = ready
    task = start(control, dock, qtbot)
    qtbot.waitUntil(lambda: bool(workers()), timeout=LIMIT)
    with qtbot.waitSignal(task.done, timeout=5000):
        QgsProject.instance().clear()
    qtbot.wait(300)
    assert task.was_cancelled
    assert groups() == []
    assert workers() == []
    assert not (tmp_path / "results").exists()


def test_unloaded_during_the_run(ready, qtbot, plugin, tmp_path) -> None:
    control, dock = ready
    start(control, dock, qtbot)
    qtbot.waitUntil(lambda: bool(workers()), timeout=LIMIT)
    started = time.monotonic()
    plugin.shut_down()
    assert time.monotonic() - started < 3
    assert workers() == []
    assert not (tmp_path / "results").exists()
    assert plugin.controller is None


def test_two_runs_queue(ready, qtbot) -> None:
    control, dock = ready
    first = start(control, dock, qtbot)
    dock.run_row.queue_button.click()
    assert len(control.queue.waiting) == 1
    second = control.queue.waiting[0]
    with qtbot.waitSignal(second.done, timeout=2 * LIMIT):
        pass
    shown(dock, qtbot, 2)
    folders = [Path(t.result.result.job.output.directory).name for t in (first, second)]
    assert folders == ["sample_sar_aligned", "sample_sar_aligned_2"]
    name = "sample_sar → sample_optical: trusted"
    assert sorted(groups()) == [name, f"{name} (2)"]


def test_a_waiting_run_is_taken_back(ready, qtbot) -> None:
    control, dock = ready
    first = start(control, dock, qtbot)
    dock.run_row.queue_button.click()
    assert len(control.queue.waiting) == 1
    dock.waiting_cancel_requested.emit()
    assert control.queue.waiting == ()
    assert control.queue.running is first
    with qtbot.waitSignal(first.done, timeout=LIMIT):
        pass
    shown(dock, qtbot)
    assert control.queue.running is None
    qtbot.wait(300)  # nothing follows
    assert len(groups()) == 1


def test_error_is_shown_before_the_run(ready, qtbot, tmp_path, sample_scene) -> None:
    from osgeo import gdal

    _control, dock = ready
    far = tmp_path / "far_sar.tif"
    gdal.Translate(str(far), str(sample_scene.sar), outputBounds=[100000, 5000000, 107680, 4992320])
    layer = QgsRasterLayer(str(far), "far_sar")
    QgsProject.instance().addMapLayer(layer)
    dock.layers.moving.set_layer(layer, is_chosen=True)
    qtbot.waitUntil(lambda: not dock.run_row.is_ready and dock.job() is not None, timeout=10_000)
    texts = " ".join(label.text() for label in dock.findChildren(type(dock.run_row.stage_label)))
    assert "do not overlap" in texts
    assert not dock.run_row.run_button.isEnabled()


def test_points_are_edited_applied_and_exported(ready, qtbot, tmp_path) -> None:
    control, dock = ready
    task = finish(control, dock, qtbot)
    first = Path(task.result.result.files["aligned"]).read_bytes()
    table = control.table
    before = table.review.fit
    table.model.setData(table.model.index(3, 0), 0, 10)  # Qt.CheckStateRole, Unchecked
    assert table.review.is_changed
    assert table.review.fit != before or table.review.check.count
    table.controls.apply_clicked.emit()
    qtbot.waitUntil(lambda: control.queue.running is not None, timeout=5000)
    again = control.queue.running
    with qtbot.waitSignal(again.done, timeout=LIMIT):
        pass
    shown(dock, qtbot, 2)
    assert again.error is None
    assert sorted(groups())[0] == "sample_sar → sample_optical, edited: trusted"
    layers = QgsProject.instance()  # the group comes first, its layers after it
    qtbot.waitUntil(lambda: bool(layers.mapLayersByName("sample_sar (aligned, edited)")), timeout=20_000)
    result = again.result.result
    assert any("switched off by hand" in note for note in result.notes)
    assert Path(task.result.result.files["aligned"]).read_bytes() == first
    path = tmp_path / "mine.points"
    control.export(table.review.table, result.job, str(path))
    qtbot.waitUntil(path.is_file, timeout=10_000)
    assert len(read_gcps(path)) == len(result.gcps)


def test_a_saved_project_shows_its_points_again(ready, qtbot, tmp_path, qgis_iface) -> None:
    control, dock = ready
    task = finish(control, dock, qtbot)
    count = len(task.result.result.gcps)
    project = QgsProject.instance()
    assert project.write(str(tmp_path / "saved.qgz"))
    project.clear()
    qtbot.wait(300)
    assert control.table.review is None
    assert project.read(str(tmp_path / "saved.qgz"))
    layer = next(x for x in project.mapLayers().values() if x.customProperty("sarto/role") == "gcps")
    control._follow_layer(layer)
    qtbot.waitUntil(lambda: control.table.review is not None, timeout=10_000)
    assert len(control.table.review.table) == count


def test_the_optical_layer_is_found_however_its_path_is_written(plugin, sample_scene, tmp_path, qtbot) -> None:
    optical = f"{sample_scene.optical.parent}/./{sample_scene.optical.name}"
    for path in (optical, str(sample_scene.sar)):
        QgsProject.instance().addMapLayer(QgsRasterLayer(path, Path(path).stem))
    plugin.show_dock()
    control = plugin.controller
    control.dock.output.folder = str(tmp_path / "results")
    qtbot.waitUntil(lambda: control.dock.run_row.is_ready, timeout=10_000)
    finish(control, control.dock, qtbot)
    aligned = next(
        x for x in QgsProject.instance().mapLayers().values() if x.customProperty("sarto/role") == "aligned"
    )
    assert control._pair_of(aligned) is not None


def test_a_click_on_a_layer_does_not_undo_edits(ready, qtbot) -> None:
    control, dock = ready
    finish(control, dock, qtbot)
    table = control.table
    table.model.setData(table.model.index(3, 0), 0, 10)
    layer = next(x for x in QgsProject.instance().mapLayers().values() if x.customProperty("sarto/role") == "gcps")
    control._follow_layer(layer)
    qtbot.wait(300)
    assert table.review.is_changed
