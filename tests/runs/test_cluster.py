"""Runs on a real Dask scheduler: the answers of one machine, whatever happens to the others."""

from __future__ import annotations

import signal
import sys
import time
from typing import Any

import numpy as np
import pytest

import onnx_lippa
from onnx_lippa.attacks import Lippa
from onnx_lippa.ending import Ending
from onnx_lippa.errors import InputError, WorkerError
from onnx_lippa.method import SingleStage
from onnx_lippa.proofs import BranchAndBound
from onnx_lippa.runs.rounds import Attempt
from onnx_lippa.spec import InputSpecification, ProblemSet, Specification, Targets, get_norm
from onnx_lippa.state import Budget
from onnx_lippa.witness import Verdict
from tests.support.attacks import DIGITS, digits, fingerprints, outcomes_of
from tests.support.cluster import children, kill
from tests.support.commands import (
    FEW,
    assert_refused,
    command,
    lines,
    spawned,
    wait_for,
    wait_until,
)
from tests.support.faults import FaultySpecification
from tests.support.folders import read_records

pytest.importorskip("distributed", reason="the extra cluster")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
]
BUDGETS: dict[str, Any] = {"restarts": 1, "gradient_steps": 8, "lp_steps": 2}
ROOM = "onnx_lippa.runs.cluster"


@pytest.fixture
def three_together(monkeypatch):
    monkeypatch.setattr(SingleStage, "inputs_together", 3)


def problems(model, x, y, count, *faults) -> ProblemSet:
    options = (get_norm("linf"), InputSpecification(eps=0.05), Targets(), False)
    asked = FaultySpecification(*options, faults) if faults else Specification(*options)
    outputs = model.runtime.forward(x[:count])
    return ProblemSet(asked, np.arange(count), x[:count], y[:count], outputs)


def solve(cluster, model, problems, method, budget=Budget(), happens=lambda: None):  # noqa: B008
    """Results of a method on a cluster; something happens after the first of them."""
    from onnx_lippa.runs.cluster.pool import Cluster

    found = []
    with Cluster(model, cluster.address) as pool:
        for event in method.run(pool, problems, budget):
            found.append(event.result)
            if len(found) == 1:
                happens()
    return found


def stable(path) -> list[dict[str, Any]]:
    """The records of a run by index, without what a clock measured."""
    timeless = [
        {name: value for name, value in one.items() if "seconds" not in name}
        for one in read_records(path / "results.jsonl")
    ]
    return sorted(timeless, key=lambda one: one["index"])


def test_a_lost_worker_costs_nothing(cluster, tmp_path):
    """Two workers, one of which is killed in the middle of a run: the folder is that of one
    machine, with every input once."""
    first = cluster.add_worker()
    cluster.add_worker()
    words = ("attack", DIGITS, "--eps", "0.05", "--first", 120, *FEW, "--restarts", 8)
    out, here = tmp_path / "there", tmp_path / "here"
    process = spawned(*words, "--cluster", cluster.address, "--out", out)
    wait_for(lambda: lines(out) >= 25 and children(first), process, 120.0)
    kill(first)
    said, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, ""), cluster.log()
    assert "2 workers" in said
    assert command(*words, "--workers", 1, "--out", here, "--quiet").code == 0
    assert len(stable(out)) == 120
    assert stable(out) == stable(here)
    with np.load(out / "adversarials.npz") as one, np.load(here / "adversarials.npz") as other:
        assert sorted(one.files) == sorted(other.files)
        for name in one.files:
            order = [np.argsort(folder["index"]) for folder in (one, other)]
            np.testing.assert_array_equal(one[name][order[0]], other[name][order[1]])
    assert command("replay", out).code == 0


def test_jobs_in_hand_come_again(cluster, three_together, monkeypatch):
    """A machine is lost with a job, which another one works on, and which is not halved."""
    tried, real = list[tuple[int, int]](), Attempt.__init__

    def noted(attempt, *arguments, **options):
        real(attempt, *arguments, **options)
        tried.append((len(attempt.job.problems), attempt.losses))

    monkeypatch.setattr(Attempt, "__init__", noted)
    first = cluster.add_worker()
    cluster.add_worker()
    model, x, y = digits()
    budgets = {**BUDGETS, "lp_steps": 40, "restarts": 20}
    found = solve(
        cluster, model, problems(model, x, y, 24), Lippa(**budgets), happens=lambda: kill(first)
    )
    assert fingerprints(found) == fingerprints(outcomes_of(model, x, y, range(24), **budgets))
    assert len(found) == 24
    assert {losses for _, losses in tried} == {0, 1}
    assert all(size == 3 for size, losses in tried if losses)


