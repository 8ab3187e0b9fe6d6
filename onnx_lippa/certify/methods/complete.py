"""Branch and bound on the rectified system of each case."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.certify.bounds import BoundsTooLargeError, linear_margins
from onnx_lippa.certify.case import Case
from onnx_lippa.certify.exact import ExactSearch, NotExactError, exact_system
from onnx_lippa.certify.methods.base import Proving
from onnx_lippa.certify.methods.linear import ByLinearBounds
from onnx_lippa.certify.rectified import (
    NoRelaxationError,
    Reach,
    Tightening,
    TooLargeError,
    rectified,
)
from onnx_lippa.certify.search import (
    BoxSearch,
    Limits,
    NeuronSearch,
    SearchStatus,
    relates_inputs,
)
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.question import Conjunction
from onnx_lippa.witness import FoundBy, ProvedBy

_TIGHTENING_STEPS: Final = 10
"""Steps of ascent for each pre-activation whose sign the first bounds leave open."""
_FEW_DISJUNCTS: Final = 64
"""Of more disjuncts those that linear bounds close are not searched one by one."""
_FEW_FEATURES: Final = 12
"""Boxes of at most so many features are split, of more the units (docs/performance.md)."""


@final
class Complete(Proving):
    """Searches a case to the end, or until its time, nodes or memory are used up."""

    def run(self, cases: Sequence[Case]) -> None:
        """See :meth:`Proving.run`."""
        for case in cases:
            self._search(case)

    def _search(self, case: Case) -> None:
        settings, deadline = case.settings, case.deadline
        if case.stated.unbounded:
            self._search_exactly(case)
            return
        disjuncts, closed = case.problem.unsafe.disjuncts, np.inf
        if len(disjuncts) > _FEW_DISJUNCTS:
            with suppress(BoundsTooLargeError, OutOfTimeError):  # the search says so, if it is so
                disjuncts, closed = _still_open(case, deadline)
            if not disjuncts:
                case.prove(closed, ProvedBy.COMPLETE)
                return
        limits = Limits(deadline, settings.node_limit, settings.memory_limit)

        def offer(x: Float64) -> bool:
            return case.offer(x, FoundBy.SEARCH)

        for tightening in (Tightening(deadline=deadline), _thorough(deadline)):
            try:
                system = rectified(case.model.network, Reach.of(case.stated), tightening)
            except TooLargeError as error:
                ByLinearBounds().run([case])  # they take memory for a few rows at a time
                case.reason = f"{case.reason}, and {error}" if case.reason else ""
                return
            except (OutOfTimeError, NoRelaxationError) as error:
                case.reason = str(error)
                return
            # A box without width cannot be halved.
            few = 0 < system.inputs <= _FEW_FEATURES and system.reach.ball is None
            # Inputs that are related to each other lie askew to boxes, along edges without end.
            few &= not relates_inputs(system, case.problem.unsafe.disjuncts)
            search = BoxSearch if few else NeuronSearch
            # The first bounds suffice for many inputs, and the better ones may take much longer.
            last = few or tightening.steps > 0 or system.units == 0
            limits = replace(limits, nodes=settings.node_limit if last else 0)
            found = search(system, disjuncts, offer).run(limits)
            case.nodes += found.nodes
            case.lp_steps += found.lp_steps
            if found.status is SearchStatus.UNSAFE:
                return
            case.reason = found.reason
            case.prove(min(found.bound, closed), ProvedBy.COMPLETE)
            if found.status is SearchStatus.PROVEN or last:
                return

    def _search_exactly(self, case: Case) -> None:
        """A small network in rational arithmetic, which takes no bounds of the inputs."""
        settings, deadline = case.settings, case.deadline

        def offer(x: Float64) -> bool:
            return case.offer(x, FoundBy.SEARCH)

        try:
            system = exact_system(case.model.network, case.stated, deadline)
        except NotExactError as error:
            ByLinearBounds().run([case])
            case.reason = f"an input has no bound, and {error}" if not case.is_robust else ""
            return
        except OutOfTimeError as error:
            case.reason = str(error)
            return
        limits = Limits(deadline, settings.node_limit, settings.memory_limit)
        found = ExactSearch(system, case.problem.unsafe.disjuncts, offer).run(limits)
        case.nodes += found.nodes
        case.lp_steps += found.nodes
        case.reason = found.reason
        if found.proven:
            case.exclude(ProvedBy.COMPLETE)


def _still_open(case: Case, deadline: float) -> tuple[tuple[Conjunction, ...], float]:
    """The disjuncts that linear bounds leave open, and a bound of the others' margins.

    Thousands of disjuncts are mostly a formula multiplied out, and share a few rows.
    """
    unsafe = case.problem.unsafe
    (margins,) = linear_margins(case.model.network, [case.stated], [unsafe], deadline=deadline)
    open_ = tuple(
        one for one, margin in zip(unsafe.disjuncts, margins, strict=True) if not margin > 0
    )
    return open_, float(margins[margins > 0].min(initial=np.inf))


def _thorough(deadline: float) -> Tightening:
    return Tightening(steps=_TIGHTENING_STEPS, deadline=deadline)
