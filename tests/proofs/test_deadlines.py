"""No proof goes on long after its limit, however large the network."""

from __future__ import annotations

import time
from typing import final

import numpy as np
import pytest

from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.reduced.build import reduce_network
from onnx_lippa.bounds.reduced.reduction import Reduction, Tightening, express_inputs
from onnx_lippa.clock import NEVER, OutOfTimeError, require_time
from onnx_lippa.ending import Ending
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solver import NO_LIMITS, Session, Solution, Solver
from onnx_lippa.search.base import Limits
from onnx_lippa.search.boxes import BoxSearch
from onnx_lippa.search.exact_search import ExactSearch
from onnx_lippa.search.exact_system import build_exact_system
from onnx_lippa.search.leaves import Leaves
from onnx_lippa.search.programs import ProgramSearch
from onnx_lippa.search.signs import SignSearch
from onnx_lippa.spec import Conjunction, InputSet, StatedSet, UnsafeSet, get_norm
from tests.support.bounds import interval_bounds, interval_margins, linear_bounds, linear_margins
from tests.support.networks import conv_net
from tests.support.search import disjuncts_of, least_margin, random_system
from tests.support.tiny_networks import tiny


def box(network, eps=0.1):
    d = network.input_size
    return InputSet(np.full(d, 0.5), get_norm("linf"), eps, np.zeros(d), np.ones(d))


def past() -> float:
    return time.monotonic() - 1.0


@pytest.mark.parametrize("bounds", [interval_bounds, linear_bounds])
def test_bounds_look_at_the_clock(bounds):
    network = conv_net(0)
    bounds(network, [box(network)], deadline=NEVER)
    with pytest.raises(OutOfTimeError):
        bounds(network, [box(network)], deadline=past())


@pytest.mark.parametrize("margins", [interval_margins, linear_margins])
def test_margins_look_at_the_clock(margins):
    """Also where the bounds are known already."""
    network = conv_net(0)
    unsafe = [UnsafeSet.misclassification(0, network.output_size)]
    known = interval_bounds(network, [box(network)])
    margins(network, [box(network)], unsafe, known)
    with pytest.raises(OutOfTimeError):
        margins(network, [box(network)], unsafe, known, deadline=past())


def test_folding_looks_at_the_clock():
    network = conv_net(0)
    with pytest.raises(OutOfTimeError):
        reduce_network(network, InputDomain.of(box(network)), Tightening(deadline=past()))


class Clock:
    """Lets so many looks at the clock pass, and says that time is up at the next."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def __call__(self, deadline: float) -> None:
        self.looks -= 1
        if self.looks < 0:
            raise OutOfTimeError("its time was used up")


@pytest.mark.parametrize("search", [SignSearch, BoxSearch])
@pytest.mark.parametrize("seed", range(6))
def test_a_search_cut_short_anywhere_claims_nothing_false(search, seed, monkeypatch):
    """Nodes that are being split when time is up are neither in the frontier nor closed."""
    generator = np.random.default_rng([seed, 4711])
    reduced = random_system(generator, 2, (3, 3))
    disjuncts = disjuncts_of(generator, 3, (1, 1), 1.0)
    truth = min(least_margin(reduced, disjunct) for disjunct in disjuncts)
    for looks in range(40):
        clock = Clock(looks)
        monkeypatch.setattr("onnx_lippa.bounds.dual.ascent.require_time", clock)
        monkeypatch.setattr("onnx_lippa.search.boxes.require_time", clock)
        one = search(reduced, disjuncts, lambda x: False)
        found = one.run(Limits(NEVER, 2000, 1e9))
        assert found.bound <= truth + 1e-9
        if clock.looks < 0:
            assert found.is_open
            assert found.bound <= 0
            assert "time" in str(found.reason)


@pytest.mark.parametrize("seed", range(6))
def test_a_search_without_room_claims_nothing_false(seed, monkeypatch):
    generator = np.random.default_rng([seed, 4712])
    reduced = random_system(generator, 2, (4, 4))
    disjuncts = disjuncts_of(generator, 3, (1, 1), 1.0)
    truth = min(least_margin(reduced, disjunct) for disjunct in disjuncts)
    for room in range(6):
        monkeypatch.setattr("onnx_lippa.search.frontier._FIRST_ROOM", room)
        found = SignSearch(reduced, disjuncts, lambda x: False).run(Limits(NEVER, 2000, 1.0))
        assert found.bound <= truth + 1e-9


@final
class SlowSession(Session):
    """Takes a while, and calls every program infeasible."""

    def __init__(self, program: Program, ends: list[float]) -> None:
        super().__init__(program)
        self._ends = ends

    def solve(self, time_limit=NEVER, warm_start=None, limits=NO_LIMITS) -> Solution:
        self._ends.append(time.monotonic() + time_limit)
        time.sleep(0.1)
        return Solution(Ending.INFEASIBLE, np.zeros(0), np.nan)


@final
class SlowSolver(Solver):
    """Records when each program has to end."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def takes(self, program: Program) -> bool:
        return True

    def open(self, program: Program) -> Session:
        return SlowSession(program, self.ends)


@pytest.mark.parametrize("module", ["leaves", "programs", "exact_search"])
def test_each_linear_program_gets_the_time_that_is_left(module, monkeypatch):
    """On badly scaled networks each one took as long as all of them were to take."""
    solver = SlowSolver()
    monkeypatch.setattr(f"onnx_lippa.search.{module}.make_solver", lambda _: solver)
    generator = np.random.default_rng(0)
    reduced = random_system(generator, 2, (3,))
    (disjunct,) = disjuncts_of(generator, 3, (1,), 0.0)
    network = tiny(generator).model().network
    d, k = network.input_size, network.output_size
    stated = StatedSet(np.zeros(d), get_norm("linf"), 1.0, -np.ones(d), np.ones(d))
    system = build_exact_system(network, stated, NEVER)
    assert system.units
    deadline = time.monotonic() + 0.25
    if module == "leaves":
        signs = np.ones(3, np.int8)
        Leaves(reduced).decide(disjunct, reduced.unit_lower, reduced.unit_upper, signs, deadline)
    elif module == "programs":
        ProgramSearch(reduced, [disjunct], lambda x: False).run(Limits(deadline, np.inf, 1e9))
    else:
        unsafe = [Conjunction(np.ones((1, k)), np.zeros(1))]
        ExactSearch(system, unsafe, lambda x: False).run(Limits(deadline, np.inf, 1e9))
    assert len(solver.ends) > 1
    assert max(solver.ends) <= deadline + 0.05


def test_require_time():
    require_time(NEVER)
    require_time(time.monotonic() + 60)
    with pytest.raises(OutOfTimeError, match="time was used up"):
        require_time(past())


def test_intervals_of_a_layer_look_at_the_clock():
    """Over an ℓ1 ball the least values of one large layer took tens of seconds."""
    network = conv_net(0)
    d = network.input_size
    domain = InputDomain.of(
        StatedSet(np.full(d, 0.5), get_norm("l1"), 0.5, np.zeros(d), np.ones(d))
    )
    forms = express_inputs(domain, network).reshape((d,))
    lower, upper = Reduction(domain, Tightening(deadline=NEVER)).bounds(forms)
    assert np.all(lower <= 0.0) and np.all(upper >= 1.0)
    with pytest.raises(OutOfTimeError):
        Reduction(domain, Tightening(deadline=past())).bounds(forms)
