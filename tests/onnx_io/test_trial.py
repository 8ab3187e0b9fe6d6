"""Loading in a child process: whatever the child does, the parent says so in one sentence."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from onnx_lippa.errors import InputError, ModelError
from onnx_lippa.onnx_io import LoadLimits, inspect, load, trial
from onnx_lippa.onnx_io.trial import run_in_child
from tests.support.graphs import graph_model, node, normal, saved

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
MODEL = Path("model.onnx")
LIMITS = LoadLimits(memory=1 << 28, seconds=30.0)
SOON = LoadLimits(memory=1 << 28, seconds=1.0)


def eat_memory() -> int:
    """Takes a gigabyte, touched page by page."""
    return int(np.ones(1 << 30, np.uint8).sum())


def end_by(number: int) -> None:
    """Ends this process by a signal; the traces that pytest would write of it are not wanted."""
    faulthandler.disable()
    os.kill(os.getpid(), number)
    time.sleep(60)


def refuse() -> None:
    """Raises what loading raises."""
    raise InputError("no such \x1b file")


@pytest.fixture(params=["forked", "spawned"])
def way(request, monkeypatch):
    """Both ways of starting a child."""
    if request.param == "spawned":
        monkeypatch.setattr("sys.platform", "other")
    return request.param


def test_a_result_comes_back(way):
    assert run_in_child(MODEL, LIMITS, partial(divmod, 17, 5)) == (3, 2)


def test_memory(way):
    with pytest.raises(ModelError, match=r"model.onnx took more than 0.268 GB of memory"):
        run_in_child(MODEL, LIMITS, eat_memory)


def test_time(way):
    started = time.monotonic()
    with pytest.raises(ModelError, match=r"model.onnx took more than 1 s: .*--load-time"):
        run_in_child(MODEL, SOON, partial(time.sleep, 60))
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_a_crash(way, number, capfd):
    with pytest.raises(ModelError, match=rf"ended the process that tried it \({number.name}\)"):
        run_in_child(MODEL, LIMITS, partial(end_by, int(number)))
    assert capfd.readouterr() == ("", "")


def test_an_end_from_outside(way):
    with pytest.raises(ModelError, match="was killed"):
        run_in_child(MODEL, LIMITS, partial(end_by, int(signal.SIGKILL)))


def test_an_exit(way):
    with pytest.raises(ModelError, match="ended the process"):
        run_in_child(MODEL, LIMITS, partial(os._exit, 7))


def test_an_error_of_ours_is_raised_here(way):
    with pytest.raises(InputError, match=r"no such \\x1b file"):
        run_in_child(MODEL, LIMITS, refuse)


def test_a_fault_of_ours_is_a_sentence(way):
    with pytest.raises(ModelError, match=r"failed \(ZeroDivisionError at .*please report"):
        run_in_child(MODEL, LIMITS, partial(divmod, 1, 0))


def children() -> set[str]:
    """The children of this process, those that nobody has waited for included."""
    lists = Path("/proc/self/task").glob("*/children")
    return {child for one in lists for child in one.read_text().split()}


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="Linux tells of children")
def test_no_child_is_left():
    before = children()
    run_in_child(MODEL, LIMITS, partial(divmod, 17, 5))
    with pytest.raises(ModelError):
        run_in_child(MODEL, SOON, partial(time.sleep, 60))
    assert children() <= before


def test_a_process_with_threads_is_not_forked(monkeypatch):
    monkeypatch.setattr(trial, "_fork", lambda *_: pytest.fail("it was forked"))
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        assert run_in_child(MODEL, LIMITS, partial(divmod, 17, 5)) == (3, 2)
    finally:
        done.set()
        other.join()


def test_a_model_is_the_same_with_and_without(tmp_path):
    nodes = [node("Gemm", "x w c", "h"), node("Relu", "h", "y")]
    path = saved(graph_model(nodes, (4,), {"w": normal(1, 4, 3), "c": normal(2, 3)}), tmp_path)
    tried_first, plain = load(path, limits=LoadLimits()), load(path)
    assert tried_first.interface == plain.interface
    assert tried_first.file.sha256 == plain.file.sha256
    x = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(tried_first.runtime.forward(x), plain.runtime.forward(x))
    assert inspect(path, limits=LoadLimits()).network is not None


def test_problems_come_back(tmp_path):
    path = saved(graph_model([node("Sin", "x", "y")], (4,)), tmp_path)
    found = inspect(path, limits=LoadLimits())
    assert found.problem is not None
    assert [problem.op for problem in found.problem.problems] == ["Sin"]
    assert found.network is None


def test_more_memory_allows_larger_tensors(tmp_path):
    nodes = [node("Tile", "x n", "t"), node("ReduceSum", "t one", "s"), node("Add", "x s", "y")]
    constants = {"n": np.array([1, 1 << 20]), "one": np.array([1])}
    path = saved(graph_model(nodes, (4,), constants), tmp_path)
    load(path, check=False)
    with pytest.raises(ModelError, match=r"too large: .*--load-memory"):
        load(path, limits=LoadLimits(memory=1 << 28))


@pytest.mark.parametrize("limits", [{"memory": 0}, {"seconds": 0.0}, {"seconds": float("nan")}])
def test_limits_that_are_none(limits):
    with pytest.raises(InputError):
        LoadLimits(**limits)
