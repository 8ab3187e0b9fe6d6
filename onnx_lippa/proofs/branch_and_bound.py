"""Branch and bound on the reduced network of each input: the complete proof method."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import ClassVar, Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.bounds.crown import BoundsTooLargeError
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.margins import bound_margins
from onnx_lippa.bounds.pre_activations import BoundsMethod
from onnx_lippa.bounds.proven import ProvenBounds
from onnx_lippa.bounds.reduced.build import reduce_network
from onnx_lippa.bounds.reduced.reduction import Tightening, TooLargeError
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.ending import Ending, Reason, StoppedError
from onnx_lippa.errors import InputError
from onnx_lippa.proofs.methods import LinearBounds, ProofMethod
from onnx_lippa.search.base import Limits, ReducedSearch, SearchResult, relates_inputs
from onnx_lippa.search.boxes import BoxSearch
from onnx_lippa.search.exact.search import ExactSearch
from onnx_lippa.search.exact.system import (
    NotExactError,
    build_exact_system,
    compute_margins,
    find_constant_margin,
)
from onnx_lippa.search.programs import ProgramSearch
from onnx_lippa.search.selects import SelectSearch
from onnx_lippa.search.signs import SignSearch
from onnx_lippa.spec import Conjunction
from onnx_lippa.state import InputState
from onnx_lippa.witness import FoundBy, Offer, ProvedBy

_TIGHTENING_STEPS: Final = 10
"""Steps of ascent for each pre-activation whose sign the first bounds leave open."""
_SMALL: Final = 48
"""Inputs and units up to which a network is searched in rational arithmetic early: after a first
search of ``_FIRST_NODES`` nodes, for ``_EXACT_SHARE`` of the time."""
_FIRST_NODES: Final = 512
_EXACT_SHARE: Final = 0.5
_BEFORE_SELECTS: Final = 0.2
"""Share of the time for a search that relaxes selects to their bounds."""
_FEW_DISJUNCTS: Final = 64
"""Above this number, disjuncts that linear bounds close are not searched."""
_ZERO: Final = Fraction(0)
_TIE_NODES: Final = 2000
"""Programs of an exact search after a tie."""
_CONSTANT: Final = 1e-9
"""Share of the terms below which the coefficients of a margin may be 0."""
_FEW_FEATURES: Final = 12
"""Features up to which boxes are split, and above which units are (docs/performance.md)."""
_FEW_UNITS: Final = 300
"""Units up to which every node is a linear program, where inputs are related."""


@final
@dataclass(frozen=True)
class BranchAndBound(ProofMethod):
    """A complete search: over boxes, signs of units and selects, with exact arithmetic at ties.

    A network too large for it is bounded by :class:`LinearBounds`.

    Attributes:
        node_limit: nodes that a search may bound for one input.
        memory_limit: bytes that the open nodes of one input may take.
    """

    name: ClassVar[str] = "complete"
    node_limit: float = math.inf
    memory_limit: float = 2e9

    def __post_init__(self) -> None:
        if not self.node_limit > 0 or not self.memory_limit > 0:
            raise InputError("limits on nodes and memory must be positive numbers")

    @override
    def prove(self, states: Sequence[InputState]) -> None:
        for state in states:
            if state.stated.unbounded:
                self._search_exactly(state)
            elif not (InputDomain.of(state.stated).free.size == 0 and _decide_point(state)):
                self._search_reduced(state)

    def _search_reduced(self, state: InputState) -> None:
        """Searches the reduced network, first with quick bounds of its units, then with better."""
        disjuncts, closed = state.problem.unsafe.disjuncts, ProvenBounds.of_empty()
        if len(disjuncts) > _FEW_DISJUNCTS:
            with suppress(BoundsTooLargeError, OutOfTimeError):  # the search reports these
                disjuncts, closed = _drop_proven(state, state.deadline)
        for steps in (0, _TIGHTENING_STEPS):
            if not disjuncts:
                break
            tightening = Tightening(steps=steps, deadline=state.deadline)
            try:
                reduced = reduce_network(
                    state.model.network, InputDomain.of(state.stated), tightening
                )
            except TooLargeError as error:
                LinearBounds().prove([state])  # they take memory for a few rows at a time
                if state.reason is not None:
                    state.reason = Reason(error.ending, f"{state.reason}, and {error}")
                return
            except StoppedError as error:
                state.reason = error.reason
                return
            if steps == 0:
                disjuncts, constant = _drop_constants(state, reduced, disjuncts)
                closed = closed.concatenate(constant)
            if disjuncts and self._branch(state, reduced, disjuncts, closed, tightening):
                return
        if not disjuncts:
            _close(state, closed)

    def _branch(
        self,
        state: InputState,
        reduced: ReducedNetwork,
        disjuncts: Sequence[Conjunction],
        closed: ProvenBounds,
        tightening: Tightening,
    ) -> bool:
        """Searches a reduced network; True where a better one would not help."""
        # A box without width cannot be halved.
        few = 0 < reduced.inputs <= _FEW_FEATURES and reduced.domain.ball is None
        # Related inputs lie askew to boxes, along edges without end.
        related = reduced.domain.ball is None and relates_inputs(reduced, disjuncts)
        few &= not related
        search: type[ReducedSearch] = BoxSearch if few else SignSearch
        if related and reduced.units <= _FEW_UNITS:
            search = ProgramSearch
        # The first bounds suffice for many inputs, and the better ones may take much longer.
        last = tightening.steps > 0 or few or reduced.units == 0
        nodes = self.node_limit if last else 0
        if jumps := reduced.jumps is not None:
            # This search does not separate the branches of selects, and may not need to.
            nodes = min(nodes, _FIRST_NODES)
        soon = last and not jumps and _may_be_exact(state) and nodes > _FIRST_NODES
        first, share = (_FIRST_NODES if soon else nodes), (_BEFORE_SELECTS if jumps else 1.0)
        found = self._explore(state, reduced, disjuncts, search, first, share)
        if soon and found.is_open and found.ending is not Ending.TIE:
            # What stays open may be a tie, which no bounds ever decide.
            self._search_exactly(state, share=_EXACT_SHARE)
            if not state.is_open:
                return True
            found = self._explore(state, reduced, disjuncts, search, nodes)
        if last and found.is_open and jumps:
            found = self._split_selects(state, disjuncts, search, tightening, found)
        if found.found:
            return True
        state.reason = found.reason
        state.prove(found.proven.concatenate(closed), ProvedBy.COMPLETE)
        if found.ending is Ending.PROVEN:
            if found.bound > 0 and closed.value == 0:
                state.exclude(ProvedBy.COMPLETE)  # of ties that do not count
            return True
        if last and not jumps and found.ending is Ending.TIE:
            self._break_tie(state)
        return last

    def _explore(
        self,
        state: InputState,
        reduced: ReducedNetwork,
        disjuncts: Sequence[Conjunction],
        search: type[ReducedSearch],
        nodes: float,
        share: float = 1.0,
    ) -> SearchResult:
        """A search; before boxes are halved, an ascent tells whether there is a need for it."""
        now = time.monotonic()
        limits = Limits(now + share * (state.deadline - now), nodes, self.memory_limit)
        if search is BoxSearch:
            bounded = SignSearch(reduced, disjuncts, _offers(state)).run(replace(limits, nodes=0))
            state.effort += bounded.effort
            if not bounded.is_open or bounded.ending is Ending.TIE:
                return bounded
        found = search(reduced, disjuncts, _offers(state)).run(limits)
        state.effort += found.effort
        return found

    def _split_selects(
        self,
        state: InputState,
        disjuncts: Sequence[Conjunction],
        search: type[ReducedSearch],
        tightening: Tightening,
        before: SearchResult,
    ) -> SearchResult:
        """A search that separates the branches of selects, after one that does not."""
        within = SignSearch if search is BoxSearch else search
        nodes = max(self.node_limit - state.effort.nodes, 1)
        found = SelectSearch(
            state.model.network, InputDomain.of(state.stated), tightening, disjuncts,
            _offers(state), within,
        ).run(Limits(state.deadline, nodes, self.memory_limit))  # fmt: skip
        state.effort += found.effort
        return replace(found, proven=found.proven.maximum(before.proven))

    def _break_tie(self, state: InputState) -> None:
        """Decides a tie in exact arithmetic, where that is possible."""
        reason = state.reason
        self._search_exactly(state, _TIE_NODES)
        if not state.is_robust:
            state.reason = reason

    def _search_exactly(self, state: InputState, nodes: float = np.inf, share: float = 1.0) -> None:
        """Searches a small network in rational arithmetic, which needs no bounds of the inputs.

        Args:
            state: the state.
            nodes: the most programs solved.
            share: of the time that is left.
        """
        now = time.monotonic()
        deadline = now + share * (state.deadline - now)
        try:
            system = build_exact_system(state.model.network, state.stated, deadline)
        except NotExactError as error:
            if not state.stated.unbounded:
                return
            LinearBounds().prove([state])
            if not state.is_robust:
                state.reason = Reason(Ending.NO_BOUNDS, f"an input has no bound, and {error}")
            return
        except OutOfTimeError as error:
            state.reason = error.reason
            return
        limits = Limits(deadline, min(self.node_limit, nodes), self.memory_limit)
        found = ExactSearch(system, state.problem.unsafe.disjuncts, _offers(state)).run(limits)
        state.effort += found.effort
        state.reason = found.reason
        if found.ending is Ending.PROVEN:
            state.exclude(ProvedBy.COMPLETE)


def _offers(state: InputState) -> Offer:
    """The replay of a search's candidates."""
    return partial(state.offer, found_by=FoundBy.SEARCH)


