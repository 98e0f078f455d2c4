"""The client with a worker that works: results, hand-over of images, progress, cancel, restart."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from sarto.core.contract import (
    Cancelled,
    EngineError,
    InputError,
    NoMatchError,
    OptionError,
    OutputError,
    Reporter,
)
from sarto.core.matching import MatchTask
from sarto.core.worker import WorkerClient, default_python
from sarto.core.worker.arrays import Exchange


def test_result_comes_through_unchanged(odd_client, task, tmp_path):
    workdir = tmp_path / "work"
    workdir.mkdir()
    found = odd_client.match(task(points=50, tolerance_px=2.5, model="affine"), workdir=workdir)
    rng = np.random.default_rng(50)
    reference = rng.uniform(0, 500, (50, 2))
    np.testing.assert_array_equal(found.ties.reference, reference)
    np.testing.assert_array_equal(found.ties.moving, reference + 1.25)
    np.testing.assert_array_equal(found.ties.confidence, rng.uniform(0, 1, 50))
    np.testing.assert_array_equal(found.ties.round_trip, rng.uniform(0, 1, 50))
    np.testing.assert_array_equal(found.inliers, np.arange(50) % 3 > 0)
    np.testing.assert_array_equal(found.pose, [[1.0, 0.0, 1.25], [0.0, 1.0, 1.25]])
    assert (found.evidence, found.tried) == (0.75, 55)
    assert found.steps["shift_px"] == 7.5
    assert found.steps["tolerance_px"] == 2.5
    assert found.steps["model"] == "affine"
    assert found.steps["odd"] is None
    assert found.steps["sums"] == [int(task().reference.sum())] * 2
    assert list(workdir.iterdir()) == []


def test_a_cover_map_comes_through_unchanged_where_it_is_asked_for(odd_client, task, tmp_path):
    workdir = tmp_path / "work"
    workdir.mkdir()
    found = odd_client.match(replace(task("seer"), land_cover=True), workdir=workdir)
    share = np.random.default_rng(1).random((3, 4, 5)).astype(np.float32)
    share[0, 0, 0] = np.nan
    assert found.cover.share.dtype == np.float32
    np.testing.assert_array_equal(found.cover.share, share)
    np.testing.assert_array_equal(found.cover.lattice, [[8.0, 0.5, 3.5], [-0.5, 8.0, 3.5]])
    assert found.cover.names == ("road", "water", "ü")
    assert found.cover.titles == ("Road", "Water", "Überschwemmt")
    assert found.steps["asked"] is True
    assert list(workdir.iterdir()) == []
    unasked = odd_client.match(task("seer"))
    assert (unasked.cover, unasked.steps["asked"]) == (None, False)
    assert odd_client.match(replace(task("echo"), land_cover=True)).cover is None


def test_a_painting_comes_through_unchanged_where_it_is_asked_for(odd_client, task, tmp_path):
    workdir = tmp_path / "work"
    workdir.mkdir()
    found = odd_client.match(replace(task("painter"), painting=True), workdir=workdir)
    assert found.painted.values.dtype == np.uint8
    np.testing.assert_array_equal(
        found.painted.values, np.random.default_rng(2).integers(0, 256, (6, 7), np.uint8)
    )
    np.testing.assert_array_equal(found.painted.lattice, [[4.0, 0.0, 1.5], [0.0, 4.0, 1.5]])
    assert found.steps["asked"] is True
    assert list(workdir.iterdir()) == []
    unasked = odd_client.match(task("painter"))
    assert (unasked.painted, unasked.steps["asked"]) == (None, False)
    assert odd_client.match(replace(task("echo"), painting=True)).painted is None


def test_no_points_is_a_result(odd_client, task):
    found = odd_client.match(task(points=0))
    assert len(found.ties) == 0
    assert found.ties.reference.shape == (0, 2)
    assert found.inliers.dtype == bool


def test_ten_thousand_points_are_quick(odd_client, task):
    odd_client.match(task(points=1))
    start = time.monotonic()
    found = odd_client.match(task(points=10_000))
    assert len(found.ties) == 10_000
    assert time.monotonic() - start < 3


def test_one_worker_and_one_matcher_for_many_matches(odd_client, task):
    pids, calls = set(), []
    for _ in range(3):
        calls.append(odd_client.match(task()).steps["calls"])
        pids.add(odd_client.pid)
    assert calls == [1, 2, 3]
    assert len(pids) == 1


def test_callbacks_run_in_the_calling_thread_and_are_few(odd_client, task):
    threads, heard, logged = set(), [], []

    def on_progress(stage, fraction):
        threads.add(threading.current_thread())
        heard.append((stage, fraction))

    odd_client.start()
    start = time.monotonic()
    odd_client.match(task(), reporter=Reporter(on_progress, logged.append))
    assert heard[-1] == ("matching", 1.0)
    assert len(heard) <= 20 * (time.monotonic() - start) + 2
    assert threads == {threading.current_thread()}
    assert logged == ["looking"]


def test_start_tells_what_the_engine_is(standin):
    told = []
    client = standin("hello(); time.sleep(60)", log=told.append)
    assert client.start()["device"] == "cpu"
    assert told[0].startswith("Matching engine:")


def test_usable_from_a_thread(odd_client, task):
    found = []
    thread = threading.Thread(target=lambda: found.append(odd_client.match(task())))
    thread.start()
    thread.join(20)
    assert len(found) == 1


@pytest.mark.parametrize("mode", ["r", "w+"])
def test_mapped_files_are_handed_over_as_they_are(odd_client, task, tmp_path, mode):
    path = tmp_path / "image.npy"
    if mode == "r":
        np.save(path, np.full((20, 30), 7, np.uint8))
        image = np.load(path, mmap_mode="r")
    else:
        image = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(20, 30))
        image[:] = 7
    found = odd_client.match(MatchTask(image, image, task().search, task().options))
    assert found.steps["files"] == [str(path)] * 2
    assert found.steps["sums"] == [4200, 4200]
    assert path.exists()


def test_parts_of_mapped_files_are_copied(tmp_path):
    path = tmp_path / "image.npy"
    np.save(path, np.arange(600, dtype=np.uint8).reshape(20, 30))
    image = np.load(path, mmap_mode="r")
    raw = np.memmap(tmp_path / "raw", np.uint8, "w+", shape=(20, 30))
    private = np.load(path, mmap_mode="c")
    private[0, 0] = 99
    parts = [image[5:], image[:, ::-1], image[:], image.T, raw, private, image.reshape(30, 20), np.asarray(image)]
    with Exchange(tmp_path) as files:
        assert files.path_of(image, "whole") == str(path)
        for part in parts:
            stored = files.path_of(part, "part")
            assert stored.startswith(str(files.folder))
            np.testing.assert_array_equal(np.load(stored), part)
        os.unlink(path)
        assert files.path_of(image, "deleted").startswith(str(files.folder))
    assert not files.folder.exists()


def test_no_room_for_the_images(odd_client, task, tmp_path):
    with pytest.raises(OutputError, match="working folder"):
        odd_client.match(task(), workdir=tmp_path / "missing")


@pytest.mark.parametrize(
    ("seed", "kind", "message"),
    [
        (0, NoMatchError, "Nothing in common. Try 'wild'."),
        (1, EngineError, "ZeroDivisionError: a bug"),
        (2, EngineError, "out of memory.*coarser"),
        (3, EngineError, "lacks a package.*no_such_package.*torch"),
    ],
)
def test_errors_keep_their_kind_and_the_worker(odd_client, task, seed, kind, message):
    pid = odd_client.start()["pid"]
    with pytest.raises(kind, match=message):
        odd_client.match(task("failing", seed=seed))
    assert len(odd_client.match(task(points=5)).ties) == 5
    assert odd_client.pid == pid


def test_crash_in_a_library_leaves_its_trace(odd_client, task):
    with pytest.raises(EngineError, match=r"SIGSEGV(.|\n)*last words(.|\n)*Segmentation fault"):
        odd_client.match(task("failing", seed=4))
    assert len(odd_client.match(task(points=5)).ties) == 5


def test_unknown_method_and_unfit_images(odd_client, task):
    with pytest.raises(OptionError, match="'sorcery' is not known"):
        odd_client.match(task("sorcery"))
    with pytest.raises(InputError, match="8-bit image for 'reference'"):
        odd_client.match(MatchTask(np.zeros((2, 2, 3), np.uint8), np.zeros((4, 4)), task().search, task().options))


def test_what_libraries_print_does_no_harm(odd_client, task):
    assert len(odd_client.match(task("chatty")).ties) == 4
    assert len(odd_client.match(task("chatty")).ties) == 4


@pytest.mark.parametrize(("method", "survives"), [("slow", True), ("deaf", False)])
def test_cancel_within_a_second(odd_client, task, tmp_path, gone, method, survives):
    """A method that asks whether to stop keeps its process; one that does not loses it."""
    pid = odd_client.start()["pid"]
    wanted_at = []

    def is_cancelled():
        return bool(wanted_at)

    def on_progress(_stage, _fraction):
        wanted_at.append(time.monotonic())

    with pytest.raises(Cancelled):
        odd_client.match(task(method, points=60), Reporter(on_progress, is_cancelled=is_cancelled), tmp_path)
    assert time.monotonic() - wanted_at[0] < 1.0
    assert survives != gone(pid, 0.1)
    assert not list(tmp_path.glob("sarto-match-*"))
    assert len(odd_client.match(task(points=5)).ties) == 5


def test_cancel_flag_is_asked_ten_times_a_second(odd_client, task):
    asked = []

    def is_cancelled():
        asked.append(time.monotonic())
        return False

    odd_client.match(task("deaf", points=2), reporter=Reporter(is_cancelled=is_cancelled))
    assert np.quantile(np.diff(asked), 0.8) < 0.1


def test_cancel_while_the_worker_starts(standin, task):
    client = standin("time.sleep(60)")
    since = time.monotonic()
    with pytest.raises(Cancelled):
        client.match(task(), reporter=Reporter(is_cancelled=lambda: time.monotonic() - since > 0.3))
    assert time.monotonic() - since < 1.5
    assert client.pid is None


def test_an_error_in_a_callback_comes_out_and_stops_the_worker(odd_client, task, gone):
    pid = odd_client.start()["pid"]

    def on_progress(_stage, _fraction):
        raise KeyError("a bug in the dialog")

    with pytest.raises(KeyError):
        odd_client.match(task("slow"), reporter=Reporter(on_progress))
    assert gone(pid)


def test_close_leaves_no_process(odd_client, task, gone):
    odd_client.match(task())
    pid = odd_client.pid
    start = time.monotonic()
    odd_client.close()
    odd_client.close()
    assert time.monotonic() - start < 2
    assert gone(pid)
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    assert len(odd_client.match(task(points=5)).ties) == 5


def test_default_python(monkeypatch):
    monkeypatch.setenv("SARTO_PYTHON", "/somewhere/python")
    assert default_python() == "/somewhere/python"
    assert WorkerClient().python == "/somewhere/python"
    monkeypatch.delenv("SARTO_PYTHON")
    monkeypatch.setattr("sys.executable", "/opt/QGIS/bin/qgis")
    monkeypatch.setattr("sys.prefix", "/opt/QGIS")
    assert default_python() == "/opt/QGIS/bin/python3"
