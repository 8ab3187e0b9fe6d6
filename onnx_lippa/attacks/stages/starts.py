"""Where a round of walks begins."""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

import numpy as np

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.attacks.ledger import Ledger

_DIVERSE_STEPS = 3
"""Steps along a random weighting of the logits: enough to reach another part of the ball."""

Pair: TypeAlias = tuple[int, int, int]
"""Position of a problem, one of its disjuncts, and which of several walks after it."""


class Start(Enum):
    """The kinds of starting point.

    CLEAN is the clean input. DIVERSE lets a random weighting of the logits choose the direction
    (output-diversified initialisation; Tashiro, Song, Ermon 2020), FAR is a random point far out
    on the ball, OTHER the end point of a walk after any of the disjuncts, shaken.
    """

    CLEAN = "clean"
    DIVERSE = "diverse"
    FAR = "far"
    OTHER = "other"


def starting_points(kind: Start, ledger: Ledger, pairs: list[Pair], round_: int) -> list[Float64]:
    """One starting point (d,) for each (position, disjunct, copy), inside ball and box.

    Random numbers depend on the seed, the input, the round, the disjunct and the copy only.
    """
    if kind is Start.CLEAN:
        return [ledger.progress[i].state.problem.inputs.center for i, _, _ in pairs]
    seed = ledger.settings.seed
    generators = [
        ledger.progress[i].state.problem.inputs.generator(seed, "start of a walk", round_, j, copy)
        for i, j, copy in pairs
    ]
    points = [
        _random_point(kind, ledger, i, generator)
        for (i, _, _), generator in zip(pairs, generators, strict=True)
    ]
    if kind is Start.DIVERSE:
        return _diversified(ledger, pairs, points, generators)
    return points


def _random_point(
    kind: Start, ledger: Ledger, position: int, generator: np.random.Generator
) -> Float64:
    entry = ledger.progress[position]
    inputs = entry.state.problem.inputs
    if kind is Start.FAR:
        x = inputs.center + inputs.eps * inputs.norm.sample_extreme(generator, inputs.size)
    else:
        base, reach = inputs.center, inputs.eps
        if kind is Start.OTHER and entry.end_points:
            other = entry.end_points[int(generator.integers(len(entry.end_points)))]
            base, reach = other.x.astype(np.float64), 0.5 * inputs.eps
        x = base + reach * inputs.norm.sample(generator, inputs.size)
    project = inputs.norm.projector(
        inputs.center[None], np.array([inputs.eps]), inputs.lower, inputs.upper
    )
    moved: Float64 = project(x[None])[0]
    return moved


def _diversified(
    ledger: Ledger,
    pairs: list[Pair],
    points: list[Float64],
    generators: list[np.random.Generator],
) -> list[Float64]:
    """The points after some full-length steps that make random combinations of logits grow."""
    inputs = [ledger.progress[i].state.problem.inputs for i, _, _ in pairs]
    k = ledger.model.network.output_size
    weighting = np.array([g.uniform(-1.0, 1.0, k) for g in generators])
    center = np.array([q.center for q in inputs])
    eps = np.array([q.eps for q in inputs])
    box = np.array([q.lower for q in inputs]), np.array([q.upper for q in inputs])
    project = inputs[0].norm.projector(center, eps, *box)
    x: Floats = np.array(points)
    for _ in range(_DIVERSE_STEPS):
        _, gradient = ledger.model.gradient.value_and_gradient(x, weighting)
        x = project(x + eps[:, None] * inputs[0].norm.steepest_descent(-gradient))
    return [row.astype(np.float64) for row in x]
