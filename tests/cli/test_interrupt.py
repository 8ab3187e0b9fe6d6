"""Ctrl-C and its kin: their exit code, what had finished is on disk and replays, no traceback.

A run that is killed leaves no process behind, and goes on from what it had.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from onnx_lippa import replay
from onnx_lippa.cli.signals import SignalHandler
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.spec import Rows
from tests.support.attacks import DIGITS
from tests.support.commands import command, group_lives, lines, spawned, wait_for, wait_until

LONG = ("attack", DIGITS, "--eps", "0.05", "--restarts", "300", "--gradient-steps", "300",
        "--lp-steps", "5000")  # fmt: skip
"""Minutes of work, of which some inputs are settled at once."""


def interrupt(process, whole_group: bool, number=signal.SIGINT) -> tuple[str, str]:
    """A signal as a terminal sends it (to the group), or as a supervisor does."""
    (os.killpg if whole_group else os.kill)(process.pid, number)
    try:
        return process.communicate(timeout=15)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_caller_that_ignores_its_children(tmp_path):
    """SIGCHLD ignored, as some supervisors hand it down: models are loaded in children anyway."""
    script = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
        "os.execv(sys.executable, [sys.executable, '-m', 'onnx_lippa.cli.main', *sys.argv[1:]])"
    )
    arguments = [
        "attack",
        str(DIGITS),
        "--eps",
        "0.05",
        "--first",
        "26",
        "--restarts",
        "1",
        "--workers",
        "2",
    ]
    ended = subprocess.run(
        [sys.executable, "-c", script, *arguments, "--out", str(tmp_path / "run")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert replay(tmp_path / "run").inputs == 26


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("workers", "whole_group"),
    [(1, True), (2, True), pytest.param(1, False, marks=pytest.mark.slow),
     pytest.param(2, False, marks=pytest.mark.slow)],
)  # fmt: skip
def test_in_the_middle_of_a_run(tmp_path, workers, whole_group):
    out = tmp_path / "run"
    process = spawned(*LONG, "--workers", workers, "--out", out)
    wait_for(lambda: lines(out) >= 3, process)
    _, err = interrupt(process, whole_group)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "interrupted" in err
    confirmed = replay(out)
    assert confirmed.inputs == lines(out) >= 3
    assert command("replay", out).code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    "pause", [0.05, pytest.param(0.4, marks=pytest.mark.slow),
              pytest.param(1.0, marks=pytest.mark.slow)],
)  # fmt: skip
def test_while_workers_start(tmp_path, pause):
    """Workers that are still importing do not write tracebacks of their own."""
    out = tmp_path / "run"
    process = spawned(*LONG, "--workers", 2, "--out", out)
    wait_for((out / "results.jsonl").exists, process)
    time.sleep(pause)
    _, err = interrupt(process, whole_group=True)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert replay(out).inputs == lines(out)


@pytest.mark.parametrize("name", ["glop", "highs", "pdlp", "clarabel"])
def test_inside_a_solver(name):
    """An interrupt that arrives while a solver's answer is unpacked is not taken for a failure.

    The bindings of OR-Tools call Python functions while they convert protocol buffers and drop
    what those raise.
    """
    program = Program(
        np.ones(2), np.zeros(2), np.ones(2),
        Rows(sp.csr_array(np.ones((1, 2))), np.array([0.5]), np.array([np.inf])),
    )  # fmt: skip
    session, sent = make_solver(name).open(program), list[int]()
    package = os.path.dirname(np.__file__).rsplit(os.sep, 1)[0]

    def watch(frame, event, argument):
        # The first Python function of a library that runs below our own solve().
        if event == "call" and not sent and frame.f_code.co_name == "GetMessageClass":
            sent.append(frame.f_code.co_filename.startswith(package))
            signal.raise_signal(signal.SIGINT)

    interrupted = False
    sys.setprofile(watch)
    try:
        session.solve()
    except KeyboardInterrupt:
        interrupted = True
    finally:
        sys.setprofile(None)
    assert interrupted == bool(sent)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("name", "whole_group"),
    [("SIGTERM", True), pytest.param("SIGTERM", False, marks=pytest.mark.slow),
     ("SIGHUP", False), pytest.param("SIGHUP", True, marks=pytest.mark.slow)],
)  # fmt: skip
def test_other_signals_that_end_a_run(tmp_path, name, whole_group):
    """A scheduler's, and that of a terminal that was closed: as Ctrl-C, but for the exit code."""
    out, number = tmp_path / "run", getattr(signal, name)
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("the tests run under nohup, and what is ignored stays so")
    process = spawned(*LONG, "--workers", 2, "--out", out)
    wait_for(lambda: lines(out) >= 1, process)
    _, err = interrupt(process, whole_group, number)
    assert process.returncode == 128 + number
    assert "Traceback" not in err
    assert "interrupted: " in err
    assert replay(out).inputs == lines(out) >= 1
    assert wait_until(lambda: not group_lives(process.pid))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("pause", [0.0, pytest.param(0.3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_in_the_first_moments(name, pause):
    """From the moment on in which the entry point is reached: no traceback while it imports."""
    number = getattr(signal, name)
    process = spawned(*LONG)
    wait_for(lambda: listens(process.pid), process)
    time.sleep(pause)
    _, err = interrupt(process, whole_group=True, number=number)
    assert process.returncode == 128 + number
    assert "Traceback" not in err


def listens(pid) -> bool:
    """Whether a process has a handler of its own for SIGTERM."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) & 1 << (signal.SIGTERM - 1))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("rounds", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_killed_at_any_moment(tmp_path, rounds):
    """No process is left, and what had finished replays."""
    generator = np.random.default_rng(rounds)
    for round_ in range(rounds):
        out = tmp_path / f"run{round_}"
        process = spawned(*LONG, "--workers", 2, "--out", out)
        wait_for((out / "results.jsonl").exists, process)
        time.sleep(float(generator.uniform(0, 3)))
        process.kill()
        process.communicate()
        assert wait_until(lambda group=process.pid: not group_lives(group))
        assert replay(out).inputs == lines(out)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_at_any_moment(tmp_path):
    """Wherever the interrupt falls, it ends the run at once and the files agree."""
    generator = np.random.default_rng(0)
    for round_ in range(8):
        out = tmp_path / f"run{round_}"
        process = spawned(
            "attack", DIGITS, "--restarts", 20, "--workers", 1 + round_ % 2, "--out", out
        )
        wait_for((out / "results.jsonl").exists, process)
        time.sleep(float(generator.uniform(0, 2)))
        _, err = interrupt(process, whole_group=True)
        assert process.returncode == 130
        assert "Traceback" not in err
        assert replay(out).inputs == lines(out)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_signal_that_comes_twice_is_heard_once():
    """Supervisors signal the process and then its group; what is ignored stays so."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with SignalHandler() as listener:
            listener.has_begun = True
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            assert listener.received == signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) is before[signal.SIGTERM]
    finally:
        signal.signal(signal.SIGHUP, before[signal.SIGHUP])
