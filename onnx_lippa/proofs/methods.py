"""Proof methods: values that hold their options. Bounds and the mixed-integer program.

A method reports what it proves to the state of an input (:meth:`InputState.prove`), offers its
candidates (:meth:`InputState.offer`), and says why an input stays open.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.dual.ascent import Ascent
from onnx_lippa.bounds.dual.objectives import Units
from onnx_lippa.bounds.margins import bound_margins
from onnx_lippa.bounds.pre_activations import BoundsMethod
from onnx_lippa.bounds.reduced.build import reduce_network
from onnx_lippa.bounds.reduced.reduction import Tightening, relax_units
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ending import OUT_OF_MEMORY, Ending, Reason, StoppedError
from onnx_lippa.errors import InputError
from onnx_lippa.lp.solvers.table import make_mip_solver
from onnx_lippa.method import RadiusOrder, SingleStage, Stage
from onnx_lippa.mip.decision import MipSettings, decide
from onnx_lippa.mip.formulation import BigM
from onnx_lippa.onnx_io import Model
from onnx_lippa.proofs.categories import prove_by_category
from onnx_lippa.search.base import express_margins
from onnx_lippa.spec import Norm, Problem
from onnx_lippa.state import Budget, InputState, begin_states, timed
from onnx_lippa.witness import FoundBy, ProvedBy, Result

_STEPS: Final = 10
"""Steps of ascent for the bounds of ẑ, and for the point that the MIP starts from."""
_LEAST_SECONDS: Final = 1e-3


class ProofMethod(SingleStage):
    """A proof method. Its options are the fields of the subclass, a frozen dataclass.

    What it does to one input depends on that input alone.
    """

    stage: ClassVar[Stage] = Stage.SEARCH
    radius_order: ClassVar[RadiusOrder] = RadiusOrder.DESCENDING
    inputs_together: ClassVar[int] = 1

    @property
    @override
    def title(self) -> str:
        return f"certify {self.name}"

    @override
    def check(self, norm: Norm, minimize: bool) -> None:
        if minimize:
            raise InputError("a proof needs eps, and does not minimise distances")

    @override
    def solve(self, model: Model, problems: Sequence[Problem], budget: Budget) -> Iterator[Result]:
        if not problems:
            return
        states = begin_states(model, problems, budget.time_limit)
        for state in states:
            _check_provable(state)
        if self.inputs_together > 1:
            self._run_within_memory([state for state in states if state.is_open])
        for state in states:
            if self.inputs_together == 1 and state.is_open:
                self._run_within_memory([state])
            yield state.result()

    def _run_within_memory(self, states: Sequence[InputState]) -> None:
        """Runs on some inputs, within their time; out of memory, they stay open."""
        if not states:
            return
        with timed(states):
            try:
                self.prove(states)
            except MemoryError:
                for state in states:
                    state.reason = OUT_OF_MEMORY

    @abstractmethod
    def prove(self, states: Sequence[InputState]) -> None:
        """Works on undecided inputs of one model."""


def _check_provable(state: InputState) -> None:
    """Ends an undecided input that no method can prove anything about."""
    problem = state.problem
    if state.is_decided:
        return
    if problem.claim is None and not np.isfinite(problem.inputs.eps):
        state.reason = Reason(Ending.NO_BOUNDS, "without a radius there is nothing to prove")
        state.is_exhausted = True
    elif not all(one.exact for one in problem.unsafe.disjuncts):
        state.reason = Reason(
            Ending.UNSUPPORTED, "a coefficient of the property has more digits than float64 holds"
        )
        state.is_exhausted = True


class BoundMethod(ProofMethod):
    """A proof by lower bounds of the margins of many inputs at once."""

    inputs_together: ClassVar[int] = SingleStage.inputs_together
    bounds: ClassVar[BoundsMethod]
    proved_by: ClassVar[ProvedBy]

    @override
    def prove(self, states: Sequence[InputState]) -> None:
        unsafe = [state.problem.unsafe for state in states]
        inputs = [state.stated for state in states]
        network, deadline = states[0].model.network, states[0].deadline  # those of all of them
        try:
            margins = bound_margins(network, inputs, unsafe, self.bounds, deadline=deadline)
        except StoppedError as error:
            for state in states:
                state.reason = error.reason
            return
        loose = Reason(Ending.LOOSE_BOUNDS, f"its {self.name} bounds leave a margin open")
        for state, proven in zip(states, margins, strict=True):
            state.reason = loose
            state.prove(proven, self.proved_by)


@final
@dataclass(frozen=True)
class Intervals(BoundMethod):
    """Interval bound propagation: the cheapest bounds, and the loosest."""

    name: ClassVar[str] = "interval"
    bounds: ClassVar[BoundsMethod] = BoundsMethod.INTERVAL
    proved_by: ClassVar[ProvedBy] = ProvedBy.INTERVAL


@final
@dataclass(frozen=True)
class LinearBounds(BoundMethod):
    """Linear bounds by back-substitution, as CROWN and DeepPoly compute them."""

    name: ClassVar[str] = "linear"
    bounds: ClassVar[BoundsMethod] = BoundsMethod.LINEAR
    proved_by: ClassVar[ProvedBy] = ProvedBy.LINEAR


@final
@dataclass(frozen=True)
class Mip(ProofMethod):
    """The paper's mixed-integer program (7) of the reduced network, one for each disjunct.

    Its proofs are the solver's word, within the solver's tolerances.

    Attributes:
        solver: name of the MIP solver.
        naive: whether the program is the paper's as it first stands, to compare: interval bounds,
            one constant M for all units, and a binary for each, stable or not.
    """

    name: ClassVar[str] = "mip"
    solver: str = "scip"
    naive: bool = False

    def __post_init__(self) -> None:
        make_mip_solver(self.solver)  # refused now, if there is none of this name

    @override
    def prove(self, states: Sequence[InputState]) -> None:
        for state in states:
            prove_by_category(state, self._decide)

    def _decide(self, state: InputState) -> None:
        if state.stated.unbounded:
            state.reason = Reason(
                Ending.NO_BOUNDS, "an input has no bound, and no program here does without"
            )
            return
        try:
            tightening = Tightening(
                linear=not self.naive, steps=0 if self.naive else _STEPS,
                eliminate=not self.naive, deadline=state.deadline,
            )  # fmt: skip
            reduced = reduce_network(state.model.network, InputDomain.of(state.stated), tightening)
            has_start = reduced.exact and not self.naive
            start = _choose_start(state, reduced) if has_start else None
        except StoppedError as error:
            state.reason = error.reason
            return
        left = max(state.deadline - time.monotonic(), _LEAST_SECONDS)
        offer = partial(state.offer, found_by=FoundBy.MIP)
        disjuncts = state.problem.unsafe.disjuncts
        big_m = BigM.ONE if self.naive else BigM.OF_EACH_UNIT
        answer = decide(reduced, disjuncts, MipSettings(self.solver, left, big_m), start, offer)
        state.effort += answer.effort
        if answer.x is None:
            state.reason = answer.reason
        if answer.ending is Ending.PROVEN:
            state.believe(answer.bound)


def _choose_start(state: InputState, reduced: ReducedNetwork) -> Float64:
    """The best of the points at which the dual bounds of the rows are attained.

    Raises:
        OutOfTimeError: the deadline has passed.
    """
    disjuncts = [one for one in state.problem.unsafe.disjuncts if len(one.bound)]
    if not disjuncts:
        return reduced.domain.middle
    ascent = Ascent(Units.of(reduced), state.deadline)
    points = ascent.run(express_margins(reduced, disjuncts), relax_units(reduced), _STEPS).points
    x = reduced.domain.at(points)
    margins = state.problem.unsafe.margins(reduced.forward(x)).min(axis=1)
    best: Float64 = x[int(margins.argmin())]
    return best
