"""The server as a process, spoken to line by line."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sarto
from sarto.core.contract import EngineError, InputError, MatchOptions, SearchRange, to_dict
from sarto.core.matching import METHODS, MatchTask, create
from sarto.core.worker import WorkerClient

PACKAGE = Path(sarto.__file__).parent
ODD_METHODS = Path(__file__).with_name("odd_methods.py")

MATCH = b'{"type": "match", "reference": "no.npy", "moving": "no.npy", "result": "c"'


class Talk:
    """A server process and what it says."""

    def __init__(self, *arguments: str, **options) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, *arguments], stdin=pipe, stdout=pipe, stderr=pipe, **options
        )
        self.lines: queue.Queue[dict] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            if line.strip():
                self.lines.put(json.loads(line))

    def say(self, line: bytes | dict) -> None:
        data = line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def hear(self, kind: str) -> dict:
        """The next message of a kind; others are passed over."""
        while True:
            message = self.lines.get(timeout=20)
            if message["type"] == kind:
                return message

    def match(self, folder: Path, method: str, number: int = 1, **changes) -> None:
        np.save(folder / "image.npy", np.ones((20, 30), np.uint8))
        image = str(folder / "image.npy")
        request = {
            "type": "match",
            "id": number,
            "reference": image,
            "moving": image,
            "search": to_dict(SearchRange()),
            "options": to_dict(MatchOptions(method=method, points=30)),
            "tolerance_px": 3.0,
            "result": str(folder / "out"),
        }
        self.say({**request, **changes})


@pytest.fixture
def talk():
    talks = []

    def start(*arguments: str, **options) -> Talk:
        talks.append(Talk(*(arguments or (str(ODD_METHODS),)), **options))
        return talks[-1]

    yield start
    for each in talks:
        each.process.kill()
        each.process.wait()
        for stream in (each.process.stdin, each.process.stdout, each.process.stderr):
            with contextlib.suppress(OSError):
                stream.close()


def test_greets_and_answers(talk):
    server = talk("-m", "sarto.core.worker")
    hello = server.hear("hello")
    assert hello["protocol"] == 1
    assert hello["device"] in ("cpu", "cuda")
    assert hello["versions"]["numpy"] == np.__version__
    assert {"python", "torch", "opencv", "safetensors"} <= set(hello["versions"])
    server.say({"type": "ping", "id": 5})
    assert server.hear("pong")["id"] == 5
    assert server.hear("alive")
    server.say({"type": "quit"})
    assert server.process.wait(5) == 0


def test_runs_by_its_path_from_any_folder(talk, tmp_path):
    """As a QGIS plugin: nothing installed, another folder name, other plugins beside it."""
    plugins = tmp_path / "plugins"
    for room in ("core/contract", "core/matching", "core/worker"):
        shutil.copytree(PACKAGE / room, plugins / "sarto-main" / room)
    for package in ("", "core"):
        shutil.copy(PACKAGE / package / "__init__.py", plugins / "sarto-main" / package)
    (plugins / "numpy.py").write_text("raise ImportError('a plugin of this name')")
    (plugins / "sarto.py").write_text("raise ImportError('an older copy')")
    door = plugins / "sarto-main/core/worker/__main__.py"
    for arguments, options in (
        ([str(door)], {}),
        (["-P", str(door)] if sys.version_info >= (3, 11) else [str(door)], {"cwd": plugins}),
    ):
        server = talk(*arguments, **options)
        assert server.hear("hello")["pid"] == server.process.pid
        server.match(tmp_path, "sorcery")
        assert "'sorcery' is not known" in server.hear("error")["message"]


def test_runs_as_a_module_of_a_plugin_folder(talk, tmp_path):
    (tmp_path / "sarto").symlink_to(PACKAGE)
    server = talk("-m", "sarto.core.worker", cwd="/", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert server.hear("hello")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"what?\n", "not a JSON object"),
        (b"\xff\xfe\x00\n", "not a JSON object"),
        (b"[1]\n", "not a JSON object"),
        (b'{"type": 1}\n', "not a JSON object"),
        (b"[" * 100_000 + b"\n", "not a JSON object"),
        (b"x" * 3_000_000 + b"\n", "longer than 1048576 bytes"),
        (b'{"type": "match", "id": [1]}\n', "neither a number nor a text"),
        (b'{"type": "dance", "id": 3}\n', "'dance' is not known"),
        (b'{"type": "match", "id": 3}\n', "no path in 'reference'"),
        (b'{"type": "match", "reference": "a", "moving": "b"}\n', "no path prefix in 'result'"),
        (MATCH + b', "tolerance_px": {}}\n', "fields of MatchTask do not fit"),
        (MATCH + b"}\n", "fields of MatchTask do not fit"),
        (MATCH + b', "search": {}}\n', "'no.npy' cannot be read"),
        (MATCH + b', "search": {"far": 1}}\n', "'far'"),
        (MATCH + b', "search": {}, "options": 3}\n', "MatchOptions"),
        (MATCH + b', "search": {}, "hurry": 3}\n', "'hurry'"),
    ],
)
def test_bad_requests_are_answered_and_survived(talk, line, answer):
    server = talk()
    server.say(line)
    assert answer in server.hear("error")["message"]
    server.say({"type": "ping", "id": "still there"})
    assert server.hear("pong")["id"] == "still there"


def test_result_and_progress(talk, tmp_path):
    server = talk()
    server.hear("hello")
    start = time.monotonic()
    server.match(tmp_path, "echo", number=8)
    heard = []
    while (message := server.lines.get(timeout=20))["type"] != "result":
        heard.append(message)
    seconds = time.monotonic() - start
    progress = [m for m in heard if m["type"] == "progress"]
    assert len(progress) <= 20 * seconds + 2
    assert progress[-1]["fraction"] == 1.0
    assert {m["id"] for m in heard if m["type"] != "alive"} == {8}
    table = np.load(message["ties"], allow_pickle=False)
    assert table.shape == (30, 7)
    assert message["tried"] == 35


def test_pickles_are_refused(talk, tmp_path):
    np.save(tmp_path / "evil.npy", np.array([{}], dtype=object), allow_pickle=True)
    server = talk()
    server.match(tmp_path, "echo", reference=str(tmp_path / "evil.npy"))
    assert server.hear("error")["code"] == "input"


def test_cancel_flag_stops_running_and_waiting_matches(talk, tmp_path):
    server = talk()
    server.match(tmp_path, "slow", number=1)
    server.match(tmp_path, "slow", number=2)
    server.hear("progress")
    server.say({"type": "cancel", "id": 2})
    server.say({"type": "cancel", "id": 1})
    assert [(m["id"], m["code"]) for m in (server.hear("error"), server.hear("error"))] == [
        (1, "cancelled"),
        (2, "cancelled"),
    ]


@pytest.mark.parametrize("method", ["slow", "deaf"])
def test_ends_when_stdin_closes_during_a_computation(talk, tmp_path, method):
    server = talk()
    server.match(tmp_path, method)
    server.hear("progress")
    start = time.monotonic()
    server.process.stdin.close()
    server.process.wait(10)
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("stdin_stays_open", [False, True])
def test_no_orphan_when_the_parent_is_killed(python_for, gone, tmp_path, stdin_stays_open):
    """Also where a sibling has inherited the worker's stdin, so that it never ends."""
    parent = tmp_path / "parent.py"
    parent.write_text(
        textwrap.dedent(f"""
        import subprocess, sys, numpy as np
        from sarto.core.contract import MatchOptions, Reporter, SearchRange
        from sarto.core.matching import MatchTask
        from sarto.core.worker import WorkerClient
        client = WorkerClient({python_for(ODD_METHODS)!r})
        client.start()
        if {stdin_stays_open}:
            handle = client._process._process.stdin.fileno()
            subprocess.Popen(["sleep", "20"], pass_fds=[handle])
        image = np.ones((9, 9), np.uint8)
        task = MatchTask(image, image, SearchRange(), MatchOptions(method="deaf", points=60))
        client.match(task, reporter=Reporter(lambda *_: print(client.pid, flush=True)), workdir={str(tmp_path)!r})
        """)
    )
    process = subprocess.Popen([sys.executable, str(parent)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    worker = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert gone(worker, 3)


def shifted_pair() -> MatchTask:
    """Two views of one random landscape, the second shifted by (4, -3) pixels."""
    rng = np.random.default_rng(5)
    coarse = np.kron(rng.uniform(40, 220, (24, 24)), np.ones((12, 12)))
    land = np.clip(coarse + rng.normal(0, 6, coarse.shape), 1, 255).astype(np.uint8)
    return MatchTask(land[10:266, 10:266].copy(), land[13:269, 6:262].copy(), SearchRange(), MatchOptions())


def has_method(name: str) -> bool:
    try:
        create(name)
    except (ImportError, AttributeError, EngineError):
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_real_methods_give_the_same_in_the_worker(method):
    if not has_method(method):
        pytest.skip(f"{method} is not there")
    task = replace(shifted_pair(), options=MatchOptions(method=method))
    here = create(method).match(task)
    with WorkerClient() as client:
        there = client.match(task)
    if method == "structural":
        np.testing.assert_allclose(there.pose, here.pose, atol=1e-6)
        assert len(there.ties) == len(here.ties)
        np.testing.assert_allclose(there.ties.moving, here.ties.moving, atol=1e-3)
    # A network's sums depend on the number of threads, which differs between the two processes.
    np.testing.assert_allclose(there.pose @ [128, 128, 1], here.pose @ [128, 128, 1], atol=0.2)
    np.testing.assert_allclose(here.pose @ [128, 128, 1], [132, 125], atol=1)


def coloured_pair() -> MatchTask:
    """As `shifted_pair`, but the grey reference is an even grey with noise: only its bands show the land."""
    task = shifted_pair()
    noise = np.random.default_rng(6).normal(128, 3, task.reference.shape)
    land = 0.5 * task.reference.astype(np.float32)
    bands = np.clip(np.stack([noise + land - 60, noise - land + 60]), 1, 255).astype(np.uint8)
    return replace(task, reference=np.clip(noise, 1, 255).astype(np.uint8), bands=bands)


def test_bands_reach_the_method_in_the_worker():
    task = coloured_pair()
    with WorkerClient() as client:
        there = client.match(task)
        without = client.match(replace(task, bands=None))
    np.testing.assert_allclose(there.pose @ [128, 128, 1], [132, 125], atol=1)
    assert there.evidence > 0.5 > without.evidence


def test_the_choice_of_keypoints_reaches_the_method_in_the_worker():
    task = replace(shifted_pair(), options=MatchOptions(method="structural"))
    task = replace(task, reference=task.reference[:128, :128], moving=task.moving[:128, :128])
    asked = replace(task, options=MatchOptions(method="structural", keypoints="sift"))
    with WorkerClient() as client:
        there, without = client.match(asked), client.match(task)
    assert (there.steps["keypoints"], without.steps["keypoints"]) == ("sift", "grid")
    here = create("structural").match(asked)
    np.testing.assert_allclose(there.ties.reference, here.ties.reference, atol=1e-6)
    assert len(there.ties) > 5


@pytest.mark.parametrize("shape", [(256, 256), (2, 255, 256), (1, 2, 256, 256)])
def test_bands_that_do_not_fit_are_refused(shape):
    task = replace(coloured_pair(), bands=np.ones(shape, np.uint8))
    with WorkerClient() as client, pytest.raises(InputError, match="bands"):
        client.match(task)


@pytest.mark.parametrize("shape", [(255, 256), (1, 256, 256)])
def test_a_land_use_that_does_not_fit_is_refused(shape):
    task = replace(shifted_pair(), land_use=np.ones(shape, np.uint8))
    with WorkerClient() as client, pytest.raises(InputError, match="land"):
        client.match(task)


def test_a_method_that_reads_no_land_use_may_get_it():
    task = shifted_pair()
    with WorkerClient() as client:
        there = client.match(replace(task, land_use=np.ones(task.reference.shape, np.uint8)))
    assert there.evidence > 0.5
