"""Worker processes: outcomes as they come, and no process left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from onnx_lippa.attacks import Settings
from onnx_lippa.errors import InputError, LippaError, ModelError
from onnx_lippa.question import Problem
from onnx_lippa.runs import outcomes, pool, workers
from tests.attacks.cases import DIGITS, digits, fingerprints, outcomes_of

FEW = {"restarts": 1, "gradient_steps": 8, "lp_steps": 2}


def wait_until_gone(processes, seconds=5.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(process.is_alive() for process in processes):
        time.sleep(0.02)
    return not any(process.is_alive() for process in processes)


def test_one_shard_stays_in_this_process(monkeypatch):
    monkeypatch.setattr(workers, "process_pool", None)
    model, x, y = digits()
    assert len(outcomes_of(model, x, y, range(5), workers=8, **FEW)) == 5


def test_no_problems():
    assert list(outcomes(digits()[0], [], Settings(), 4)) == []


def test_workers_are_gone_afterwards(monkeypatch):
    """After a run, and after one that is given up; other children of ours stay."""
    monkeypatch.setattr(pool, "_SHARD", 2)
    model, x, y = digits()
    bystander = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    bystander.start()
    try:
        asked = []
        real = workers.attack_batch
        monkeypatch.setattr(workers, "attack_batch", lambda *a: asked.append(a) or real(*a))
        stream = pool.outcomes(model, problems(model, x, y, 6), Settings(**FEW), 2)
        first = next(stream)
        started = [p for p in multiprocessing.active_children() if p.pid != bystander.pid]
        assert len(started) == 2
        assert asked == [], "the work is done elsewhere"
        stream.close()
        assert wait_until_gone(started)
        assert bystander.is_alive()
        assert first.index in range(6)
    finally:
        bystander.kill()
        bystander.join()
        bystander.close()


def problems(model, x, y, count) -> list[Problem]:
    """Classification within 0.05, as for a run."""
    import numpy as np

    from onnx_lippa.question import Features, norm_named
    from onnx_lippa.runs import RunSpecification, Targets

    asked = RunSpecification(
        model.file.path, norm_named("linf"), Features(eps=0.05), Targets(), Settings(**FEW)
    )
    return asked.problems(np.arange(count), x[:count], y[:count], model.runtime.outputs(x[:count]))


def test_a_worker_that_dies(monkeypatch):
    monkeypatch.setattr(pool, "_SHARD", 2)
    model, x, y = digits()
    settings = Settings(restarts=200, gradient_steps=2000)
    stream = outcomes(model, problems(model, x, y, 8), settings, 2)
    with pytest.raises(LippaError, match="worker"):
        for outcome in stream:
            assert outcome.index >= 0
            for process in multiprocessing.active_children():
                os.kill(process.pid, signal.SIGKILL)


def test_errors_of_ours_come_through(monkeypatch):
    """What a worker refuses is refused here, in the same words."""
    monkeypatch.setattr(pool, "_SHARD", 1)
    model, x, y = digits()
    with pytest.raises(InputError, match="no solver 'warp'"):
        list(outcomes(model, problems(model, x, y, 2), Settings(solver="warp"), 2))


def test_a_model_that_is_replaced_meanwhile(tmp_path, monkeypatch):
    """Workers open what was checked, or say that it is gone."""
    import shutil

    from onnx_lippa import load

    monkeypatch.setattr(pool, "_SHARD", 1)
    _, x, y = digits()
    path = tmp_path / "model.onnx"
    shutil.copy(DIGITS, path)
    model = load(path)
    asked = problems(model, x, y, 2)
    path.write_bytes(path.read_bytes() + b"")
    assert len(list(outcomes(model, asked, Settings(**FEW), 2))) == 2
    shutil.copy(DIGITS.with_name("mnist_mlp.onnx"), path)
    with pytest.raises(ModelError, match="was replaced while the run was going on"):
        list(outcomes(model, asked, Settings(**FEW), 2))


@pytest.mark.slow
def test_many_shards(monkeypatch):
    monkeypatch.setattr(pool, "_SHARD", 1)
    model, x, y = digits()
    one = fingerprints(outcomes_of(model, x, y, range(10), **FEW))
    three = fingerprints(outcomes_of(model, x, y, range(10), workers=3, **FEW))
    assert one == three


@pytest.mark.slow
def test_threads_do_not_multiply(monkeypatch):
    """A worker computes with one thread in BLAS, whatever its caller uses."""
    script = (
        "from onnx_lippa.runs import workers\n"
        "from threadpoolctl import threadpool_info\n"
        "from onnx_lippa import load\n"
        "workers._begin(load('models/digits_mlp.onnx').source, None)\n"
        "print(max(i['num_threads'] for i in threadpool_info()))\n"
    )
    root = os.fspath(pytest.importorskip("tests.cli.command").ROOT)
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root
    )
    assert ended.stdout.split()[-1] == "1"
