"""The batched walk: gradients explore, the judge decides."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import Floats, Integers
from onnx_lippa.attacks.methods import GradientMethod, Walk
from onnx_lippa.attacks.rows import RowBatch
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.onnx_io import GradientRuntime

_CHECK_EVERY = 5
"""Steps between looks at which rows have reached an unsafe point."""

Candidate = Callable[[int, Floats], bool]
"""Told an owner and a point (d,) of negative margin; True where it holds."""


@dataclass(frozen=True)
class Explored:
    """Where a walk got to.

    Attributes:
        best: (n, d) point of least margin each row met.
        margin: (n,) its margin in the type of the rows.
        gradients: (n,) gradients evaluated for each row.
    """

    best: Floats
    margin: Floats
    gradients: Integers


def explore(
    runtime: GradientRuntime,
    rows: RowBatch,
    method: GradientMethod,
    steps: int,
    accept: Candidate,
    deadline: float = np.inf,
) -> Explored:
    """Walks every row, and stops those whose owner has a witness.

    Args:
        runtime: value and gradient.
        rows: the rows.
        method: how to move.
        steps: gradient steps of each row.
        accept: judges candidates; an owner it accepts one for is left alone from then on.
        deadline: ``time.monotonic()`` at which to stop early.
    """
    best = rows.start.copy()
    least = np.full(rows.count, np.inf, dtype=rows.start.dtype)
    alive = np.arange(rows.count)
    current, x, previous = rows, rows.start.copy(), rows.start
    project, evaluated = rows.projector(), np.zeros(rows.count, dtype=np.int64)
    matrix = rows.matrix[:, 0]
    for step in range(steps + 1):
        try:
            logits, gradient = runtime.value_and_gradient(x, matrix, deadline)
        except OutOfTimeError:
            _accepted(current, best[alive], least[alive], accept)
            break
        evaluated[alive] += 1
        margin, weighting = current.margins(logits)
        if current.matrix.shape[1] > 1 and not np.array_equal(weighting, matrix):
            # Another inequality of the conjunction is now the worst one: its gradient counts.
            evaluated[alive] += np.any(weighting != matrix, axis=1)
            matrix = weighting
            gradient = runtime.value_and_gradient(x, matrix)[1]
        better = np.flatnonzero(margin < least[alive])
        least[alive[better]] = margin[better]
        best[alive[better]] = x[better]
        last = step == steps or time.monotonic() > deadline
        if step % _CHECK_EVERY == 0 or last:
            done = _accepted(current, best[alive], least[alive], accept)
            if done:
                kept = np.flatnonzero(~np.isin(current.owner, sorted(done)))
                alive, current = alive[kept], current.only(kept)
                x, previous, gradient = x[kept], previous[kept], gradient[kept]
                matrix, project = matrix[kept], current.projector()
        if last or alive.size == 0:
            break
        box = current.lower, current.upper
        walk = Walk(x, previous, gradient, current.eps, *box, current.norm, project, step, steps)
        previous, x = x, method.move(walk)
    return Explored(best, least, evaluated)


def _accepted(rows: RowBatch, best: Floats, least: Floats, accept: Candidate) -> set[int]:
    """Owners for whom one of the rows' best points holds as a witness."""
    done: set[int] = set()
    for row in np.flatnonzero(least <= 0):
        owner = int(rows.owner[row])
        if owner not in done and accept(owner, best[row]):
            done.add(owner)
    return done
