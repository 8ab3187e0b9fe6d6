"""Proofs of whole problems: every method, against attacks, brute force and each other."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_lippa.attacks import ATTACK_METHODS, Lippa
from onnx_lippa.bounds.reduced.reduction import TooLargeError
from onnx_lippa.ending import OUT_OF_NODES
from onnx_lippa.errors import InputError
from onnx_lippa.method import Stage
from onnx_lippa.proofs import (
    PROOF_METHODS,
    BranchAndBound,
    Intervals,
    LinearBounds,
    Mip,
    make_proof,
)
from onnx_lippa.spec import (
    Conjunction,
    InputSpecification,
    Problem,
    Property,
    UnsafeSet,
    build_inputs,
    get_norm,
)
from onnx_lippa.state import Budget
from onnx_lippa.witness import FoundBy, ProvedBy, Verdict
from tests.support.attacks import digits, problems_of
from tests.support.graphs import graph_model, load_model, node, normal

COMPLETE = (BranchAndBound(), Mip())
PROVED_BY = {
    Intervals(): {ProvedBy.INTERVAL},
    LinearBounds(): {ProvedBy.LINEAR},
    BranchAndBound(): {ProvedBy.COMPLETE, ProvedBy.LINEAR},
    BranchAndBound(bounds_first=False): {ProvedBy.COMPLETE},
    Mip(): {ProvedBy.MIP},
}


def verdicts(model, problems, method, time_limit=60.0):
    found = method.solve(model, problems, Budget(time_limit))
    return {outcome.index: outcome for outcome in found}


def test_linear_bounds_come_first_and_change_no_verdict():
    model, x, y = digits()
    problems = problems_of(model, x, y, range(24), 0.05, "linf")
    first = verdicts(model, problems, BranchAndBound())
    without = verdicts(model, problems, BranchAndBound(bounds_first=False))
    assert {i: one.verdict for i, one in first.items()} == {
        i: one.verdict for i, one in without.items()
    }
    linear = [i for i, one in first.items() if one.proved_by is ProvedBy.LINEAR]
    assert linear
    assert all(first[i].effort.nodes == 0 < without[i].effort.nodes for i in linear)
    searched = [one for one in first.values() if one.verdict is Verdict.ROBUST]
    assert any(one.proved_by is ProvedBy.COMPLETE for one in searched)
    alone = verdicts(model, problems, LinearBounds())
    assert {i for i, one in alone.items() if one.verdict is Verdict.ROBUST} >= set(linear)


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
@pytest.mark.parametrize("method", list(PROVED_BY), ids=lambda method: method.name)
def test_verdicts_and_their_evidence(method, norm):
    model, x, y = digits()
    eps = {"linf": 0.05, "l1": 0.8, "l2": 0.25}[norm]
    problems = problems_of(model, x, y, range(12), eps, norm)
    found = verdicts(model, problems, method, time_limit=5.0)
    assert sorted(found) == list(range(12))
    for problem in problems:
        outcome = found[problem.index]
        if outcome.verdict is Verdict.ROBUST:
            assert outcome.bound > 0
            assert outcome.proved_by in PROVED_BY[method]
            points = problem.inputs.sample(np.random.default_rng(0), 500)
            assert problem.unsafe.margins(model.network.forward(points)).min() >= outcome.bound
        elif outcome.verdict is Verdict.ADVERSARIAL:
            assert outcome.witness is not None
            assert problem.inputs.contains(outcome.witness.x)
            assert problem.unsafe.contains(outcome.witness.outputs)
            assert outcome.found_by in (FoundBy.SEARCH, FoundBy.MIP)
        elif outcome.verdict is Verdict.UNKNOWN:
            assert outcome.reason
            assert not outcome.bound > 0
            assert outcome.proved_by is ProvedBy.NOTHING
    if method == Mip() and norm == "l2":
        assert any("ball" in str(o.reason) for o in found.values())


def test_complete_methods_agree_and_decide_all():
    model, x, y = digits()
    problems = problems_of(model, x, y, range(10, 22))
    sides = [{i: o.verdict for i, o in verdicts(model, problems, m).items()} for m in COMPLETE]
    assert sides[0] == sides[1]
    assert Verdict.UNKNOWN not in sides[0].values()
    assert {Verdict.ROBUST, Verdict.ADVERSARIAL} <= set(sides[0].values())


def test_no_attack_breaks_what_is_proven():
    model, x, y = digits()
    problems = problems_of(model, x, y, range(60), 0.07)
    found = verdicts(model, problems, BranchAndBound())
    broken = {
        outcome.index
        for outcome in Lippa(restarts=2).solve(model, problems, Budget())
        if outcome.witness is not None
    }
    robust = {i for i, outcome in found.items() if outcome.verdict is Verdict.ROBUST}
    assert not robust & broken
    assert broken <= {i for i, o in found.items() if o.verdict is Verdict.ADVERSARIAL}


def test_an_outcome_does_not_depend_on_its_batch():
    model, x, y = digits()
    problems = problems_of(model, x, y, range(10))
    together = verdicts(model, problems, BranchAndBound())
    for problem in problems:
        alone = verdicts(model, [problem], BranchAndBound())[problem.index]
        other = together[problem.index]
        assert (alone.verdict, alone.bound, alone.effort.nodes) == (
            other.verdict, other.bound, other.effort.nodes,
        )  # fmt: skip


def test_limits_leave_inputs_unknown_with_a_reason():
    model, x, y = digits()
    problems = problems_of(model, x, y, range(20), 0.08)
    found = verdicts(model, problems, BranchAndBound(node_limit=1))
    reasons = {o.reason for o in found.values() if o.verdict is Verdict.UNKNOWN}
    assert reasons == {OUT_OF_NODES}
    found = verdicts(model, problems, BranchAndBound(), time_limit=1e-6)
    assert all(o.verdict is not Verdict.ROBUST for o in found.values())


def test_without_a_radius_there_is_no_proof():
    model, x, y = digits()
    (problem,) = problems_of(model, x, y, [0])
    problem = Problem(
        0, problem.inputs.with_eps(np.inf), problem.unsafe, problem.wrong, problem.claim
    )
    outcome = verdicts(model, [problem], BranchAndBound())[0]
    assert outcome.verdict is Verdict.UNKNOWN
    assert "radius" in str(outcome.reason)


def test_a_select_has_no_relus_and_is_proven_all_the_same():
    """Where(x > 0, a, b) jumps: what is proven must hold on both sides of the jump."""
    constants = {
        "zero": np.zeros(2, np.float32),
        "two": np.full(2, 2.0, np.float32),
        "one": np.full(2, 1.0, np.float32),
        "w": normal(0, 2, 2),
    }
    nodes = [
        node("Greater", "x zero", "c"),
        node("Mul", "x two", "a"),
        node("Add", "x one", "b"),
        node("Where", "c a b", "z"),
        node("MatMul", "z w", "y"),
    ]
    model = load_model(graph_model(nodes, (2,), constants))
    box = InputSpecification.build(2, lower=-1.0, upper=1.0, eps=0.3)
    inputs = box.input_set(np.array([0.1, -0.2], np.float32), get_norm("linf"))
    points = inputs.sample(np.random.default_rng(1), 4000)
    row = np.array([[1.0, -0.5]])
    least = float((model.network.forward(points) @ row.T).min())
    for room, verdict in ((-3.0, Verdict.ROBUST), (0.2, None)):
        unsafe = UnsafeSet((Conjunction(row, np.array([least + room])),))
        problem = Problem(0, inputs, unsafe, UnsafeSet(()))
        outcome = verdicts(model, [problem], BranchAndBound())[0]
        assert outcome.verdict is not Verdict.ROBUST if verdict is None else outcome.bound > 0


def test_proofs_of_properties_hold_for_the_bounds_as_stated():
    """0.1 is no float32: the proof is for the real interval, which is a little wider."""
    assert {float(np.float32(value)) for value in (0.1, 0.3)}.isdisjoint({0.1, 0.3})
    low, high = np.array([0.1]), np.array([0.3])
    wanted = Property.build(low, high, [(np.array([[1.0]]), np.array([0.05]))])
    inputs, claim = build_inputs(wanted, wanted.cases[0], np.dtype(np.float32))
    wide = claim.stated
    assert inputs.lower[0] > 0.1 and inputs.upper[0] < 0.3
    assert (wide.lower[0], wide.upper[0]) == (0.1, 0.3)


@pytest.mark.parametrize("options", [{"node_limit": 0}, {"memory_limit": -1.0}])
def test_limits_refused(options):
    with pytest.raises(InputError):
        BranchAndBound(**options)
    with pytest.raises(InputError):
        Budget(time_limit=0.0)


def test_the_methods_of_all_names():
    assert set(PROOF_METHODS.values()) < set(PROVED_BY)
    assert PROOF_METHODS["auto"] == PROOF_METHODS["complete"]
    assert make_proof("mip", "highs") == Mip("highs")
    with pytest.raises(InputError, match="auto, interval"):
        make_proof("simplex")
    with pytest.raises(InputError, match="abacus"):
        Mip("abacus")
    with pytest.raises(InputError, match="an option of the method 'mip'"):
        make_proof("auto", "highs")
    with pytest.raises(InputError, match="an option of the method 'mip'"):
        make_proof(Mip("scip"), "highs")


def test_runs_know_the_stage_of_every_method():
    for method in (*PROOF_METHODS.values(), *ATTACK_METHODS.values()):
        assert isinstance(method.stage, Stage)


def test_nothing_to_do():
    assert list(BranchAndBound().solve(digits()[0], [], Budget())) == []


def test_without_memory_an_input_stays_unknown(monkeypatch):
    def starved(*arguments):
        raise MemoryError

    model, x, y = digits()
    monkeypatch.setattr("onnx_lippa.proofs.branch_and_bound.reduce_network", starved)
    (outcome,) = BranchAndBound().solve(model, problems_of(model, x, y, [0]), Budget(60.0))
    assert outcome.verdict is Verdict.UNKNOWN
    assert "memory" in str(outcome.reason)


def test_what_does_not_fit_is_bounded_by_lines(monkeypatch):
    def too_large(*arguments):
        raise TooLargeError("its reduced network is too large")

    model, x, y = digits()
    problems = problems_of(model, x, y, range(6), 0.02)
    by_lines = verdicts(model, problems, LinearBounds())
    monkeypatch.setattr("onnx_lippa.proofs.branch_and_bound.reduce_network", too_large)
    found = verdicts(model, problems, BranchAndBound())
    assert {i: o.verdict for i, o in found.items()} == {i: o.verdict for i, o in by_lines.items()}
    for outcome in found.values():
        if outcome.verdict is Verdict.ROBUST:
            assert outcome.proved_by is ProvedBy.LINEAR
        else:
            assert "too large" in str(outcome.reason)