def test_workers_may_come_later(cluster, three_together):
    """The only worker goes, and another one comes: it gets the model too."""
    first = cluster.add_worker()

    def change() -> None:
        kill(first)
        cluster.add_worker("--nanny")

    model, x, y = digits()
    found = solve(cluster, model, problems(model, x, y, 24), Lippa(**BUDGETS), happens=change)
    assert fingerprints(found) == fingerprints(outcomes_of(model, x, y, range(24), **BUDGETS))


@pytest.mark.parametrize(
    ("kind", "said", "ending"),
    [("raise", "argmax of an empty sequence", Ending.ERROR),
     ("segfault", "its process was ended by SIGSEGV", Ending.CRASHED),
     ("parent", "its process was lost with its Dask worker", Ending.CRASHED)],
)  # fmt: skip
def test_an_input_that_fails_says_so_and_the_others_go_on(cluster, kind, said, ending, monkeypatch):
    """As on one machine; even an input that takes its Dask worker down again and again."""
    monkeypatch.setattr(SingleStage, "inputs_together", 2)
    cluster.add_worker("--nanny")
    model, x, y = digits()
    asked = problems(model, x, y, 6, (3, kind))
    found = {one.index: one for one in solve(cluster, model, asked, Lippa(**BUDGETS))}
    failed = found.pop(3)
    assert failed.verdict is Verdict.UNKNOWN
    assert failed.reason is not None
    assert said in str(failed.reason) and failed.reason.ending is ending
    sound = outcomes_of(model, x, y, [0, 1, 2, 4, 5], **BUDGETS)
    assert fingerprints(found.values()) == fingerprints(sound)


def test_limits_are_those_of_the_machine(cluster):
    """A job without end is stopped by the clock where it runs, and the others have their time."""
    cluster.add_worker("--nanny")
    model, x, y = digits()
    asked = problems(model, x, y, 3, (1, "hold"))
    found = {one.index: one for one in solve(cluster, model, asked, BranchAndBound(), Budget(1.0))}
    assert sorted(found) == [0, 1, 2]
    assert found[1].reason is not None and found[1].reason.ending is Ending.OUT_OF_TIME
    assert not found[0].reason


def test_an_audit_keeps_its_budget(cluster):
    cluster.add_worker()
    model, x, y = digits()
    started = time.monotonic()
    results = onnx_lippa.audit(model, x[:60], y[:60], eps=0.1, budget=8.0, cluster=cluster.address)
    assert time.monotonic() - started < 40.0
    assert len(results) == 60
    here = onnx_lippa.audit(model, x[:60], y[:60], eps=0.1, budget=8.0, workers=1)
    open_ = Verdict.UNKNOWN
    settled = [
        (one.verdict, other.verdict)
        for one, other in zip(results, here, strict=True)
        if open_ not in (one.verdict, other.verdict)
    ]
    assert len(settled) > 20
    assert all(one is other for one, other in settled)


def test_a_curve_sends_its_model_once(cluster, tmp_path):
    cluster.add_worker()
    ended = command(
        "attack", DIGITS, "--eps", "0.02,0.05", "--first", 10, *FEW, "--cluster", cluster.address,
        "--out", tmp_path / "curve",
    )  # fmt: skip
    assert (ended.code, ended.err) == (0, "")
    assert cluster.log().count("Starting Worker plugin onnx-lippa-") == 1
    assert command("replay", tmp_path / "curve").code == 0
    # And nothing is left of it where it was.
    folder = tmp_path / "dask"
    assert wait_until(lambda: not list(folder.rglob("onnx-lippa-*")))
    assert not children(cluster.workers[0])


def test_large_inputs_are_sent_once(cluster, monkeypatch):
    """The stages of an audit name inputs by their digests where a worker has them already."""
    from onnx_lippa.runs.cluster import packing
    from onnx_lippa.runs.cluster.slots import Slots

    monkeypatch.setattr(packing, "_LARGE", 64)
    sent, real = list[str](), Slots._send

    def noted(slots, task, packed, address, *rest):
        sent.extend(packed.parts.keys() - slots._known[address])
        real(slots, task, packed, address, *rest)

    monkeypatch.setattr(Slots, "_send", noted)
    cluster.add_worker()
    model, x, y = digits()
    found = onnx_lippa.audit(model, x[:8], y[:8], eps=0.03, time_limit=5.0, cluster=cluster.address)
    here = onnx_lippa.audit(model, x[:8], y[:8], eps=0.03, time_limit=5.0, workers=1)
    assert [one.verdict for one in found] == [one.verdict for one in here]
    assert len(sent) == len(set(sent)) == 9, "8 inputs and their specification"


