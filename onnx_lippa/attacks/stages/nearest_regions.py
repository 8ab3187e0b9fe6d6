"""For minimal distortion: the regions around, each solved exactly, those that may be nearest
first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.attacks.ledger import Ledger
from onnx_lippa.attacks.stages.base import Stage
from onnx_lippa.attacks.stages.lp_step import distance_step
from onnx_lippa.ir.algebra import NumpyAlgebra
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.passes import states_of
from onnx_lippa.ir.pattern import ActivationPattern
from onnx_lippa.spec import InputSet

_POINTS: Final = 256
"""Points drawn from the ball of the best distance, and as many around the best witness."""
_NARROWEST: Final = 1e-6
"""The smallest neighbourhood of the witness, as a share of the ball."""
_PATIENCE: Final = 3
"""Draws in a row without a region that could be nearer, after which there seems to be none."""


@final
@dataclass(frozen=True)
class NearestRegions(Stage):
    """Distance-mode LPSteps in regions of the ball that the best witness leaves.

    Regions are found by points drawn from that ball and around the witness. In each the network is
    affine, and the distance at which this map reaches the unsafe set is a lower bound of what the
    region holds: regions are solved in its order, and those that cannot be nearer are not.

    Attributes:
        lp_steps: LPSteps for one input.
        most_features: inputs with more free features are left out, since their regions are too
            many.
    """

    lp_steps: int
    most_features: float = np.inf

    def run(self, ledger: Ledger) -> None:
        """See :meth:`Stage.run`."""
        for position in ledger.unsettled():
            if ledger.progress[position].state.problem.inputs.free_features <= self.most_features:
                self._search(ledger, position)

    def _search(self, ledger: Ledger, position: int) -> None:
        entry = ledger.progress[position]
        generator = entry.state.problem.inputs.generator(ledger.settings.seed, "nearest regions")
        last, fruitless = entry.state.effort.lp_steps + self.lp_steps, 0
        while (
            fruitless < _PATIENCE
            and entry.state.effort.lp_steps < last
            and entry.state.seconds_left > 0
        ):
            with ledger.timed([position]):
                regions = self._regions(ledger, position, generator)
            fruitless = 0 if regions else fruitless + 1
            for bound, pattern, disjunct in regions:
                nearest = np.inf if entry.state.witness is None else entry.state.witness.distance
                over = entry.state.effort.lp_steps >= last or entry.state.seconds_left <= 0
                if over or bound >= nearest:
                    break
                distance_step(ledger, position, pattern, disjunct)

    def _regions(
        self, ledger: Ledger, position: int, generator: np.random.Generator
    ) -> list[tuple[float, ActivationPattern, int]]:
        """Regions not solved yet that may be nearer than the witness: bound, pattern, disjunct."""
        entry, network = ledger.progress[position], ledger.model.network
        wanted = entry.state.improving
        inputs = wanted.with_eps(min(wanted.eps, wanted.widest))
        points = _points(
            inputs, None if entry.state.witness is None else entry.state.witness.x, generator
        )
        patterns = _patterns(network, points)
        x = points[list(patterns)]
        keys = [pattern.key for pattern in patterns.values()]
        found: list[tuple[float, int, int]] = []
        for j, disjunct in enumerate(entry.state.problem.unsafe.disjuncts):
            bounds = np.zeros(len(x))
            for row, right in zip(disjunct.matrix, disjunct.bound, strict=True):
                logits, gradient = network.value_and_gradient(
                    x, np.repeat(row[None], len(x), axis=0)
                )
                at_center = logits @ row - right + ((inputs.center - x) * gradient).sum(axis=1)
                slopes = np.maximum(inputs.norm.dual(gradient), np.finfo(np.float64).tiny)
                with np.errstate(over="ignore"):
                    bounds = np.maximum(bounds, at_center / slopes)
            found += [
                (float(bounds[i]), i, j)
                for i in range(len(x))
                if bounds[i] < inputs.eps and (keys[i], j) not in entry.visited
            ]
        every = list(patterns.values())
        return [(bound, every[i], j) for bound, i, j in sorted(found)]


def _points(inputs: InputSet, witness: Floats | None, generator: np.random.Generator) -> Float64:
    """Points of the ball, at all distances, and points around a witness, more of them close."""
    drawn = inputs.sample(generator, 2 * _POINTS)
    if witness is None:
        return drawn
    shares = generator.uniform(size=(_POINTS, 1))
    near = inputs.center + shares * (drawn[:_POINTS] - inputs.center)
    near[::2] = drawn[:_POINTS:2]
    sizes = np.geomspace(_NARROWEST, 1.0, _POINTS)[:, None]
    around = witness.astype(np.float64) + sizes * (drawn[_POINTS:] - inputs.center)
    return np.concatenate([near, inputs.project(around)])


def _patterns(network: Network, points: Float64) -> dict[int, ActivationPattern]:
    """The different patterns of points (n, d), by the first point of each."""
    states = states_of(NumpyAlgebra(), network.steps, network.values(points))
    layers = [np.ascontiguousarray(state) for state in states if state is not None]
    first: dict[bytes, int] = {}
    for row in range(len(points)):
        first.setdefault(b"".join(layer[row].tobytes() for layer in layers), row)
    return {
        row: ActivationPattern.of(layer[row : row + 1] for layer in layers)
        for row in first.values()
    }
