"""Branch and bound on the rectified system of each case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

from onnx_lippa.arrays import Float64
from onnx_lippa.certify.case import Case
from onnx_lippa.certify.methods.base import Proving
from onnx_lippa.certify.rectified import (
    NoRelaxationError,
    OutOfTimeError,
    Reach,
    Tightening,
    TooLargeError,
    rectified,
)
from onnx_lippa.certify.search import BoxSearch, Limits, NeuronSearch, SearchStatus
from onnx_lippa.witness import FoundBy, ProvedBy

_TIGHTENING_STEPS: Final = 10
"""Steps of ascent for each pre-activation whose sign the first bounds leave open."""
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
        problem, settings = case.problem, case.settings
        deadline = case.deadline
        reach = Reach.of(case.inputs)
        try:
            tightening = Tightening(steps=_TIGHTENING_STEPS, deadline=deadline)
            system = rectified(case.model.network, reach, tightening)
        except (TooLargeError, OutOfTimeError, NoRelaxationError) as error:
            case.reason = str(error)
            return

        def offer(x: Float64) -> bool:
            return case.offer(x, FoundBy.SEARCH)

        limits = Limits(deadline, settings.node_limit, settings.memory_limit)
        few = system.inputs <= _FEW_FEATURES and reach.ball is None
        search = BoxSearch if few else NeuronSearch
        found = search(system, problem.unsafe.disjuncts, offer).run(limits)
        case.nodes += found.nodes
        case.lp_steps += found.lp_steps
        if found.status is not SearchStatus.UNSAFE:
            case.reason = found.reason
            case.prove(found.bound, ProvedBy.COMPLETE)
