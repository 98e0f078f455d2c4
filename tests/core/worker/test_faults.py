"""Workers that die, hang, babble or do not exist: always an EngineError, soon, and nothing left behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from sarto.core.contract import Cancelled, EngineError, Reporter, SartoError
from sarto.core.worker import WorkerClient

ODD_METHODS = Path(__file__).with_name("odd_methods.py")


def failure(client, task, **options) -> str:
    """The message of the EngineError that a match raises; the worker must be gone after it."""
    with pytest.raises(EngineError) as caught:
        client.match(task(), **options)
    assert client.pid is None
    return str(caught.value)


def signal_at_first_progress(client, number):
    return Reporter(lambda _stage, _fraction: os.kill(client.pid, number))


def test_killed_midway(odd_client, task, gone):
    pid = odd_client.start()["pid"]
    with pytest.raises(EngineError, match=r"SIGKILL.*coarser"):
        odd_client.match(task("slow"), reporter=signal_at_first_progress(odd_client, signal.SIGKILL))
    assert gone(pid)
    assert len(odd_client.match(task(points=5)).ties) == 5


def test_killed_while_idle_is_started_again(odd_client, task):
    pid = odd_client.start()["pid"]
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # until its last thread is gone; it stays to be buried
    assert len(odd_client.match(task(points=5)).ties) == 5


def test_stopped_worker_counts_as_hung(python_for, task, gone):
    with WorkerClient(python_for(ODD_METHODS), silence_timeout=2.5) as client:
        pid = client.start()["pid"]
        with pytest.raises(EngineError, match=r"no sign of life for 2\.5 s"):
            client.match(task("slow"), reporter=signal_at_first_progress(client, signal.SIGSTOP))
        assert gone(pid)
        assert len(client.match(task(points=5)).ties) == 5


def test_stopped_worker_is_cancelled_within_a_second(odd_client, task, gone):
    pid = odd_client.start()["pid"]
    stopped_at = []

    def stop(_stage, _fraction):
        os.kill(pid, signal.SIGSTOP)
        stopped_at.append(time.monotonic())

    with pytest.raises(Cancelled):
        odd_client.match(task("slow"), reporter=Reporter(stop, is_cancelled=lambda: bool(stopped_at)))
    assert time.monotonic() - stopped_at[0] < 1.0
    assert gone(pid)


def test_long_computation_is_no_hang(python_for, task):
    with WorkerClient(python_for(ODD_METHODS), silence_timeout=2.5) as client:
        assert len(client.match(task("deaf", points=4)).ties) == 3


def test_hangs_before_it_greets(standin, task):
    client = standin("time.sleep(60)", start_timeout=0.5)
    assert "no sign of life for 0.5 s" in failure(client, task)


def test_ignores_sigterm(standin, task):
    client = standin(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); hello()\nwhile True: time.sleep(1)", silence_timeout=0.3
    )
    assert "no sign of life" in failure(client, task)


BABBLE = {
    "text": "while True: print('Welcome!', flush=True)",
    "binary": "while True: os.write(1, os.urandom(4096))",
    "zeros": r"while True: os.write(1, b'\0' * 65536)",
    "one line": "while True: os.write(1, b'x' * 65536)",
    "nesting": r"while True: os.write(1, b'[' * 200_000 + b'\n')",
    "other JSON": "while True: os.write(1, b'[1]\\n7\\n{}\\n{\"type\": 3}\\nnull\\n')",
}


@pytest.mark.parametrize("kind", BABBLE)
@pytest.mark.parametrize("greeting", ["", "hello(); request()\n"])
def test_babbling(standin, task, kind, greeting):
    client = standin(greeting + BABBLE[kind])
    assert "unreadable" in failure(client, task)


def test_a_little_rubbish_is_tolerated(standin, task):
    client = standin("""
        print("Loading …", flush=True)
        hello()
        for _ in range(10):
            print("Warning: {not json}", flush=True)
        number = request()["id"]
        say(type="unheard of", id=number)
        say(type="error", id=number - 1, code="engine", message="late", hint="")
        say(type="error", id=number, code="no_match", message="Nothing.", hint="")
        time.sleep(60)
    """)
    with pytest.raises(SartoError, match="Nothing"):
        client.match(task())


BROKEN = {
    "no file": "say(type='result', id=n, pose=[[1,0,0],[0,1,0]], evidence=1, tried=1, steps={})",
    "no fields": "import numpy; numpy.save(p, numpy.zeros((2, 7))); say(type='result', id=n)",
    "odd pose": "import numpy; numpy.save(p, numpy.zeros((2, 7))); say(type='result', id=n, pose=[[{}]])",
    "odd shape": "import numpy; numpy.save(p, numpy.zeros((2, 3))); say(type='result', id=n)",
    "not numbers": "import numpy; numpy.save(p, numpy.full((2, 7), numpy.nan)); say(type='result', id=n)",
    "pickle": "import numpy; numpy.save(p, numpy.array([{}]), allow_pickle=True); say(type='result', id=n)",
    "empty file": "open(p, 'w').close(); say(type='result', id=n)",
    "odd error": "say(type='error', id=n, code={}, message=None)",
}


COVERS = {
    "no file": "",
    "no map": "numpy.save(c, numpy.zeros((3, 4), 'f4'))",
    "nothing in it": "numpy.save(c, numpy.zeros((2, 0, 4), 'f4'))",
    "no numbers": "numpy.save(c, numpy.zeros((2, 3, 4), 'i4'))",
    "pickle": "numpy.save(c, numpy.array([{}]), allow_pickle=True)",
    "too few names": "save(); cover['names'] = ['a']",
    "no titles": "save(); del cover['titles']",
    "titles that are none": "save(); cover['titles'] = 7",
    "odd lattice": "save(); cover['lattice'] = [[1, 0], [0, 1]]",
    "flat lattice": "save(); cover['lattice'] = [[1, 1, 0], [1, 1, 0]]",
    "no lattice": "save(); cover['lattice'] = [[None, 0, 0], [0, 1, 0]]",
    "no object": "save(); cover = [1]",
}

COVER = """
import numpy
hello(); r = request(); n = r['id']; p = r['result']; c = p + '-cover.npy'
def save(): numpy.save(c, numpy.zeros((2, 3, 4), 'f4'))
numpy.save(p + '-ties.npy', numpy.zeros((2, 7)))
cover = dict(share=c, names=['a', 'b'], titles=['A', 'B'], lattice=[[8, 0, 3], [0, 8, 3]])
{}
say(type='result', id=n, pose=[[1,0,0],[0,1,0]], evidence=1, tried=1, steps=dict(), cover=cover)
"""


@pytest.mark.parametrize("kind", COVERS)
def test_broken_covers(standin, task, kind):
    with pytest.raises(EngineError, match="land cover cannot be read"):
        standin(COVER.format(COVERS[kind])).match(task())


def test_the_covers_above_are_broken_by_that_alone(standin, task):
    assert standin(COVER.format("save()")).match(task()).cover.share.shape == (2, 3, 4)


PAINTINGS = {
    "no file": "",
    "not flat": "numpy.save(c, numpy.zeros((1, 3, 4), 'u1'))",
    "nothing in it": "numpy.save(c, numpy.zeros((0, 4), 'u1'))",
    "not 8-bit": "numpy.save(c, numpy.zeros((3, 4), 'f4'))",
    "pickle": "numpy.save(c, numpy.array([{}]), allow_pickle=True)",
    "flat lattice": "save(); painted['lattice'] = [[1, 1, 0], [1, 1, 0]]",
    "no lattice": "save(); del painted['lattice']",
    "no object": "save(); painted = [1]",
}

PAINTED = """
import numpy
hello(); r = request(); n = r['id']; p = r['result']; c = p + '-painted.npy'
def save(): numpy.save(c, numpy.zeros((3, 4), 'u1'))
numpy.save(p + '-ties.npy', numpy.zeros((2, 7)))
painted = dict(values=c, lattice=[[2, 0, 0.5], [0, 2, 0.5]])
{}
say(type='result', id=n, pose=[[1,0,0],[0,1,0]], evidence=1, tried=1, steps=dict(), painted=painted)
"""


@pytest.mark.parametrize("kind", PAINTINGS)
def test_broken_paintings(standin, task, kind):
    with pytest.raises(EngineError, match="painting cannot be read"):
        standin(PAINTED.format(PAINTINGS[kind])).match(task())


def test_the_paintings_above_are_broken_by_that_alone(standin, task):
    assert standin(PAINTED.format("save()")).match(task()).painted.values.shape == (3, 4)


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_results(standin, task, kind, tmp_path):
    client = standin("hello(); r = request(); n = r['id']; p = r['result'] + '-ties.npy'\n" + BROKEN[kind])
    with pytest.raises(EngineError):
        client.match(task(), workdir=tmp_path)
    assert not list(tmp_path.glob("sarto-match-*"))


def test_odd_progress_is_passed_over(standin, task):
    client = standin("""
        hello(); n = request()["id"]
        for fraction in ("x", None, [], float("nan"), 7, -1):
            say(type="progress", id=n, stage=["?"], fraction=fraction)
        say(type="log", id=n)
        say(type="error", id=n, code="no_match", message="Done.")
    """)
    heard = []
    with pytest.raises(SartoError, match="Done"):
        client.match(task(), reporter=Reporter(lambda _stage, fraction: heard.append(fraction)))
    assert all(0 <= fraction <= 1 for fraction in heard)


def test_flood_on_stderr(standin, task):
    client = standin("""
        hello(); n = request()["id"]
        for i in range(3000):
            sys.stderr.write("noise " * 200 + "\\n")
        os.write(2, b"y" * 5_000_000)
        sys.stderr.write("\\nthe cause\\n")
        sys.exit(3)
    """)
    message = failure(client, task)
    assert "ended with status 3" in message
    assert "the cause" in message
    assert len(message) < 20_000


@pytest.mark.parametrize("script", ["sys.exit(0)", "sys.exit(2)", "hello(); sys.exit(0)", "hello(); request()"])
def test_exits_at_once(standin, task, script):
    assert "ended with status" in failure(standin(script), task)


def test_closes_its_output_but_lives_on(standin, task, gone):
    client = standin("hello(); n = request(); os.close(1); time.sleep(60)")
    assert "closed its output" in failure(client, task)


def test_child_that_holds_the_pipes_is_ended_too(standin, task, gone, tmp_path):
    client = standin(f"""
        import subprocess
        child = subprocess.Popen(["sleep", "60"])
        open({str(tmp_path / "child")!r}, "w").write(str(child.pid))
        hello(); request(); os._exit(4)
    """)
    assert "ended with status 4" in failure(client, task)
    assert gone(int((tmp_path / "child").read_text()))


def test_other_protocol(standin, task):
    client = standin('say(type="hello", protocol=99); time.sleep(60)')
    assert "another version" in failure(client, task)


@pytest.mark.parametrize("path", ["missing/python", ".", "text"])
def test_wrong_python(task, tmp_path, path):
    (tmp_path / "text").write_text("no program")
    python = str(tmp_path / path)
    message = failure(WorkerClient(python), task)
    assert python in message
    assert "SARTO_PYTHON" in message


def test_python_without_numpy(task, tmp_path):
    launcher = tmp_path / "python-bare"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    launcher.chmod(0o755)
    message = failure(WorkerClient(str(launcher)), task)
    assert "No module named 'numpy'" in message
    assert str(launcher) in message
    assert "SARTO_PYTHON" in message


def test_no_threads_or_descriptors_pile_up(standin, task):
    client = standin("hello(); request(); sys.exit(1)")
    failure(client, task)
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        failure(client, task)
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == descriptors
