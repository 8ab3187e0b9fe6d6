"""For minimal distortion: the nearest unsafe point of the best witness's region, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.attacks.ledger import Ledger, Progress
from onnx_lippa.attacks.stages.base import Stage
from onnx_lippa.network import ActivationPattern
from onnx_lippa.regions import LinearRegion
from onnx_lippa.witness import FoundBy

_MARGINS: Final = (2e-6, 2e-5, 2e-4)
"""Margins asked for in turn, relative to the largest logit: what float32 rounding can eat."""
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
            if ledger.progress[position].witness is not None:
                self._polish(ledger, position)

    def _polish(self, ledger: Ledger, position: int) -> None:
        entry, network = ledger.progress[position], ledger.model.network
        last = entry.lp_steps + self.lp_steps
        while entry.lp_steps < last and ledger.remaining(entry) > 0 and entry.witness is not None:
            disjunct = _sought(entry)
            x = entry.witness.x.astype(np.float64)
            with ledger.timed([position]):
                pattern = network.pattern(x)
            nearest = self._nearest(ledger, position, pattern, disjunct)
            if nearest is None:
                return
            # The optimum lies on faces: the region just across them, towards the clean input,
            # may hold a nearer one.
            center = entry.problem.inputs.center
            with ledger.timed([position]):
                across = network.pattern(nearest + _CROSSINGS * (center - nearest))
                beyond = network.pattern(nearest)
            for other in (beyond, across):
                if entry.lp_steps < last:
                    self._nearest(ledger, position, other, disjunct)

    def _nearest(
        self, ledger: Ledger, position: int, pattern: ActivationPattern, disjunct: int
    ) -> Float64 | None:
        """The nearest unsafe point of a region not solved before, offered to the judge."""
        entry = ledger.progress[position]
        if (pattern.key, disjunct) in entry.visited:
            return None
        entry.visited.add((pattern.key, disjunct))
        region = LinearRegion(ledger.model.network, pattern)
        conjunction = entry.problem.unsafe.disjuncts[disjunct]
        logits = region.evaluate(entry.problem.inputs.center[None]).outputs
        scale = max(1.0, float(np.abs(logits).max()))
        for share in _MARGINS:
            with ledger.timed([position], lp=True):
                optimum = ledger.session(entry).least_distance(
                    region, conjunction, share * scale, ledger.remaining(entry)
                )
            entry.lp_steps += 1
            if not optimum.found:
                return None
            best = np.inf if entry.witness is None else entry.witness.distance
            if optimum.distance >= best:
                return None
            if ledger.accept(position, optimum.x, FoundBy.LP):
                return optimum.x
        return None


def _sought(entry: Progress) -> int:
    """The disjunct the best witness was found for."""
    targets = [disjunct.target for disjunct in entry.problem.unsafe.disjuncts]
    return targets.index(entry.target)
