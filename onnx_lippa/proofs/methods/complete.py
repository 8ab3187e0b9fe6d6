"""Branch and bound on the reduced network of each case."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Final, final

import numpy as np

from onnx_lippa.bounds.crown import BoundsTooLargeError
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.margins import linear_margins
from onnx_lippa.bounds.proven import Proven
from onnx_lippa.bounds.reduced.build import NoRelaxationError, reduce_network
from onnx_lippa.bounds.reduced.network import ReducedNetwork
from onnx_lippa.bounds.reduced.reduction import Tightening, TooLargeError
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.ending import Ending
from onnx_lippa.proofs.case import Case
from onnx_lippa.proofs.methods.base import Proving
from onnx_lippa.proofs.methods.linear import ByLinearBounds
from onnx_lippa.search.base import Limits, Offer, Search, SearchResult, relates_inputs
from onnx_lippa.search.boxes import BoxSearch
from onnx_lippa.search.exact.search import ExactSearch
from onnx_lippa.search.exact.system import (
    NotExactError,
    build_exact_system,
    compute_margins,
    find_constant_margin,
)
from onnx_lippa.search.programs import ProgramSearch
from onnx_lippa.search.signs import SignSearch
from onnx_lippa.search.switches import SwitchSearch
from onnx_lippa.spec import Conjunction
from onnx_lippa.witness import FoundBy, ProvedBy

_TIGHTENING_STEPS: Final = 10
"""Steps of ascent for each pre-activation whose sign the first bounds leave open."""
_SMALL: Final = 48
"""Inputs and units of a network that is asked about in rational arithmetic early on: behind a first
search of so many nodes, with such a share of the time."""
_FIRST_NODES: Final = 512
_EXACT_SHARE: Final = 0.5
_BEFORE_SWITCHES: Final = 0.2
"""Share of the time for a search that takes switches for anything between bounds."""
_FEW_DISJUNCTS: Final = 64
"""Of more disjuncts those that linear bounds close are not searched one by one."""
_ZERO: Final = Fraction(0)
_TIE_NODES: Final = 2000
"""Programs solved where a margin is zero but for rounding, and no rounding may decide it."""
_CONSTANT: Final = 1e-9
"""Share of its terms that the coefficients of a constant margin are below."""
_FEW_FEATURES: Final = 12
"""Boxes of at most so many features are split, of more the units (docs/performance.md)."""
_FEW_UNITS: Final = 300
"""Units over which a linear program is solved for each node, where inputs are related."""


@final
class Complete(Proving):
    """Searches a case to the end, or until its time, nodes or memory are used up."""

    def run(self, cases: Sequence[Case]) -> None:
        """See :meth:`Proving.run`."""
        for case in cases:
            self._search(case)

    def _search(self, case: Case) -> None:
        if case.stated.unbounded:
            self._search_exactly(case)
        elif not (InputDomain.of(case.stated).free.size == 0 and _decided_at_a_point(case)):
            self._search_within_bounds(case)

    def _search_within_bounds(self, case: Case) -> None:
        disjuncts, closed = case.problem.unsafe.disjuncts, Proven.of_empty()
        if len(disjuncts) > _FEW_DISJUNCTS:
            with suppress(BoundsTooLargeError, OutOfTimeError):  # the search says so, if it is so
                disjuncts, closed = _still_open(case, case.deadline)
        for tightening in (Tightening(deadline=case.deadline), _thorough(case.deadline)):
            if not disjuncts:
                break
            try:
                reduced = reduce_network(
                    case.model.network, InputDomain.of(case.stated), tightening
                )
            except TooLargeError as error:
                ByLinearBounds().run([case])  # they take memory for a few rows at a time
                case.reason = f"{case.reason}, and {error}" if case.reason else ""
                return
            except (OutOfTimeError, NoRelaxationError) as error:
                case.reason = str(error)
                return
            if tightening.steps == 0:
                disjuncts, constant = _without_constants(case, reduced, disjuncts)
                closed = closed.both(constant)
            if disjuncts and self._branch(case, reduced, disjuncts, closed, tightening):
                return
        if not disjuncts:
            _settle(case, closed)

    def _branch(
        self,
        case: Case,
        reduced: ReducedNetwork,
        disjuncts: Sequence[Conjunction],
        closed: Proven,
        tightening: Tightening,
    ) -> bool:
        """Searches a reduced network; True where no better one would help."""
        last = tightening.steps > 0
        settings = case.settings
        # A box without width cannot be halved.
        few = 0 < reduced.inputs <= _FEW_FEATURES and reduced.domain.ball is None
        # Inputs that are related to each other lie askew to boxes, along edges without end.
        related = reduced.domain.ball is None and relates_inputs(reduced, disjuncts)
        few &= not related
        search: type[Search]
        search = BoxSearch if few else SignSearch
        if related and reduced.units <= _FEW_UNITS:
            search = ProgramSearch
        # The first bounds suffice for many inputs, and the better ones may take much longer.
        last |= few or reduced.units == 0
        nodes = settings.node_limit if last else 0
        if jumps := reduced.jumps is not None:
            # It does not tell the branches of switches that jump apart, and may not need to.
            nodes = min(nodes, _FIRST_NODES)
        soon = last and not jumps and _may_be_exact(case) and nodes > _FIRST_NODES
        first, share = (_FIRST_NODES if soon else nodes), (_BEFORE_SWITCHES if jumps else 1.0)
        found = self._explore(case, reduced, disjuncts, search, first, share)
        if soon and found.is_open and found.ending is not Ending.TIE:
            # What is not settled soon may be a tie, which no bounds ever settle.
            self._search_exactly(case, share=_EXACT_SHARE)
            if not case.is_open:
                return True
            found = self._explore(case, reduced, disjuncts, search, nodes)
        if last and found.is_open and jumps:
            found = self._split_switches(case, disjuncts, search, tightening, found)
        if found.ending is Ending.UNSAFE:
            return True
        case.reason = found.reason
        case.prove(found.proven.both(closed), ProvedBy.COMPLETE)
        if found.ending is Ending.PROVEN:
            if found.bound > 0 and closed.value == 0:
                case.exclude(ProvedBy.COMPLETE)  # of ties that do not count
            return True
        if last and not jumps and found.ending is Ending.TIE:
            self._break_tie(case)
        return last

    def _explore(
        self,
        case: Case,
        reduced: ReducedNetwork,
        disjuncts: Sequence[Conjunction],
        search: type[Search],
        nodes: float,
        share: float = 1.0,
    ) -> SearchResult:
        """A search; before boxes are halved, an ascent tells whether there is a need for it."""
        now = time.monotonic()
        deadline = now + share * (case.deadline - now)
        limits = Limits(deadline, nodes, case.settings.memory_limit)

        if search is BoxSearch:
            found = SignSearch(reduced, disjuncts, _offers(case)).run(replace(limits, nodes=0))
            case.nodes += found.nodes
            if not found.is_open or found.ending is Ending.TIE:
                return found
        found = search(reduced, disjuncts, _offers(case)).run(limits)
        case.nodes += found.nodes
        case.lp_steps += found.lps
        return found

    def _split_switches(
        self,
        case: Case,
        disjuncts: Sequence[Conjunction],
        search: type[Search],
        tightening: Tightening,
        before: SearchResult,
    ) -> SearchResult:
        """A search that tells the branches of switches apart, behind one that does not."""

        within = SignSearch if search is BoxSearch else search
        settings = case.settings
        nodes = max(settings.node_limit - case.nodes, 1)
        found = SwitchSearch(
            case.model.network,
            InputDomain.of(case.stated),
            tightening,
            disjuncts,
            _offers(case),
            within,
        ).run(Limits(case.deadline, nodes, settings.memory_limit))
        case.nodes += found.nodes
        case.lp_steps += found.lps
        return replace(found, proven=found.proven.better(before.proven))

    def _break_tie(self, case: Case) -> None:
        """Without rounding, where that can be; else it stays open, for the reason that is given."""
        reason = case.reason
        self._search_exactly(case, _TIE_NODES)
        if not case.is_robust:
            case.reason = reason

    def _search_exactly(self, case: Case, nodes: float = np.inf, share: float = 1.0) -> None:
        """A small network in rational arithmetic, which takes no bounds of the inputs.

        Args:
            case: the case.
            nodes: programs solved at most.
            share: of the time that is left.
        """
        settings, now = case.settings, time.monotonic()
        deadline = now + share * (case.deadline - now)

        try:
            reduced = build_exact_system(case.model.network, case.stated, deadline)
        except NotExactError as error:
            if not case.stated.unbounded:
                return
            ByLinearBounds().run([case])
            case.reason = f"an input has no bound, and {error}" if not case.is_robust else ""
            return
        except OutOfTimeError as error:
            case.reason = str(error)
            return
        limits = Limits(deadline, min(settings.node_limit, nodes), settings.memory_limit)
        found = ExactSearch(reduced, case.problem.unsafe.disjuncts, _offers(case)).run(limits)
        case.nodes += found.nodes
        case.lp_steps += found.lps
        case.reason = found.reason
        if found.ending is Ending.PROVEN:
            case.exclude(ProvedBy.COMPLETE)


def _offers(case: Case) -> Offer:
    """Replays the candidates of a search."""
    return partial(case.offer, found_by=FoundBy.SEARCH)


def _may_be_exact(case: Case) -> bool:
    """Whether it is a question about a box and so small that exact arithmetic is quick."""
    network = case.model.network
    small = network.input_size + network.units <= _SMALL
    return small and case.stated.norm.order == np.inf


def _decided_at_a_point(case: Case) -> bool:
    """A case of a single input, without rounding; False where the network is too large for it."""
    x, disjuncts = case.stated.center, case.problem.unsafe.disjuncts
    try:
        margins = compute_margins(case.model.network, x, disjuncts)
    except NotExactError:
        return False
    least = min(margins)
    if all(m > 0 or (m == 0 and one.strict) for m, one in zip(margins, disjuncts, strict=True)):
        _settle(case, Proven.exactly([least]))
    elif not case.offer(x, FoundBy.SEARCH):
        case.reason = (
            f"the margin of its one input is {float(least):.3g} without rounding, which ONNX "
            "Runtime does not show"
        )
    return True


def _without_constants(
    case: Case, reduced: ReducedNetwork, disjuncts: Sequence[Conjunction]
) -> tuple[tuple[Conjunction, ...], Proven]:
    """Disjuncts but for those with a safe margin that is one number for all inputs.

    Two outputs that are the same, for instance. With a bound of the margins of these.
    """
    left, safe = [], []
    for one in disjuncts:
        margins = [_ZERO, *_constant_margins(case, reduced, one)]
        margin = max(margins)
        if margin > 0 or (len(margins) > 1 and one.strict):
            safe.append(margin)
        else:
            left.append(one)
    return tuple(left), Proven.exactly(safe)


def _constant_margins(
    case: Case, reduced: ReducedNetwork, disjunct: Conjunction
) -> Iterator[Fraction]:
    """The margins that are not negative of rows that depend on no input."""
    parts = [
        (disjunct.matrix @ part, np.abs(disjunct.matrix) @ np.abs(part))
        for part in (reduced.outputs_on_input, reduced.outputs_on_units)
    ]
    depends = sum(np.abs(product).sum(axis=1) for product, _ in parts)
    sizes = sum(size.sum(axis=1) for _, size in parts)
    for row in np.flatnonzero(depends <= _CONSTANT * sizes).tolist():
        bound = float(disjunct.bound[row])
        margin = find_constant_margin(case.model.network, disjunct.matrix[row], bound)
        if margin is not None and margin >= 0:
            yield margin


def _settle(case: Case, closed: Proven) -> None:
    """A case of which nothing is open, the last part of it with this bound.

    With a bound of 0 there are ties in it, and they do not count.
    """
    case.prove(closed, ProvedBy.COMPLETE)
    if closed.value == 0:
        case.exclude(ProvedBy.COMPLETE)


def _still_open(case: Case, deadline: float) -> tuple[tuple[Conjunction, ...], Proven]:
    """The disjuncts that linear bounds leave open, and a bound of the others' margins.

    Thousands of disjuncts are mostly a formula multiplied out, and share a few rows.
    """
    unsafe = case.problem.unsafe
    (margins,) = linear_margins(case.model.network, [case.stated], [unsafe], deadline=deadline)
    open_ = tuple(
        one for one, margin in zip(unsafe.disjuncts, margins.bounds, strict=True) if not margin > 0
    )
    return open_, margins.take(margins.bounds > 0).least


def _thorough(deadline: float) -> Tightening:
    return Tightening(steps=_TIGHTENING_STEPS, deadline=deadline)
