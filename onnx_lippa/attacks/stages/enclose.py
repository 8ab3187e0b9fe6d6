"""For minimal distortion: brackets each input's distance with walks in growing and shrinking
balls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.attacks.explore import explore
from onnx_lippa.attacks.ledger import EndPoint, Ledger
from onnx_lippa.attacks.methods import MomentumPgd
from onnx_lippa.attacks.rows import rows_for
from onnx_lippa.attacks.stages.base import Stage
from onnx_lippa.spec import InputSet
from onnx_lippa.state import Work
from onnx_lippa.witness import FoundBy

_PROBLEMS: Final = 64
"""Problems bracketed together."""


@final
@dataclass(frozen=True)
class Enclose(Stage):
    """Doubles the radius until a walk succeeds, then halves the gap.

    The first radius is 1.5 times the distance at which the clean input's own linear map would
    reach the unsafe set.

    Attributes:
        rounds: radii tried for each disjunct.
        disjuncts: how many disjuncts of each problem, the nearest (by that distance) first; None
            for all.
        steps: steps of a walk.
        restarts: more rounds, from random points of all that is allowed, where nothing was found.
    """

    rounds: int
    disjuncts: int | None
    steps: int
    restarts: int = 0

    def run(self, ledger: Ledger) -> None:
        """See :meth:`Stage.run`."""
        positions = ledger.unsettled()
        for first in range(0, len(positions), _PROBLEMS):
            self._enclose(ledger, positions[first : first + _PROBLEMS])

    def _enclose(self, ledger: Ledger, positions: list[int]) -> None:
        pairs: list[tuple[int, int]] = []
        radii: list[float] = []
        for i in positions:
            with ledger.timed([i]):
                distances = _linear_distances(ledger, i)
                for j in np.argsort(distances, kind="stable")[: self.disjuncts]:
                    pairs.append((i, int(j)))
                    radii.append(1.5 * float(distances[j]))
        failed, reached = np.zeros(len(pairs)), np.full(len(pairs), np.inf)
        problems = [entry.state.problem for entry in ledger.progress]
        sets = [problems[i].inputs for i, _ in pairs]
        most = np.array([min(one.widest, one.eps) for one in sets])
        eps = np.minimum(np.array(radii), most)
        points: list[Floats] = [problems[i].inputs.center for i, _ in pairs]
        nearest: dict[int, Floats] = {}
        for round_ in range(self.rounds + self.restarts):
            entries = ledger.progress
            live = [
                place
                for place, (i, _) in enumerate(pairs)
                if entries[i].state.seconds_left > 0
                and (round_ < self.rounds or entries[i].state.witness is None)
            ]
            if not live:
                return
            mine = [pairs[place] for place in live]
            starts = [
                _inside(problems[i].inputs, points[place], float(eps[place]))
                for (i, _), place in zip(mine, live, strict=True)
            ]
            rows = rows_for(problems, mine, starts, eps[live])
            # Every row stands for itself: one disjunct's success must not stop another's walk.
            rows = rows.owned_by_rows()
            reached_now = np.full(len(live), np.inf)

            def accept(row: int, x: Floats) -> bool:
                i = mine[row][0]  # noqa: B023  # called only inside this round
                held = ledger.accept(i, x, FoundBy.GRADIENT)
                if not held and ledger.progress[i].state.witness is None:
                    return False
                # A point that holds, or only fails to improve on a nearer witness.
                reached_now[row] = problems[i].inputs.length(x.astype(np.float64))  # noqa: B023
                return True

            with ledger.timed([i for i, _ in mine], Work.GRADIENTS) as deadline:
                walked = explore(
                    ledger.model.gradient, rows, MomentumPgd(), self.steps, accept, deadline
                )
            ledger.count_gradients([i for i, _ in mine], walked.gradients)
            for row, place in enumerate(live):
                points[place] = walked.best[row]
                i, j = pairs[place]
                if np.isfinite(reached_now[row]):
                    reached[place] = min(reached[place], reached_now[row])
                    nearest[place] = walked.best[row]
                else:
                    failed[place] = max(failed[place], eps[place])
                    # Where the gradient vanishes a walk stands still: begin elsewhere.
                    held = nearest.get(place)
                    elsewhere = _random_point(ledger, i, j, round_, eps[place])
                    points[place] = elsewhere if held is None else held
                point = EndPoint(float(walked.margin[row]), j, walked.best[row], round_)
                ledger.progress[i].remember([point])
            grown = np.minimum(2 * eps, most)
            eps = np.where(np.isfinite(reached), (failed + np.minimum(reached, most)) / 2, grown)


def _inside(inputs: InputSet, x: Floats, eps: float) -> Floats:
    """A point drawn into a ball: a start outside would be taken for what a walk reached."""
    return inputs.with_eps(eps).project(x[None].astype(np.float64))[0]


def _random_point(ledger: Ledger, position: int, disjunct: int, round_: int, eps: float) -> Float64:
    problem = ledger.progress[position].state.problem
    generator = problem.inputs.generator(ledger.settings.seed, "bracket", round_, disjunct)
    return problem.inputs.with_eps(eps).sample(generator, 1)[0]


def _linear_distances(ledger: Ledger, position: int) -> Float64:
    """Distance at which the clean input's own affine map reaches each disjunct."""
    problem, network = ledger.progress[position].state.problem, ledger.model.network
    inputs = problem.inputs
    distances = []
    for disjunct in problem.unsafe.disjuncts:
        repeated = np.repeat(inputs.center[None], len(disjunct.bound), axis=0)
        logits, gradient = network.value_and_gradient(repeated, disjunct.matrix)
        margins = disjunct.matrix @ logits[0] - disjunct.bound
        slopes = np.maximum(inputs.norm.dual(gradient), 1e-12)
        distances.append(float(np.max(np.maximum(margins, 0.0) / slopes)))
    return np.array(distances)
