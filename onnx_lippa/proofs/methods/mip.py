"""The paper's mixed-integer program (7), with stable ReLUs folded and bounds of each unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, final

from onnx_lippa.arrays import Float64
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.dual.ascent import Ascent
from onnx_lippa.bounds.dual.objectives import Units
from onnx_lippa.bounds.reduced.build import NoRelaxationError, reduce_network
from onnx_lippa.bounds.reduced.network import ReducedNetwork
from onnx_lippa.bounds.reduced.reduction import Tightening, TooLargeError, relax_units
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.ending import Ending
from onnx_lippa.mip.decision import MipSettings, decide
from onnx_lippa.proofs.case import Case
from onnx_lippa.proofs.methods.base import Proving
from onnx_lippa.search.base import margin_rows
from onnx_lippa.witness import FoundBy

_STEPS: Final = 10
"""Steps of ascent for bounds of ẑ, and for the point to start from."""


@final
class ByMip(Proving):
    """One program for each disjunct; what it proves is the solver's word, within its tolerances."""

    def run(self, cases: Sequence[Case]) -> None:
        """See :meth:`Proving.run`."""
        for case in cases:
            self._decide(case)

    def _decide(self, case: Case) -> None:
        settings, deadline = case.settings, case.deadline
        if case.stated.unbounded:
            case.reason = "an input has no bound, and no program here does without"
            return
        try:
            tightening = Tightening(steps=_STEPS, deadline=deadline)
            reduced = reduce_network(case.model.network, InputDomain.of(case.stated), tightening)
        except (TooLargeError, OutOfTimeError, NoRelaxationError) as error:
            case.reason = str(error)
            return

        def offer(x: Float64) -> bool:
            return case.offer(x, FoundBy.MIP)

        limit = settings.node_limit
        asked = MipSettings(
            settings.solver, case.left(deadline), None if math.isinf(limit) else int(limit)
        )
        try:
            start = _start(case, reduced) if reduced.exact else None
        except OutOfTimeError as error:
            case.reason = str(error)
            return
        answer = decide(reduced, case.problem.unsafe.disjuncts, asked, start, offer)
        case.nodes += answer.nodes
        if answer.ending is not Ending.UNSAFE:
            case.reason = answer.reason
        if answer.ending is Ending.PROVEN:
            case.believe(answer.bound)


def _start(case: Case, reduced: ReducedNetwork) -> Float64:
    """The best of the points where the dual bounds of the rows are attained."""
    disjuncts = [one for one in case.problem.unsafe.disjuncts if len(one.bound)]
    if not disjuncts:
        return reduced.domain.middle
    ascent = Ascent(Units.of(reduced), case.deadline)
    points = ascent.run(margin_rows(reduced, disjuncts), relax_units(reduced), _STEPS).points
    x = reduced.domain.at(points)
    margins = case.problem.unsafe.margins(reduced.forward(x)).min(axis=1)
    best: Float64 = x[int(margins.argmin())]
    return best