def _may_be_exact(state: InputState) -> bool:
    """Whether the input set is a box, and the network small enough for exact arithmetic."""
    network = state.model.network
    small = network.input_size + network.units <= _SMALL
    return small and state.stated.norm.order == np.inf


def _decide_point(state: InputState) -> bool:
    """Decides a set of one input, without rounding; False where the network is too large."""
    x, disjuncts = state.stated.center, state.problem.unsafe.disjuncts
    try:
        margins = compute_margins(state.model.network, x, disjuncts)
    except NotExactError:
        return False
    least = min(margins)
    if all(m > 0 or (m == 0 and one.strict) for m, one in zip(margins, disjuncts, strict=True)):
        _close(state, ProvenBounds.from_rationals([least]))
    elif not state.offer(x, FoundBy.SEARCH):
        state.reason = Reason(
            Ending.REFUSED,
            f"the margin of its one input is {float(least):.3g} without rounding, which ONNX "
            "Runtime does not show",
        )
    return True


def _drop_constants(
    state: InputState, reduced: ReducedNetwork, disjuncts: Sequence[Conjunction]
) -> tuple[tuple[Conjunction, ...], ProvenBounds]:
    """The disjuncts without a safe margin that is constant, and a bound of the dropped ones.

    A margin of two equal outputs is constant.
    """
    left, safe = [], []
    for one in disjuncts:
        margins = [_ZERO, *_find_constant_margins(state, reduced, one)]
        margin = max(margins)
        if margin > 0 or (len(margins) > 1 and one.strict):
            safe.append(margin)
        else:
            left.append(one)
    return tuple(left), ProvenBounds.from_rationals(safe)


