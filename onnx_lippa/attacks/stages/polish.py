"""For minimal distortion: the nearest unsafe point of the best witness's region, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.attacks.ledger import Ledger, Progress
from onnx_lippa.attacks.stages.base import Stage
from onnx_lippa.attacks.stages.lp_step import distance_step

_CROSSINGS: Final = 0.05
"""How far a step across a face goes, as a share of the distance."""


@final
@dataclass(frozen=True)
class Polish(Stage):
    """Distance-mode LPSteps: solve the region, step across the faces that stop it, repeat.

    Attributes:
        lp_steps: LPSteps for one input.
    """

    lp_steps: int

    def run(self, ledger: Ledger) -> None:
        """See :meth:`Stage.run`."""
        for position in ledger.unsettled():
            if ledger.progress[position].state.witness is not None:
                self._polish(ledger, position)

    def _polish(self, ledger: Ledger, position: int) -> None:
        entry, network = ledger.progress[position], ledger.model.network
        last = entry.state.effort.lp_steps + self.lp_steps
        while (
            entry.state.effort.lp_steps < last
            and entry.state.seconds_left > 0
            and entry.state.witness is not None
        ):
            disjunct = _sought(entry)
            x = entry.state.witness.x.astype(np.float64)
            with ledger.timed([position]):
                pattern = network.pattern(x)
            nearest = distance_step(ledger, position, pattern, disjunct)
            if nearest is None:
                return
            # The optimum lies on faces: the region just across them, towards the clean input,
            # may hold a nearer one.
            center = entry.state.problem.inputs.center
            with ledger.timed([position]):
                across = network.pattern(nearest + _CROSSINGS * (center - nearest))
                beyond = network.pattern(nearest)
            for other in (beyond, across):
                if entry.state.effort.lp_steps < last:
                    distance_step(ledger, position, other, disjunct)


def _sought(entry: Progress) -> int:
    """The disjunct the best witness was found for."""
    targets = [disjunct.target for disjunct in entry.state.problem.unsafe.disjuncts]
    return targets.index(entry.state.target)
