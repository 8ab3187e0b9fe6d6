"""For minimal distortion: walks in a ball a little smaller than the best witness's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Floats
from onnx_lippa.attacks.explore import explore
from onnx_lippa.attacks.ledger import Ledger
from onnx_lippa.attacks.methods import MomentumPgd
from onnx_lippa.attacks.rows import rows_for
from onnx_lippa.attacks.stages.base import Stage
from onnx_lippa.state import Work
from onnx_lippa.witness import FoundBy

_SHRINK: Final = 0.02
"""How much smaller the first round's ball is than the best distance; half as much each round."""
_PROBLEMS: Final = 128
"""Problems walked together."""


@final
@dataclass(frozen=True)
class Tighten(Stage):
    """Walks from the best witness, drawn into the smaller ball, the clean input, and at random.

    Attributes:
        round: number of the round.
        disjuncts: how many of the nearest disjuncts are tried; None for all.
        steps: steps of a walk.
    """

    round: int
    disjuncts: int | None
    steps: int

    def run(self, ledger: Ledger) -> None:
        """See :meth:`Stage.run`."""
        positions = [i for i in ledger.unsettled() if ledger.progress[i].state.witness is not None]
        for first in range(0, len(positions), _PROBLEMS):
            self._tighten(ledger, positions[first : first + _PROBLEMS])

    def _tighten(self, ledger: Ledger, positions: list[int]) -> None:
        problems = [entry.state.problem for entry in ledger.progress]
        pairs, starts, radii = [], [], []
        for i in positions:
            entry = ledger.progress[i]
            if entry.state.witness is None:
                continue
            radius = (1.0 - _SHRINK * 0.5**self.round) * entry.state.witness.distance
            inputs = entry.state.problem.inputs
            project = inputs.norm.projector(
                inputs.center[None], np.array([radius]), inputs.lower, inputs.upper
            )
            for j in entry.nearest_disjuncts(self.disjuncts or len(entry.clean_margins)):
                seed = ledger.settings.seed
                generator = entry.state.problem.inputs.generator(
                    seed, "smaller ball", self.round, j
                )
                far = inputs.norm.sample_extreme(generator, inputs.size)
                for start in (
                    entry.state.witness.x.astype(np.float64),
                    inputs.center,
                    inputs.center + radius * far,
                ):
                    pairs.append((i, j))
                    starts.append(project(start[None].copy())[0])
                    radii.append(radius)

        def accept(position: int, x: Floats) -> bool:
            return ledger.accept(position, x, FoundBy.GRADIENT)

        with ledger.timed([i for i, _ in pairs], Work.GRADIENTS) as deadline:
            rows = rows_for(problems, pairs, starts, np.array(radii))
            walked = explore(
                ledger.model.gradient, rows, MomentumPgd(), self.steps, accept, deadline
            )
        ledger.count_gradients([i for i, _ in pairs], walked.gradients)
