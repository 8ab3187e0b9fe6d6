"""Random search: points drawn from ball and domain, for inputs of few features."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Integers
from onnx_lippa.attacks.stages.state import (
    AttackBatch,
    AttackStage,
    AttackState,
    EndPoint,
    Stream,
    batch_size,
    evaluation_cost,
)
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import Problem
from onnx_lippa.state import timed
from onnx_lippa.witness import FoundBy, Witness, check_candidate

MOST_FEATURES: Final = 32
"""Of more free features random points say little, and the stage does nothing."""
_AT_FIRST: Final = 64
_AT_MOST: Final = 4096
"""Points drawn together: few at first, since a network may be large."""
_WORK: Final = 1 << 25
"""Multiplications for points without a limit of time; a hundredth of a second."""
_KEPT: Final = 8
"""Points of the least margin that are remembered for each disjunct."""
_DISJUNCTS: Final = 24
"""Disjuncts looked at after each draw, the nearest first: no more end points are remembered."""
_SAMPLES: Final = 64
_FEW_SAMPLES: Final = 4
"""Points of a box of few features in :func:`sample_boxes`, and of any other."""
_CHECKED: Final = 4
"""Points of a box that are checked there."""


@final
@dataclass(frozen=True)
class RandomSearch(AttackStage):
    """Draws points of ball and domain, and keeps the best of them as end points of round 0.

    Where the distance is minimised, they are drawn from balls of all sizes up to the largest, and
    the nearest unsafe ones are offered.

    Attributes:
        points: how many points; fewer of a large network, unless there is a limit of time.
        seconds: time after which no more are drawn.
        stream: where the points come from.
    """

    points: int
    seconds: float = np.inf
    stream: Stream = Stream.RANDOM_SEARCH

    @override
    def run(self, batch: AttackBatch) -> None:
        for attack in batch.open():
            problem = attack.state.problem
            if problem.inputs.free_features > MOST_FEATURES:
                continue
            if problem.minimize:
                with timed([attack.state]):
                    self._search_all_distances(attack)
            elif attack.is_unbroken:
                with timed([attack.state]) as deadline:
                    self._search(attack, deadline)

    def _search(self, attack: AttackState, deadline: float) -> None:
        problem, model = attack.state.problem, attack.model
        generator = attack.generator(self.stream)
        most = batch_size(model.network, _AT_MOST)
        _ = model.values  # compiled on first use, which is no part of the seconds
        last = min(deadline, time.monotonic() + self.seconds)
        drawn, count = 0, min(_AT_FIRST, most)
        wanted = self._affordable(model)
        while drawn < wanted and time.monotonic() < last:
            x = problem.inputs.sample(generator, count)
            if _keep_best(attack, x, _margins(attack, x)):
                return
            drawn, count = drawn + count, min(2 * count, most)

    def _affordable(self, model: Model) -> int:
        if np.isfinite(self.seconds):
            return self.points
        return min(self.points, _WORK // evaluation_cost(model.network))

    def _search_all_distances(self, attack: AttackState) -> None:
        count = self._affordable(attack.model)
        inputs = attack.inputs.with_eps(min(attack.inputs.eps, attack.inputs.widest))
        generator = attack.generator(self.stream)
        # Near ones are drawn as often as far ones: as shares of the ball, and of the domain.
        points = inputs.sample(generator, count)
        bounded = np.isfinite(inputs.upper - inputs.lower)
        whole = generator.uniform(size=points.shape)
        width = np.where(bounded, inputs.upper - inputs.lower, 0)
        whole = np.where(bounded, inputs.lower + whole * width, points)
        points = np.where(np.arange(count)[:, None] % 2 == 0, points, inputs.project(whole))
        shares = generator.uniform(size=(count, 1))
        points = inputs.center + shares * (points - inputs.center)
        if not count:
            return
        margins = _margins(attack, points)
        lengths = inputs.norm.lengths(points - inputs.center)
        for j in range(margins.shape[1]):
            unsafe = np.flatnonzero(margins[:, j] < 0)
            for row in unsafe[np.argsort(lengths[unsafe], kind="stable")[:_KEPT]]:
                if attack.state.offer(points[row], FoundBy.SAMPLING):
                    break


def _margins(attack: AttackState, x: Float64) -> Float64:
    """Margins (n, disjuncts) of points; infinite where the network gives no number."""
    margins = attack.state.problem.unsafe.margins(attack.model.values.forward(x))
    return np.where(np.isnan(margins), np.inf, margins)


def _keep_best(attack: AttackState, x: Float64, margins: Float64) -> bool:
    """Remembers the best points of the nearest disjuncts; True where one of them is a witness."""
    points: list[EndPoint] = []
    for j in np.argsort(margins.min(axis=0), kind="stable")[:_DISJUNCTS]:
        for row in _least(margins[:, j], _KEPT):
            least = float(margins[row, j])
            if least <= 0 and attack.state.offer(x[row], FoundBy.SAMPLING):
                return True
            points.append(EndPoint(least, int(j), x[row].copy(), 0))
    attack.remember(points)
    return False


def _least(values: Float64, count: int) -> Integers:
    """Places of the least values, in order."""
    places = np.arange(len(values))
    if len(values) > count:
        places = np.sort(np.argpartition(values, count)[:count])
    return places[np.argsort(values[places], kind="stable")]


@dataclass(frozen=True)
class BoxSample:
    """What some points of one box show.

    Attributes:
        problem: the problem of the box.
        margin: the least margin of the points.
        witness: a witness among them, or None.
    """

    problem: Problem
    margin: float
    witness: Witness | None


def sample_boxes(model: Model, problems: Iterable[Problem], seed: int) -> Iterator[BoxSample]:
    """Evaluates the centre and some random points of each box, many boxes together.

    The points of a box depend on the seed and the box, not on the others.

    Args:
        model: the model.
        problems: the boxes; each is made when its turn comes.
        seed: where random points come from.
    """
    coming = iter(problems)
    together = batch_size(model.network, _AT_MOST)
    while batch := list(islice(coming, max(1, together // _SAMPLES))):
        points = [_sample(problem, seed) for problem in batch]
        logits = model.values.forward(np.concatenate(points))
        ends = np.cumsum([len(x) for x in points])
        for problem, x, part in zip(batch, points, np.split(logits, ends[:-1]), strict=True):
            margins = problem.unsafe.margins(part).min(axis=1, initial=np.inf)
            margins[np.isnan(margins)] = np.inf
            yield BoxSample(problem, float(margins.min()), _check_best(model, problem, x, margins))


def _sample(problem: Problem, seed: int) -> Float64:
    inputs = problem.inputs
    count = _SAMPLES if inputs.free_features <= MOST_FEATURES else _FEW_SAMPLES
    generator = inputs.generator(seed, Stream.FIRST_SAMPLES.value)
    return np.concatenate([inputs.center[None], inputs.sample(generator, count - 1)])


def _check_best(model: Model, problem: Problem, x: Float64, margins: Float64) -> Witness | None:
    """The first witness among the best points."""
    for row in np.argsort(margins, kind="stable")[:_CHECKED]:
        if margins[row] > 0:
            return None
        witness = check_candidate(
            model.runtime, x[row], problem.inputs, problem.unsafe, problem.claim
        )
        if witness is not None:
            return witness
    return None