def _find_constant_margins(
    state: InputState, reduced: ReducedNetwork, disjunct: Conjunction
) -> Iterator[Fraction]:
    """The constant margins of rows that are at least 0."""
    parts = [
        (disjunct.matrix @ part, np.abs(disjunct.matrix) @ np.abs(part))
        for part in (reduced.outputs_on_input, reduced.outputs_on_units)
    ]
    depends = sum(np.abs(product).sum(axis=1) for product, _ in parts)
    sizes = sum(size.sum(axis=1) for _, size in parts)
    for row in np.flatnonzero(depends <= _CONSTANT * sizes).tolist():
        bound = float(disjunct.bound[row])
        margin = find_constant_margin(state.model.network, disjunct.matrix[row], bound)
        if margin is not None and margin >= 0:
            yield margin


def _close(state: InputState, proven: ProvenBounds) -> None:
    """Closes an input, whose last disjuncts have this bound; 0 is a tie that does not count."""
    state.prove(proven, ProvedBy.COMPLETE)
    if proven.value == 0:
        state.exclude(ProvedBy.COMPLETE)


def _drop_proven(
    state: InputState, deadline: float
) -> tuple[tuple[Conjunction, ...], ProvenBounds]:
    """The disjuncts that linear bounds leave open, and a bound of the others.

    Thousands of disjuncts are mostly an expanded formula, and share a few rows.
    """
    unsafe = state.problem.unsafe
    network, inputs = state.model.network, [state.stated]
    (margins,) = bound_margins(network, inputs, [unsafe], BoundsMethod.LINEAR, deadline=deadline)
    open_ = tuple(
        one for one, margin in zip(unsafe.disjuncts, margins.bounds, strict=True) if not margin > 0
    )
    return open_, margins.take(margins.bounds > 0).least
