"""The nearest unsafe point on the line from the clean input along one gradient step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Floats
from onnx_lippa.attacks.stages.losses import make_loss
from onnx_lippa.attacks.stages.oracle import MarginOracle
from onnx_lippa.attacks.stages.pgd import Balls, Iterate
from onnx_lippa.attacks.stages.state import AttackBatch, AttackStage, AttackState, batch_size
from onnx_lippa.state import Work, timed
from onnx_lippa.witness import FoundBy

_POINTS: Final = 64
"""Points of the line evaluated at once."""
_DIVISIONS: Final = 4
"""Times that the line, and then the part of it before the first unsafe point, is divided."""
_TOGETHER: Final = 24
"""Inputs searched together."""
_OFFERED: Final = 4
"""Unsafe points of an input offered at once, until one is a witness."""


@final
@dataclass(frozen=True)
class LineSearch(AttackStage):
    """Evaluates points of a line, and offers the first unsafe one.

    The line is projected onto ball and domain.

    Attributes:
        loss: name of the loss, whose steepest descent at the clean input is the direction.
    """

    loss: str

    @override
    def run(self, batch: AttackBatch) -> None:
        attacks = batch.open()
        most = max(1, batch_size(batch.model.network, _TOGETHER * _POINTS) // _POINTS)
        for first in range(0, len(attacks), most):
            self._search(attacks[first : first + most])

    def _search(self, attacks: Sequence[AttackState]) -> None:
        inputs = [attack.inputs for attack in attacks]
        farthest = np.array([min(one.widest, one.eps) for one in inputs])
        balls = Balls.of(inputs, inputs[0].dtype, farthest)
        evaluation = MarginOracle(attacks).evaluate(balls.center, make_loss(self.loss, None))
        with timed([attack.state for attack in attacks], Work.GRADIENTS):
            center, gradient = balls.center, evaluation.gradient.copy()
            direction = Iterate(center.copy(), center, gradient, balls, 0, 1).direction()
        low, high = np.zeros(len(attacks)), farthest
        rows = list(range(len(attacks)))
        for _ in range(_DIVISIONS):
            rows = [row for row in rows if attacks[row].state.is_open]
            if not rows:
                return
            shares = np.arange(1, _POINTS + 1) / _POINTS
            lengths = low[rows, None] + (high - low)[rows, None] * shares
            every = np.repeat(rows, _POINTS)
            with timed([attacks[row].state for row in rows], Work.GRADIENTS):
                along = lengths.reshape(-1, 1).astype(direction.dtype) * direction[every]
                x = balls.take(every).project(balls.center[every] + along)
            oracle = MarginOracle([attacks[row] for row in rows for _ in range(_POINTS)])
            margins = oracle.margins(x).min(axis=1)
            places = margins.reshape(lengths.shape)
            divided = []
            for i, row in enumerate(rows):
                first = _offer(attacks[row], x[i * _POINTS :][:_POINTS], places[i])
                if first is not None:
                    divided.append(row)
                    high[row] = lengths[i, first]
                    low[row] = lengths[i, first - 1] if first else low[row]
            rows = divided


def _offer(attack: AttackState, x: Floats, margins: Floats) -> int | None:
    """Offers unsafe points of a line (n, d); the number of the first one, or None without any."""
    attack.state.observe(float(margins.min()))
    unsafe = np.flatnonzero(margins <= 0)
    for place in unsafe[:_OFFERED]:
        if attack.state.is_open and attack.state.offer(x[place], FoundBy.GRADIENT):
            break
    return int(unsafe[0]) if unsafe.size else None
