"""Algorithm 1 of the paper at a fixed radius: LPStep, GSStep, LPStep, ..."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.attacks.ledger import Ledger, Progress
from onnx_lippa.attacks.methods import Bim, GradientMethod, Walk
from onnx_lippa.attacks.stages.base import Stage
from onnx_lippa.attacks.stages.lp_step import margin_step
from onnx_lippa.ir.pattern import ActivationPattern

_GRADIENT_STEPS: Final = 50
"""Steps of a GSStep before it gives up (the paper's number)."""
_FRUITLESS: Final = 16
"""Random starts in a row without a new region after which there seems to be none."""
_STALL: Final = 3
"""LPSteps without a better margin after which the search begins elsewhere."""


@final
@dataclass(frozen=True)
class Algorithm1(Stage):
    """The paper's alternation, from the best end points, then the clean input, then at random.

    ``LiPPA_0``, the LPStep in the clean input's own region, is the start of the second kind (and
    the first one where no walks came before). A search ends when the GSStep finds no region not
    seen before, or stalls; the stage ends with the input's LPSteps or time used up.

    Attributes:
        lp_steps: LPSteps for one input.
        closeness: inputs that no walk has brought nearer than this are left out.
        method: the gradient method of the GSStep.
    """

    lp_steps: int
    closeness: float = np.inf
    method: GradientMethod = field(default_factory=Bim)

    def run(self, ledger: Ledger) -> None:
        """See :meth:`Stage.run`."""
        for position in ledger.unbroken():
            entry = ledger.progress[position]
            if entry.closeness() < self.closeness:
                self._search(ledger, position)

    def _search(self, ledger: Ledger, position: int) -> None:
        entry = ledger.progress[position]
        last = entry.state.effort.lp_steps + self.lp_steps
        restart = fruitless = 0
        starts = self._best_starts(entry)
        starts.append((entry.state.problem.inputs.center, entry.nearest_disjuncts(1)[0]))
        while entry.state.effort.lp_steps < last and position in ledger.unbroken():
            before = entry.state.effort.lp_steps
            if starts:
                x, disjunct = starts.pop(0)
            else:
                restart += 1
                x, disjunct = self._random_start(entry, ledger.settings.seed, restart)
            self._descend(ledger, position, x, disjunct, last)
            fruitless = 0 if entry.state.effort.lp_steps > before or restart == 0 else fruitless + 1
            if fruitless == _FRUITLESS:
                return  # not even random starts give a new region

    def _best_starts(self, entry: Progress) -> list[tuple[Float64, int]]:
        """The best end point of each of the three nearest disjuncts."""
        nearest = entry.nearest_disjuncts(3)
        firsts = [
            next((point for point in entry.end_points if point.disjunct == j), None)
            for j in nearest
        ]
        return [
            (point.x.astype(np.float64), point.disjunct) for point in firsts if point is not None
        ]

    def _random_start(self, entry: Progress, seed: int, restart: int) -> tuple[Float64, int]:
        inputs = entry.state.problem.inputs
        generator = entry.state.problem.inputs.generator(seed, "Algorithm 1", restart)
        x = inputs.center + inputs.eps * inputs.norm.sample(generator, inputs.size)
        nearest = entry.nearest_disjuncts(3)
        return np.clip(x, inputs.lower, inputs.upper), nearest[restart % len(nearest)]

    def _descend(self, ledger: Ledger, position: int, x: Float64, disjunct: int, last: int) -> None:
        """LPStep and GSStep in turn, from the region of x."""
        entry, network = ledger.progress[position], ledger.model.network
        pattern: ActivationPattern | None = network.pattern(x)
        least, stalled = np.inf, 0
        while pattern is not None and stalled < _STALL:
            optimum = margin_step(ledger, position, pattern, disjunct)
            if optimum is not None:
                if not optimum.found:
                    return
                x = optimum.x
                stalled = 0 if optimum.margin < least - 1e-9 else stalled + 1
                least = min(least, optimum.margin)
            if entry.state.effort.lp_steps >= last or position not in ledger.unbroken():
                return
            with ledger.timed([position]):
                step = self._gradient_step(ledger, entry, x, disjunct)
            if step is None:
                return
            x, pattern = step

    def _gradient_step(
        self, ledger: Ledger, entry: Progress, x: Float64, disjunct: int
    ) -> tuple[Float64, ActivationPattern] | None:
        """Walks until the pattern is one not seen before; None where it never is."""
        inputs, conjunction = (
            entry.state.problem.inputs,
            entry.state.problem.unsafe.disjuncts[disjunct],
        )
        eps = np.array([inputs.eps])
        project = inputs.norm.projector(inputs.center[None], eps, inputs.lower, inputs.upper)
        row = conjunction.matrix[0]
        current: Floats = x[None]
        previous = current
        for step in range(_GRADIENT_STEPS):
            local = ledger.model.network.local(current[0].astype(np.float64), row)
            worst = int(np.argmax(conjunction.matrix @ local.logits - conjunction.bound))
            if not np.array_equal(row, conjunction.matrix[worst]):
                row = conjunction.matrix[worst]
                local = ledger.model.network.local(current[0].astype(np.float64), row)
            if (local.pattern.key, disjunct) not in entry.visited and step > 0:
                return current[0].astype(np.float64), local.pattern
            walk = Walk(
                current.copy(), previous, local.gradient[None], eps, inputs.lower, inputs.upper,
                inputs.norm, project, step, _GRADIENT_STEPS,
            )  # fmt: skip
            moved = self.method.move(walk)
            if np.array_equal(moved, current):
                return None  # held in a corner of ball and box: it would stay there
            previous, current = current, moved
        return None