def test_a_client_that_is_killed_leaves_nothing(cluster):
    worker = cluster.add_worker()
    process = spawned(
        "attack", DIGITS, "--eps", "0.05", "--restarts", 300, "--gradient-steps", 300,
        "--lp-steps", 5000, "--cluster", cluster.address,
    )  # fmt: skip
    wait_for(lambda: children(worker), process, 120.0)
    process.kill()
    process.communicate()
    assert wait_until(lambda: not children(worker), 30.0), cluster.log()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(cluster, tmp_path, number):
    """What had finished is kept, and the workers are free at once."""
    worker = cluster.add_worker()
    out = tmp_path / "run"
    process = spawned(
        "attack", DIGITS, "--eps", "0.05", "--restarts", 300, "--gradient-steps", 300,
        "--lp-steps", 5000, "--cluster", cluster.address, "--out", out,
    )  # fmt: skip
    wait_for(lambda: children(worker), process, 120.0)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert "interrupted" in err and "Traceback" not in err
    assert wait_until(lambda: not children(worker), 30.0), cluster.log()


def test_a_lost_scheduler_is_an_error_and_the_run_goes_on_later(cluster, tmp_path):
    cluster.add_worker()
    model, x, y = digits()

    def lose(event: object) -> None:
        if isinstance(event, onnx_lippa.Finished):
            kill(cluster.scheduler)

    options: dict[str, Any] = {"eps": 0.08, "out": tmp_path / "run", **BUDGETS}
    with pytest.raises(WorkerError, match="is gone: what had finished is kept"):
        onnx_lippa.attack(model, x[:60], y[:60], cluster=cluster.address, on_event=lose, **options)
    assert lines(tmp_path / "run") > 0
    results = onnx_lippa.attack(model, x[:60], y[:60], workers=1, **options)
    assert fingerprints(list(results)) == fingerprints(
        outcomes_of(model, x, y, range(60), eps=0.08, **BUDGETS)
    )


def test_a_rerun_on_a_cluster_is_identical(cluster, tmp_path):
    """A run of this machine, repeated by two workers, of which one is lost in the middle."""
    first = cluster.add_worker()
    cluster.add_worker()
    words = ("attack", DIGITS, "--eps", "0.05", "--first", 100, *FEW, "--restarts", 8)
    assert command(*words, "--out", tmp_path / "run", "--quiet").code == 0
    again = tmp_path / "again"
    process = spawned("rerun", tmp_path / "run", "--cluster", cluster.address, "--out", again)
    wait_for(lambda: lines(again) >= 25 and children(first), process, 120.0)
    kill(first)
    said, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, ""), cluster.log()
    assert said.startswith("identical: 100 verdicts with their witnesses")
    assert stable(again) == stable(tmp_path / "run")
    found = onnx_lippa.rerun(tmp_path / "run", cluster=cluster.address)
    assert found.is_identical and found.inputs == 100
    with pytest.raises(InputError, match="workers and cluster exclude each other"):
        onnx_lippa.rerun(tmp_path / "run", cluster=cluster.address, workers=2)


def test_other_versions_are_refused(cluster, monkeypatch):
    cluster.add_worker()
    monkeypatch.setattr("onnx_lippa.runs.cluster.versions.__version__", "0.0.9")
    ended = command(
        "attack", DIGITS, "--eps", 0.05, "--first", 2, "--cluster", cluster.address, "--quiet"
    )
    assert_refused(ended, 71, "install the same versions", "not 0.0.9")


def test_no_scheduler(monkeypatch):
    monkeypatch.setattr(f"{ROOM}.connection.CONNECT_SECONDS", 1)
    words = ("attack", DIGITS, "--eps", 0.05, "--first", 2, "--quiet", "--cluster")
    assert_refused(
        command(*words, "tcp://127.0.0.1:9"), 71, "no Dask scheduler answers at tcp://127.0.0.1:9"
    )
    assert_refused(command(*words, "carrier pigeon"), 71, "no Dask scheduler answers")


def test_no_workers(cluster, monkeypatch):
    monkeypatch.setattr(f"{ROOM}.slots._PATIENCE", 1.0)
    with pytest.raises(WorkerError, match="has no workers: start some with 'dask worker"):
        onnx_lippa.attack(DIGITS, digits()[1][:2], eps=0.05, cluster=cluster.address)


def test_what_a_worker_refuses_is_refused_here(cluster):
    cluster.add_worker()
    model, x, y = digits()
    with pytest.raises(InputError, match="no solver 'warp'"):
        solve(cluster, model, problems(model, x, y, 2), Lippa(solver="warp"))
