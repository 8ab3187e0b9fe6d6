"""LPSteps from where the walks of a round ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from onnx_lippa.attacks.ledger import Ledger
from onnx_lippa.attacks.stages.base import Stage
from onnx_lippa.attacks.stages.lp_step import margin_step


@final
@dataclass(frozen=True)
class FinishWithLp(Stage):
    """One LPStep in the region of each unsettled input's best end point of one round.

    Attributes:
        round: the round of walks.
        closeness: inputs that no walk has brought nearer than this are left out.
        points: how many of its end points, the best first.
    """

    round: int
    closeness: float = np.inf
    points: int = 1

    def run(self, ledger: Ledger) -> None:
        """See :meth:`Stage.run`."""
        for position in ledger.unbroken():
            entry = ledger.progress[position]
            if entry.closeness() >= self.closeness:
                continue
            mine = [point for point in entry.last_walked if point.round == self.round]
            for point in mine[: self.points]:
                with ledger.timed([position]):
                    pattern = ledger.model.network.pattern(point.x.astype(np.float64))
                margin_step(ledger, position, pattern, point.disjunct)
                if position not in ledger.unbroken():
                    break
