"""A first look at many boxes at once: which of them comes nearest to what is sought?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.attacks.batches import points_at_once
from onnx_lippa.attacks.stages import MOST_FEATURES
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import Problem
from onnx_lippa.witness import Witness, check_candidate

_POINTS: Final = 64
_FEW_POINTS: Final = 4
"""Points of a box of few features, where chance goes far, and of any other."""
_AT_MOST: Final = 4096
"""Points evaluated together."""
_OFFERED: Final = 4
"""Points of a box that are replayed."""


@dataclass(frozen=True)
class Glimpse:
    """What was seen of one box.

    Attributes:
        problem: the problem of the box.
        margin: the least margin met.
        witness: a point that holds, or None.
    """

    problem: Problem
    margin: float
    witness: Witness | None


def glance(model: Model, problems: Iterable[Problem], seed: int) -> Iterator[Glimpse]:
    """Evaluates the centre and some random points of each box, many boxes together.

    What is seen of a box depends on the seed and the box, not on the others.

    Args:
        model: the model.
        problems: the boxes; each is only asked for when its turn comes.
        seed: where random points come from.
    """
    coming = iter(problems)
    together = points_at_once(model.network, _AT_MOST)
    while batch := list(islice(coming, max(1, together // _POINTS))):
        points = [_points(problem, seed) for problem in batch]
        logits = model.values.forward(np.concatenate(points))
        ends = np.cumsum([len(x) for x in points])
        for problem, x, part in zip(batch, points, np.split(logits, ends[:-1]), strict=True):
            margins = problem.unsafe.margins(part).min(axis=1, initial=np.inf)
            margins[np.isnan(margins)] = np.inf
            yield Glimpse(problem, float(margins.min()), _held(model, problem, x, margins))


def _points(problem: Problem, seed: int) -> Float64:
    inputs = problem.inputs
    count = _POINTS if inputs.free_features <= MOST_FEATURES else _FEW_POINTS
    drawn = inputs.sample(problem.inputs.generator(seed, "glance"), count - 1)
    return np.concatenate([inputs.center[None], drawn])


def _held(model: Model, problem: Problem, x: Float64, margins: Float64) -> Witness | None:
    """The witness that one of the best points is."""
    for row in np.argsort(margins, kind="stable")[:_OFFERED]:
        if margins[row] > 0:
            return None
        witness = check_candidate(
            model.runtime, x[row], problem.inputs, problem.unsafe, problem.claim
        )
        if witness is not None:
            return witness
    return None
