"""Properties and lists of them on a real Dask scheduler: the answers of one machine."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.external_data_helper import convert_model_to_external_data

from onnx_lippa import (
    Answer,
    Finding,
    Lippa,
    Property,
    answer_instances,
    falsify,
    load,
    replay,
    rerun,
    verify,
)
from onnx_lippa.errors import InputError, LippaError, WorkerError
from onnx_lippa.runs.pools import WorkerChoice
from onnx_lippa.runs.properties.answering import answer_list
from onnx_lippa.runs.properties.decider import Decider
from onnx_lippa.runs.properties.instances import Instance
from onnx_lippa.runs.properties.single import answer_property
from onnx_lippa.state import Budget
from tests.support.cluster import children, kill
from tests.support.commands import command, wait_until
from tests.support.faults import FaultyMethod
from tests.support.graphs import graph_model, node, saved
from tests.support.vnnlib import SAT, UNSAT

pytest.importorskip("distributed", reason="the extra cluster")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
]
FEW: dict[str, Any] = {"restarts": 0, "lp_steps": 0, "gradient_steps": 5}
LISTED = """\
net.onnx,sat.vnnlib,20
net.onnx,unsat.vnnlib,20
external.onnx,sat.vnnlib,20
net.onnx,none.vnnlib,20
none.onnx,sat.vnnlib,20
net.onnx,bad.vnnlib,20
bad.onnx,sat.vnnlib,20
odd.onnx,sat.vnnlib,20
.,sat.vnnlib,20
"""


@pytest.fixture
def files(tmp_path):
    """Networks ``relu(x)``, one with external weights, properties, and files that are neither."""
    folder = tmp_path / "files"
    folder.mkdir()
    saved(graph_model([node("Relu", "x", "y")], (2,)), folder, "net.onnx")
    saved(graph_model([node("Sin", "x", "y")], (2,)), folder, "odd.onnx")
    (folder / "sat.vnnlib").write_text(SAT)
    (folder / "unsat.vnnlib").write_text(UNSAT)
    (folder / "bad.vnnlib").write_text("(assert")
    (folder / "bad.onnx").write_text("no model")
    weights = {"w": np.eye(2, dtype=np.float32)}
    model = graph_model([node("MatMul", "x w", "h"), node("Relu", "h", "y")], (2,), weights)
    convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    onnx.save(model, folder / "external.onnx")
    (folder / "list.csv").write_text(LISTED)
    return folder


def timeless(results) -> list[Any]:
    """Results without what a clock measured, in the order of the list."""
    found = [replace(one, seconds=0.0, load_seconds=0.0) for one in results]
    return sorted(found, key=lambda one: (one.instance.onnx, one.instance.vnnlib))


def test_a_list_has_the_answers_of_one_machine(cluster, files, tmp_path, monkeypatch):
    """With counterexamples, digests and sentences; also of files that cannot be read."""
    monkeypatch.setattr("onnx_lippa.runs.cluster.packing._LARGE", 16)
    cluster.add_worker()
    cluster.add_worker("--nanny")
    out = tmp_path / "out"
    there = answer_instances(files / "list.csv", cluster=cluster.address, out=out)
    here = answer_instances(files / "list.csv", workers=2)
    assert timeless(there) == timeless(here)
    answers = [one.answer for one in timeless(there)]
    assert sorted(answers) == ["error"] * 6 + ["sat"] * 2 + ["unsat"]
    assert "none.vnnlib" in next(one.note for one in there if "none" in one.instance.vnnlib)
    assert replay(out).adversarial == 2
    # And nothing is left of the files where they were.
    assert wait_until(lambda: not list((tmp_path / "dask").rglob("onnx-lippa-*")))


def test_the_command_resumes_a_list_on_a_cluster(cluster, files, tmp_path):
    cluster.add_worker()
    out = tmp_path / "out"
    words = ("audit", "--instances", files / "list.csv", "--out", out, "--json")
    first = command(*words, "--cluster", cluster.address)
    assert (first.code, first.err) == (0, "")
    again = command(*words, "--workers", 1)
    one, other = (
        sorted(str(row) for row in json.loads(ended.out)["answers"] if row["answer"] != "error")
        for ended in (first, again)
    )
    assert len(one) == 3
    assert one == other
    there = rerun(out, cluster=cluster.address)
    assert (there.is_identical, there.inputs) == (True, 9)


def test_a_lost_worker_costs_no_instance(cluster, files):
    """A machine is lost with an instance, which another one answers."""
    first = cluster.add_worker()
    asked = [Instance("net.onnx", "sat.vnnlib", 100.0 + i) for i in range(8)]
    decider = Decider(FaultyMethod(fault="wait"), None, Budget())
    found = answer_list(asked, files, decider, WorkerChoice.of(None, cluster.address), None)
    known = [next(found)]
    cluster.add_worker()
    assert wait_until(lambda: children(first))
    kill(first)
    known += found
    assert sorted(one.instance.timeout for one in known) == [one.timeout for one in asked]
    assert {one.answer for one in known} == {"sat"}, known


def test_what_takes_its_machine_down_is_an_error_line(cluster, files):
    cluster.add_worker("--nanny")
    asked = [Instance("net.onnx", "sat.vnnlib", limit) for limit in (30.0, 1e9)]
    choice = WorkerChoice.of(None, cluster.address)
    decider = Decider(FaultyMethod(fault="parent"), None, Budget())
    found = {one.instance.timeout: one for one in answer_list(asked, files, decider, choice, None)}
    assert (found[30.0].answer, found[1e9].answer) == ("error", "sat")
    assert "its process was lost with its Dask worker" in found[30.0].note


def test_an_instance_without_end_is_stopped(cluster, files):
    cluster.add_worker()
    asked = [Instance("net.onnx", "sat.vnnlib", limit) for limit in (0.5, 1e9)]
    choice = WorkerChoice.of(None, cluster.address)
    decider = Decider(FaultyMethod(fault="hold"), None, Budget())
    found = {one.instance.timeout: one for one in answer_list(asked, files, decider, choice, None)}
    assert (found[0.5].answer, found[1e9].answer) == ("timeout", "sat")


@pytest.mark.parametrize("kind", ["path", "loaded"])
def test_one_property_has_the_answer_of_one_machine(cluster, files, tmp_path, kind):
    """From Python and from the command line, with a folder that answers again."""
    cluster.add_worker()
    net, heard = files / "net.onnx", list[Any]()
    model = load(net, lower=0, upper=1) if kind == "loaded" else net
    there: dict[str, Any] = {"cluster": cluster.address}
    for text, sought in (("sat", Answer.SAT), ("unsat", Answer.UNSAT)):
        prop: Any = files / f"{text}.vnnlib"
        if kind == "loaded":
            prop = Property.from_vnnlib(prop)
        one, other = verify(model, prop, on_event=heard.append, **there), verify(model, prop)
        assert one.answer is other.answer is sought
        assert str(one.x) == str(other.x)
        assert (one.bound, one.proven_cases) == (other.bound, other.proven_cases)
        assert [event for event in heard if isinstance(event, Finding)][-1] is one
    one = falsify(net, files / "sat.vnnlib", out=tmp_path / "out", **there, **FEW)
    other = falsify(net, files / "sat.vnnlib", **FEW)
    assert one.x is not None and str(one.x) == str(other.x)
    assert replay(tmp_path / "out").adversarial == 1
    words = ("attack", net, "--property", files / "sat.vnnlib", "--cluster", cluster.address)
    ended = command(*words)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("sat\n((X_0 ")


def test_a_property_on_a_lost_worker_comes_again(cluster, files):
    first = cluster.add_worker()

    def lose() -> None:
        assert wait_until(lambda: children(first))
        cluster.add_worker()
        time.sleep(1.0)
        kill(first)

    thread = Thread(target=lose)
    thread.start()
    found = ask(files, cluster, "wait", 100.0)
    thread.join()
    assert found.answer is Answer.SAT


def test_a_property_ends_with_its_time_or_its_process(cluster, files):
    cluster.add_worker()
    started = time.monotonic()
    assert ask(files, cluster, "hold", 1.0).answer is Answer.TIMEOUT
    assert time.monotonic() - started < 30.0
    with pytest.raises(WorkerError, match="its process was ended by SIGSEGV"):
        ask(files, cluster, "segfault", 30.0)
    with pytest.raises(LippaError, match="argmax of an empty sequence"):
        ask(files, cluster, "raise", 30.0)


def ask(files: Path, cluster, fault: str, limit: float):
    """The answer to a property by a method that has a fault."""
    found, _ = answer_property(
        files / "net.onnx", files / "sat.vnnlib",
        Decider(FaultyMethod(fault=fault), None, Budget(limit)),
        workers=WorkerChoice.of(None, cluster.address),
    )  # fmt: skip
    return found


def test_what_cannot_be_used_is_refused_as_on_one_machine(cluster, files):
    net, there = files / "net.onnx", {"cluster": cluster.address}
    with pytest.raises(InputError, match=r"none\.vnnlib cannot be opened"):
        falsify(net, files / "none.vnnlib", **there)
    with pytest.raises(InputError, match="workers and cluster exclude each other"):
        answer_instances(files / "list.csv", workers=2, **there)
    cluster.add_worker()
    with pytest.raises(InputError, match="no solver 'warp'"):
        falsify(net, files / "unsat.vnnlib", method=Lippa(solver="warp"), **there)
