"""Random search with square-shaped updates, batched over inputs (Andriushchenko et al. 2020).

A row holds the best point so far of one input. A step changes a window of it at random and keeps
the change where the least margin falls.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from onnx_lippa.arrays import Float64
from onnx_lippa.attacks.stages.oracle import MarginOracle
from onnx_lippa.attacks.stages.square_updates import PROPOSALS, Canvas
from onnx_lippa.attacks.stages.state import AttackBatch, AttackStage, AttackState, Stream
from onnx_lippa.state import timed
from onnx_lippa.witness import FoundBy

_HALVINGS: Final = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
_SCHEDULED: Final = 10_000
"""The paper's steps of 10,000 after which the share of changed features is halved."""
_DRAWN: Final = 64
"""Steps whose random numbers are drawn at a time."""


@final
@dataclass(frozen=True)
class SquareSearch(AttackStage):
    """One random search of each open input, within its radius.

    Where the distance is minimised, searches are repeated: the radius halves the gap between the
    distance of the best witness and the largest radius at which a search failed.

    Attributes:
        restart: number of the restart.
        queries: evaluations of one search.
        p_init: share of the features that the first steps change.
        radii: searches where the distance is minimised.
    """

    restart: int
    queries: int
    p_init: float
    radii: int

    @override
    def run(self, batch: AttackBatch) -> None:
        attacks = batch.open()
        if not attacks:
            return
        if not attacks[0].state.problem.minimize:
            self._search(attacks, np.array([attack.inputs.eps for attack in attacks]), 0)
            return
        failed = dict.fromkeys(attacks, 0.0)
        for number in range(self.radii):
            attacks = [attack for attack in attacks if attack.state.is_open]
            radii = np.array([_next_radius(attack, failed[attack]) for attack in attacks])
            for attack, radius, is_found in zip(
                attacks, radii, self._search(attacks, radii, number), strict=True
            ):
                if not is_found:
                    failed[attack] = float(radius)
            attacks = [attack for attack in attacks if attack.state.witness is not None]

    def _search(
        self, attacks: Sequence[AttackState], radii: Float64, number: int
    ) -> npt.NDArray[np.bool_]:
        """Searches within these radii; (n,) which inputs got a witness."""
        found = np.zeros(len(attacks), dtype=np.bool_)
        if not attacks:
            return found
        model = attacks[0].model
        canvas, dtype = Canvas.of(model.network.input_shape), model.interface.dtype
        proposals = PROPOSALS[attacks[0].inputs.norm.name].of(canvas, attacks, radii, dtype)
        generators = [attack.generator(Stream.SQUARE, self.restart, number) for attack in attacks]
        oracle, rows = MarginOracle(attacks), np.arange(len(attacks))
        points = best = proposals.begin(_draw(generators, 1, proposals.first_numbers)[:, 0])
        least = np.full(len(attacks), np.inf)
        u = np.zeros((len(rows), _DRAWN, proposals.numbers))
        for step in range(self.queries):
            if step:
                with timed([attack.state for attack in oracle.attacks]):
                    place = (step - 1) % _DRAWN
                    if place == 0:
                        u = _draw([generators[i] for i in rows], _DRAWN, proposals.numbers)
                    points = proposals.move(best, self._share(step), u[:, place])
            flat = canvas.flatten(points)
            margins = oracle.margins(flat).min(axis=1)
            better = margins < least
            least = np.where(better, margins, least)
            best = np.where(better[:, None, None, None], points, best)
            for row in np.flatnonzero(better):
                oracle.attacks[row].state.observe(float(least[row]))
            accepted = oracle.offer(flat, np.where(better, margins, np.inf), FoundBy.SAMPLING)
            found[rows[accepted]] = True
            kept = np.flatnonzero(
                [
                    attack.state.is_open and not found[row]
                    for row, attack in zip(rows, oracle.attacks, strict=True)
                ]
            )
            if kept.size == 0:
                break
            if kept.size < len(rows):
                oracle, proposals, rows = oracle.take(kept), proposals.take(kept), rows[kept]
                best, least, u = best[kept], least[kept], u[kept]
        return found

    def _share(self, step: int) -> float:
        """Share of the features that a step changes; the paper's schedule, stretched."""
        reached = bisect_left(_HALVINGS, step / self.queries * _SCHEDULED)
        return float(self.p_init / 2**reached)


def _draw(generators: Sequence[np.random.Generator], steps: int, numbers: int) -> Float64:
    """Random numbers (rows, steps, numbers) in [0, 1), each row's from its own generator."""
    return np.array([generator.random((steps, numbers)) for generator in generators])


def _next_radius(attack: AttackState, failed: float) -> float:
    """The radius of the next search for a nearer witness."""
    witness, inputs = attack.state.witness, attack.inputs
    if witness is None:
        return min(inputs.eps, inputs.widest)
    return (failed + witness.distance) / 2
