"""Worker processes: outcomes as they come, and no process left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from onnx_lippa import method
from onnx_lippa.attacks import AttackMethod, Lippa
from onnx_lippa.ending import Ending
from onnx_lippa.errors import InputError, ModelError
from onnx_lippa.method import Finished, SingleStage
from onnx_lippa.proofs import BranchAndBound
from onnx_lippa.runs import workers
from onnx_lippa.runs.audit import Audit
from onnx_lippa.runs.distances import Distance
from onnx_lippa.runs.pools import WorkerChoice
from onnx_lippa.runs.processes import Replied, WorkerPool
from onnx_lippa.runs.rounds import Round
from onnx_lippa.runs.workers import Workers
from onnx_lippa.spec import InputSpecification, ProblemSet, Specification, Targets, get_norm
from onnx_lippa.state import Budget
from onnx_lippa.witness import Result, Verdict
from tests.support.attacks import (
    DIGITS,
    DIGITS_DATA,
    digits,
    fingerprints,
    outcomes_of,
    solve_in_workers,
)
from tests.support.commands import group_lives, opened, wait_until
from tests.support.faults import FaultySpecification, count_threads
from tests.support.paths import ROOT

FEW: dict[str, Any] = {"restarts": 1, "gradient_steps": 8, "lp_steps": 2}


def test_one_shard_stays_in_this_process(monkeypatch):
    monkeypatch.setattr(workers, "WorkerPool", None)
    model, x, y = digits()
    assert len(outcomes_of(model, x, y, range(5), workers=8, **FEW)) == 5


def test_no_problems():
    assert list(solve_in_workers(digits()[0], [], Lippa(), Budget(), 4)) == []


def test_workers_are_gone_afterwards(monkeypatch):
    """After a run, and after one that is given up; other children of ours stay."""
    monkeypatch.setattr(SingleStage, "inputs_together", 2)
    model, x, y = digits()
    bystander = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    bystander.start()
    try:
        asked = []
        real = AttackMethod.solve

        def noted(*arguments):
            asked.append(arguments)
            return real(*arguments)

        monkeypatch.setattr(AttackMethod, "solve", noted)
        stream: Any = solve_in_workers(model, problems(model, x, y, 6), Lippa(**FEW), Budget(), 2)
        first = next(stream)
        started = [p for p in multiprocessing.active_children() if p.pid != bystander.pid]
        assert len(started) == 2
        assert asked == [], "the work is done elsewhere"
        stream.close()
        assert set(multiprocessing.active_children()) == {bystander}
        assert bystander.is_alive()
        assert first.index in range(6)
    finally:
        bystander.kill()
        bystander.join()
        bystander.close()


def problems(model, x, y, count, *faults) -> ProblemSet:
    """Classification within 0.05, as for a run; with some faults over some inputs."""
    options = (get_norm("linf"), InputSpecification(eps=0.05), Targets(), False)
    asked = FaultySpecification(*options, faults) if faults else Specification(*options)
    outputs = model.runtime.forward(x[:count])
    return ProblemSet(asked, np.arange(count), x[:count], y[:count], outputs)


def test_a_worker_that_is_killed_costs_nothing(monkeypatch):
    """Its inputs are worked on again, and come out as they would have."""
    monkeypatch.setattr(SingleStage, "inputs_together", 3)
    model, x, y = digits()
    method, found = Lippa(**FEW), []
    for outcome in solve_in_workers(model, problems(model, x, y, 12), method, Budget(), 2):
        found.append(outcome)
        if len(found) == 1:
            for process in multiprocessing.active_children():
                os.kill(process.pid, signal.SIGKILL)
    assert fingerprints(found) == fingerprints(outcomes_of(model, x, y, range(12), **FEW))


@pytest.mark.parametrize(
    ("kind", "said", "ending"),
    [("raise", "argmax of an empty sequence", Ending.ERROR),
     ("segfault", "SIGSEGV", Ending.CRASHED),
     pytest.param("memory", "memory", Ending.OUT_OF_MEMORY, marks=pytest.mark.slow),
     pytest.param("kill", "SIGKILL", Ending.CRASHED, marks=pytest.mark.slow),
     pytest.param("exit", "exit code 3", Ending.CRASHED, marks=pytest.mark.slow)],
)  # fmt: skip
def test_an_input_that_fails_says_so_and_the_others_go_on(kind, said, ending, monkeypatch):
    monkeypatch.setattr(SingleStage, "inputs_together", 4)
    model, x, y = digits()
    asked = problems(model, x, y, 8, (2, kind))
    found = {o.index: o for o in solve_in_workers(model, asked, Lippa(**FEW), Budget(), 2)}
    assert sorted(found) == list(range(8))
    failed = found.pop(2)
    assert failed.verdict is Verdict.UNKNOWN
    assert failed.reason is not None
    assert said in failed.reason.sentence and failed.reason.ending is ending
    sound = outcomes_of(model, x, y, [0, 1, *range(3, 8)], **FEW)
    assert fingerprints(found.values()) == fingerprints(sound)


@pytest.mark.parametrize("kind", ["raise", "memory"])
def test_in_this_process_too(kind):
    model, x, y = digits()
    asked = problems(model, x, y, 6, (0, kind), (5, kind))
    found = {o.index: o for o in solve_in_workers(model, asked, Lippa(**FEW), Budget(), 1)}
    assert sorted(found) == list(range(6))
    assert {i for i, o in found.items() if o.reason} == {0, 5}


@pytest.mark.parametrize("kind", [pytest.param("hang", marks=pytest.mark.slow), "hold"])
def test_an_input_without_end_is_stopped(kind):
    model, x, y = digits()
    asked = problems(model, x, y, 3, (1, kind))
    started = time.monotonic()
    found = {o.index: o for o in solve_in_workers(model, asked, BranchAndBound(), Budget(1.0), 2)}
    assert time.monotonic() - started < 100.0  # a start on a busy machine takes seconds
    assert "did not end in time" in str(found[1].reason)
    assert found[1].reason is not None and found[1].reason.ending is Ending.OUT_OF_TIME
    assert not found[0].reason
    assert sorted(found) == [0, 1, 2]


def test_jobs_are_made_when_a_worker_is_free(monkeypatch):
    """So a run of any length holds no more than what is worked on."""
    monkeypatch.setattr(SingleStage, "inputs_together", 1)
    made = []
    real = method.make_jobs

    def noted(*arguments):
        for job in real(*arguments):
            made.append(job)
            yield job

    monkeypatch.setattr(method, "make_jobs", noted)
    model, x, y = digits()
    done = 0
    for _ in solve_in_workers(model, problems(model, x, y, 12), Lippa(**FEW), Budget(), 2):
        done += 1
        assert len(made) <= done + 2
    assert done == 12


def test_no_workers_for_less_work_than_their_start(monkeypatch):
    monkeypatch.setattr(workers, "WorkerPool", None)
    monkeypatch.setattr(SingleStage, "inputs_together", 1)
    model, x, y = digits()
    asked = problems(model, x, y, 4)
    assert len(list(solve_in_workers(model, asked, Lippa(**FEW), Budget(0.2), 2))) == 4


def test_few_inputs_need_no_process(monkeypatch):
    """Unless a number of workers was given, for what is decided in the time of their start."""
    monkeypatch.setattr(workers, "serve_model", None)
    model, x, y = digits()
    asked = problems(model, x, y, 4)
    assert WorkerChoice.of(None, None).begins_here
    assert not WorkerChoice.of(2, None).begins_here
    for one in (BranchAndBound(), Audit()):
        alone = list(solve_in_workers(model, asked, one, Budget(), 1))
        assert fingerprints(begin_here(model, asked, one)) == fingerprints(alone)
        with pytest.raises(TypeError):
            list(solve_in_workers(model, asked, one, Budget(), 2))
    with pytest.raises(TypeError):
        begin_here(model, problems(model, x, y, 26), BranchAndBound())


@pytest.mark.parametrize("seconds", [pytest.param(1e-9, marks=pytest.mark.slow), 0.02])
def test_what_is_cut_short_here_is_sought_again_in_workers(monkeypatch, seconds):
    monkeypatch.setattr(workers, "_START_SECONDS", seconds)
    model, x, y = digits()
    asked = problems(model, x, y, 12)
    sent, real = [], Round._next

    def noted(self):
        attempt = real(self)
        sent.extend([] if attempt is None else attempt.job.problems.indices)
        return attempt

    monkeypatch.setattr(Round, "_next", noted)
    found = begin_here(model, asked, BranchAndBound())
    assert len(sent) > 0 and set(sent) <= set(range(12))
    assert sorted(one.index for one in found) == list(range(12)), "each is told once"
    alone = list(solve_in_workers(model, asked, BranchAndBound(), Budget(), 1))
    assert fingerprints(found) == fingerprints(alone)


def test_nearest_witnesses_are_not_sought_within_a_second(monkeypatch):
    """A distance is none the nearer for being found in time."""
    monkeypatch.setattr(workers, "serve_model", None)
    model, x, y = digits()
    asked = Specification(get_norm("linf"), InputSpecification(), Targets(), minimize=True)
    outputs = model.runtime.forward(x[:2])
    with pytest.raises(TypeError):
        begin_here(model, ProblemSet(asked, np.arange(2), x[:2], y[:2], outputs), Distance())


def begin_here(model, asked, one) -> list[Result]:
    """Results with two workers, where no number was given."""
    with Workers(model, 2, begins_here=True) as pool:
        events = list(one.run(pool, asked, Budget()))
    return [event.result for event in events if isinstance(event, Finished)]


SCRIPT = (
    "import sys, numpy as np, onnx_lippa\n"
    "print('the script runs', file=sys.stderr)\n"
    f"x = np.load({os.fspath(DIGITS_DATA)!r})['x'][:50]\n"
    f"found = onnx_lippa.attack({os.fspath(DIGITS)!r}, x, eps=0.05, workers=2, restarts=0)\n"
    "print(len(found))\n"
)


@pytest.mark.parametrize("on_standard_input", [pytest.param(False, marks=pytest.mark.slow), True])
def test_workers_do_not_run_the_script_again(tmp_path, on_standard_input):
    """So it needs no guard, may lie in no file, and its imports are not repeated."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    ended = subprocess.run(
        [sys.executable, "-" if on_standard_input else script],
        input=SCRIPT if on_standard_input else None, capture_output=True, text=True, check=False,
        cwd=ROOT, env={**os.environ, "PYTHONPATH": os.fspath(ROOT)}, timeout=60,
    )  # fmt: skip
    assert (ended.stdout, ended.stderr) == ("50\n", "the script runs\n")


