"""The search over patterns: what it must find, what it leaves alone, and what it never does."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest

from onnx_lippa import InputError, Verdict, attack, state
from onnx_lippa.attacks import Lippa, LippaMip, Pgd, make_attack
from onnx_lippa.attacks.stages import neighbourhood
from onnx_lippa.attacks.stages.free_neurons import FreeNeurons, Incumbent, choose_free_neurons
from onnx_lippa.attacks.stages.neighbourhood import LargeNeighbourhoodSearch
from onnx_lippa.attacks.stages.state import AttackBatch
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.reduced.build import NoRelaxationError, reduce_network
from onnx_lippa.bounds.reduced.reduction import Tightening, TooLargeError
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.ir.pattern import UNDECIDED, read_signs
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.spec import Grid, InputSet, Problem, UnsafeSet, get_norm
from onnx_lippa.state import Budget
from onnx_lippa.witness import FoundBy
from tests.support.attacks import RADII, digits, fingerprints, mlp_file, outcomes_of, plain_outputs
from tests.support.mip import least_margin

SEEDS = range(8)
FEW: dict[str, Any] = {"restarts": 1, "gradient_steps": 12, "lp_steps": 2}
CLEAR = 1e-4
"""Margins nearer 0 than this are left to rounding."""


def case(folder, seed: int, eps: float = 0.3, norm: str = "linf") -> tuple[Model, Problem]:
    """A small network and its question at a random point."""
    path = mlp_file(folder, (2, 5, 4, 3), seed, f"net{seed}.onnx", gain=1.5)
    x = np.random.default_rng([98, seed]).uniform(0.2, 0.8, size=2).astype(np.float32)
    label = int(plain_outputs(path, x[None])[0].argmax())
    unsafe = UnsafeSet.misclassification(label, 3)
    inputs = InputSet(x.astype(np.float64), get_norm(norm), eps, np.zeros(2), np.ones(2))
    return load(path), Problem(seed, inputs, unsafe, unsafe)


def batch_of(model: Model, problem: Problem) -> AttackBatch:
    return AttackBatch.begin(
        [problem], model, Lippa().make_engine(model.network, problem.inputs.norm), Budget()
    )


@pytest.mark.parametrize("norm", ["linf", "l1"])
def test_all_units_free_is_brute_force(tmp_path, monkeypatch, norm):
    """Without PGD runs and LPSteps, from the clean input alone."""
    monkeypatch.setattr(neighbourhood._Search, "_run_pgd", lambda search: False)
    broken = 0
    for seed in SEEDS:
        model, problem = case(tmp_path, seed, 0.25, norm)
        reduced = reduce_network(model.network, InputDomain.of(problem.inputs), Tightening())
        least = min(
            least_margin(reduced, disjunct, problem.inputs) for disjunct in problem.unsafe.disjuncts
        )
        if abs(least) < CLEAR:
            continue
        mine = batch_of(model, problem)
        LargeNeighbourhoodSearch(size=99, largest=99).run(mine)
        (entry,) = mine.attacks
        assert (entry.state.witness is not None) == (least < 0), seed
        assert entry.state.best_margin >= least - 1e-5
        if entry.state.witness is None:
            assert entry.state.best_margin == pytest.approx(least, abs=1e-5)
        elif not entry.state.is_misclassified:
            assert entry.state.found_by is FoundBy.MIP
            broken += 1
    assert broken > 1


def test_a_witness_within_the_neighbourhood_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(neighbourhood._Search, "_run_pgd", lambda search: False)
    ways, broken = (FreeNeurons.NEAREST,), 0
    for seed in SEEDS:
        model, problem = case(tmp_path, seed, 0.3)
        mine = batch_of(model, problem)
        reduced = reduce_network(model.network, InputDomain.of(problem.inputs), Tightening())
        x = np.clip(problem.inputs.center, reduced.lower, reduced.upper)
        signs = read_signs(reduced.pre_activations(x[None])[0])
        j = mine.attacks[0].nearest_disjuncts(1)[0]
        disjunct = problem.unsafe.disjuncts[j]
        free = choose_free_neurons(ways, Incumbent(reduced, disjunct, x, signs, x[None]), 3)
        fixed = signs.copy()
        fixed[free] = UNDECIDED
        least = least_margin(reduced, disjunct, problem.inputs, fixed)
        LargeNeighbourhoodSearch(size=3, largest=3, disjuncts=1, programs=1, ways=(ways,)).run(mine)
        (entry,) = mine.attacks
        assert entry.state.effort.mips == 1
        if least < -CLEAR:
            assert entry.state.found_by is FoundBy.MIP
            broken += 1
        elif least > CLEAR:
            assert entry.state.witness is None
            assert entry.state.best_margin == pytest.approx(least, abs=1e-5)
    assert broken > 0


def test_a_small_set_moves_on(tmp_path):
    """Few units at a time, with PGD runs between, nearly always reach the least margin."""
    missed = 0
    for seed in SEEDS:
        model, problem = case(tmp_path, seed)
        reduced = reduce_network(model.network, InputDomain.of(problem.inputs), Tightening())
        least = min(
            least_margin(reduced, disjunct, problem.inputs) for disjunct in problem.unsafe.disjuncts
        )
        mine = batch_of(model, problem)
        LargeNeighbourhoodSearch(size=2, largest=4).run(mine)
        missed += least < -CLEAR and mine.attacks[0].state.witness is None
    assert missed <= 1


def test_a_check_that_rejects_everything(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "check_candidate", lambda *_: None)
    for seed in SEEDS:
        model, problem = case(tmp_path, seed)
        mine = batch_of(model, problem)
        LargeNeighbourhoodSearch().run(mine)
        assert mine.attacks[0].state.witness is None
        assert mine.attacks[0].state.result().verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(("norm", "eps"), [*RADII.items(), ("linf", 0.04), ("linf", None)])
def test_never_weaker(norm, eps):
    model, x, y = digits()
    plain = outcomes_of(model, x, y, range(12), norm, eps, **FEW)
    more = {o.index: o for o in outcomes_of(
        model, x, y, range(12), norm, eps, method="lippa+mip", **FEW)}  # fmt: skip
    for before in plain:
        after = more[before.index]
        if before.verdict is not Verdict.UNKNOWN:
            assert after.verdict is before.verdict
            if eps is not None:
                assert fingerprints([after]) == fingerprints([before])
        elif norm != "l2":
            assert after.best_margin <= before.best_margin


def test_same_seed_same_result():
    model, x, y = digits()
    weak = {"restarts": 0, "gradient_steps": 4, "lp_steps": 0}
    more = weak | {"method": "lippa+mip"}
    whole = fingerprints(outcomes_of(model, x, y, range(30), "linf", 0.06, **more))
    assert whole != fingerprints(outcomes_of(model, x, y, range(30), "linf", 0.06, **weak))
    alone: dict[int, tuple[object, ...]] = {}
    for i in range(30):
        alone |= fingerprints(outcomes_of(model, x, y, [i], "linf", 0.06, **more))
    assert alone == whole


def test_deadline():
    model, x, y = digits()
    endless = {"restarts": 0, "gradient_steps": 2, "lp_steps": 0}
    started = time.monotonic()
    outcomes = outcomes_of(
        model, x, y, [2], "linf", 0.04, method="lippa+mip", budget=Budget(0.3), **endless
    )
    assert time.monotonic() - started < 3.0
    assert len(outcomes) == 1


def test_no_time_no_program(tmp_path):
    model, problem = case(tmp_path, 1)
    mine = batch_of(model, problem)
    LargeNeighbourhoodSearch(seconds=1e-9).run(mine)
    assert mine.attacks[0].state.effort.mips == 0


@pytest.mark.parametrize("error", [TooLargeError, OutOfTimeError, NoRelaxationError])
def test_what_cannot_be_stated_is_left_out(tmp_path, monkeypatch, error):
    def refuse(*_):
        raise error("for a test")

    monkeypatch.setattr(neighbourhood, "reduce_network", refuse)
    model, problem = case(tmp_path, 2)
    mine = batch_of(model, problem)
    LargeNeighbourhoodSearch().run(mine)
    assert mine.attacks[0].state.effort.mips == 0
    assert mine.attacks[0].state.witness is None


def test_what_is_not_exact_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(
        neighbourhood, "reduce_network", lambda *given: replace(reduce_network(*given), exact=False)
    )
    model, problem = case(tmp_path, 2)
    mine = batch_of(model, problem)
    LargeNeighbourhoodSearch().run(mine)
    assert mine.attacks[0].state.effort.mips == 0


def test_round_balls_are_left_out(tmp_path):
    model, problem = case(tmp_path, 2, norm="l2")
    mine = batch_of(model, problem)
    LargeNeighbourhoodSearch().run(mine)
    assert mine.attacks[0].state.effort.mips == 0


def test_far_disjuncts_are_left_out(tmp_path):
    model, problem = case(tmp_path, 0, eps=0.01)
    mine = batch_of(model, problem)
    LargeNeighbourhoodSearch(max_relative_margin=0.3).run(mine)
    assert mine.attacks[0].state.effort.mips == 0


def test_plans(tmp_path):
    problem = case(tmp_path, 0)[1]
    on_grid = replace(problem, inputs=replace(problem.inputs, grid=Grid(np.full(2, 0.25))))
    for kind in (problem, replace(problem, claim=mock.sentinel.claim), on_grid):
        plain, more = Lippa().schedule(kind, False), LippaMip().schedule(kind, False)
        assert [stage for stage in more if not isinstance(stage, LargeNeighbourhoodSearch)] == list(
            plain
        )
        assert sum(isinstance(stage, LargeNeighbourhoodSearch) for stage in more) == 1
    assert not any(isinstance(s, LargeNeighbourhoodSearch) for s in Pgd().schedule(problem, False))


def test_names(tmp_path):
    assert make_attack("lippa+mip") == LippaMip()
    assert make_attack(Pgd(restarts=2)) == Pgd(restarts=2)
    with pytest.raises(InputError, match="lippa\\+mip"):
        make_attack("lippa-mip")
    with pytest.raises(InputError, match="lp_steps is no option of the method 'pgd'"):
        make_attack("pgd", restarts=3, lp_steps=5)
    with pytest.raises(InputError, match="give it to the method"):
        make_attack(Pgd(restarts=2), restarts=3)
    assert make_attack("pgd", restarts=3, lp_steps=None, engine="auto") == Pgd(3)
    path = mlp_file(tmp_path, (2, 6, 3), 4)
    x = np.random.default_rng(0).uniform(size=(4, 2)).astype(np.float32)
    y = plain_outputs(path, x).argmax(axis=1)
    result = attack(path, x, y, eps=0.2, method="lippa+mip", restarts=1)
    assert all(verdict is not Verdict.ROBUST for verdict in result.verdicts)
    for i in np.flatnonzero(result.success):
        assert plain_outputs(path, result.adversarials[i : i + 1])[0].argmax() != y[i]
