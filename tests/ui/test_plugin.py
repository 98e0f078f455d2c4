"""The whole plugin: real dock, real tasks, real worker process, real files."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest
from qgis.core import QgsApplication, QgsProject, QgsRasterLayer
from sarto import classFactory
from sarto.core.contract import EngineError
from sarto.core.pipeline import STAGES
from sarto.core.raster import read_gcps
from sarto.ui.engine import remember_engine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc"),
]

LIMIT = 90_000  # ms, for a run on a busy machine


def workers() -> list[int]:
    """Our worker processes, children of this process or orphaned."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:2]
        except (OSError, IndexError):
            continue
        ours = state[1] in (str(os.getpid()), "1")
        if ours and state[0] != "Z" and any(w.endswith(b"core/worker/__main__.py") for w in words):
            found.append(int(entry.name))
    return found


def scratch_folders() -> set[str]:
    return {p.name for p in Path(tempfile.gettempdir()).glob("sarto-*")}


@pytest.fixture
def plugin(qgis_iface, qgis_new_project, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    remember_engine(sys.executable)
    before = scratch_folders()
    plugin = classFactory(qgis_iface)
    plugin.initGui()
    yield plugin
    plugin.unload()
    QgsApplication.processEvents()
    assert workers() == []
    assert scratch_folders() <= before


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
    qtbot.wait(300)  # the results appear in small steps
    return task


def groups() -> list[str]:
    return [group.name() for group in QgsProject.instance().layerTreeRoot().findGroups()]


def test_a_run_from_click_to_layers(ready, qtbot, sample_scene, qgis_iface) -> None:
    control, dock = ready
    before = sample_scene.fingerprint()
    stages = []
    task = start(control, dock, qtbot)
    task.progressed.connect(lambda p: stages.append((p.overall, p.stage)))
    assert dock.run_row.run_button.text() == "Cancel"
    with qtbot.waitSignal(task.done, timeout=LIMIT):
        pass
    qtbot.wait(300)
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
    assert "Starting the engine" in {s for _, s in stages}
    assert dock.run_row.run_button.text() == "Register"
    bar = qgis_iface.messageBar()
    assert "trusted" in bar.currentItem().text()
    assert sample_scene.fingerprint() == before


@pytest.mark.parametrize("stage", [name for name, _ in STAGES if name != "Refining the position"])
def test_cancel_at_each_stage(ready, qtbot, stage, tmp_path) -> None:
    """Small scenes have nothing to refine, so that stage does not come."""
    control, dock = ready
    task = start(control, dock, qtbot)
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
    qtbot.wait(300)
    assert task.error is None
    assert len(groups()) == 1
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
    qtbot.wait(300)
    folders = [Path(t.result.result.job.output.directory).name for t in (first, second)]
    assert folders == ["sample_sar_aligned", "sample_sar_aligned_2"]
    assert len(groups()) == 2


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
    qtbot.wait(300)
    assert again.error is None
    assert len(groups()) == 2
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