def test_a_parent_that_is_killed_leaves_no_worker(tmp_path):
    """Neither workers that compute, nor one whose code keeps Python's lock."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from onnx_lippa.proofs import BranchAndBound\n"
        "from onnx_lippa.state import Budget\n"
        "from tests.support.attacks import digits, solve_in_workers\n"
        "from tests.runs.test_pool import problems\n"
        "if __name__ == '__main__':\n"
        "    model, x, y = digits()\n"
        "    asked = problems(model, x, y, 4, (1, 'hold'), (2, 'hang'), (3, 'hang'))\n"
        "    for outcome in solve_in_workers(model, asked, BranchAndBound(), Budget(1e9), 3):\n"
        "        print(outcome.index, flush=True)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.fspath(ROOT)}, start_new_session=True,
    )  # fmt: skip
    assert opened(parent.stdout).readline() == "0\n"
    time.sleep(1.0)  # the others have begun
    parent.kill()
    parent.communicate()
    assert wait_until(lambda: not group_lives(parent.pid))


def test_errors_of_ours_come_through(monkeypatch):
    """What a worker refuses is refused here, in the same words."""
    monkeypatch.setattr(SingleStage, "inputs_together", 1)
    model, x, y = digits()
    with pytest.raises(InputError, match="no solver 'warp'"):
        list(solve_in_workers(model, problems(model, x, y, 2), Lippa(solver="warp"), Budget(), 2))


def test_a_model_that_is_replaced_meanwhile(tmp_path, monkeypatch):
    """Workers open what was checked, or say that it is gone."""
    import shutil

    from onnx_lippa import load

    monkeypatch.setattr(SingleStage, "inputs_together", 1)
    _, x, y = digits()
    path = tmp_path / "model.onnx"
    shutil.copy(DIGITS, path)
    model = load(path)
    asked = problems(model, x, y, 2)
    path.write_bytes(path.read_bytes() + b"")
    assert len(list(solve_in_workers(model, asked, Lippa(**FEW), Budget(), 2))) == 2
    shutil.copy(DIGITS.with_name("mnist_mlp.onnx"), path)
    with pytest.raises(ModelError, match="was replaced while the run was going on"):
        list(solve_in_workers(model, asked, Lippa(**FEW), Budget(), 2))


@pytest.mark.slow
def test_many_shards(monkeypatch):
    monkeypatch.setattr(SingleStage, "inputs_together", 1)
    model, x, y = digits()
    one = fingerprints(outcomes_of(model, x, y, range(10), **FEW))
    three = fingerprints(outcomes_of(model, x, y, range(10), workers=3, **FEW))
    assert one == three


def test_threads_do_not_multiply(monkeypatch):
    """A worker computes with one thread in BLAS, whatever its caller uses, and loads it when."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    with WorkerPool(1, dict, (), count_threads) as one:
        one.submit("count")
        (counted,) = (e for e in one.wait() if isinstance(e, Replied))
    assert counted.reply == 1
