"""Margins and gradients of losses of them at the points of many inputs, timed and counted.

Attacks that descend on one loss for each input, and not on each disjunct's margin by itself, state
it as a function of all margins (:class:`Loss`): the margins of a classifier are the label's logit
minus those of the other classes, and every loss in use depends on the logits through them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.attacks.stages.state import AttackState
from onnx_lippa.state import Work, timed
from onnx_lippa.witness import Effort, FoundBy

_FAR: Final = np.inf
"""The margin of a disjunct that an input does not have."""


class Loss(ABC):
    """A function of the margins of an input's disjuncts, which an attack minimises."""

    @abstractmethod
    def evaluate(self, margins: Float64) -> tuple[Float64, Float64]:
        """The loss and its slopes.

        Args:
            margins: (n, disjuncts) margins; infinite for disjuncts that a row does not have.

        Returns:
            (n,) losses, and (n, disjuncts) their derivatives by the margins, 0 where a margin is
            infinite.
        """


@final
@dataclass(frozen=True)
class LeastMargin(Loss):
    """The least margin: the distance of the label's logit to the largest other one."""

    @override
    def evaluate(self, margins: Float64) -> tuple[Float64, Float64]:
        least = margins.argmin(axis=1)
        every = np.arange(len(margins))
        slopes = np.zeros_like(margins)
        slopes[every, least] = 1.0
        return margins[every, least], slopes


@final
@dataclass(frozen=True)
class OneMargin(Loss):
    """The margin of a chosen disjunct of each row: a targeted attack.

    Attributes:
        disjuncts: (n,) the disjunct of each row.
    """

    disjuncts: Integers

    @override
    def evaluate(self, margins: Float64) -> tuple[Float64, Float64]:
        every = np.arange(len(margins))
        slopes = np.zeros_like(margins)
        slopes[every, self.disjuncts] = 1.0
        return margins[every, self.disjuncts], slopes


@dataclass(frozen=True)
class Evaluation:
    """What an oracle says of points.

    Attributes:
        margins: (n, disjuncts) margins; infinite for disjuncts that a row does not have.
        losses: (n,) losses.
        gradient: (n, d) gradients of the losses, in the model's type.
    """

    margins: Float64
    losses: Float64
    gradient: Floats

    @property
    def least(self) -> Float64:
        """(n,) the least margin of each row."""
        return self.margins.min(axis=1)

    def take(self, kept: Integers) -> Evaluation:
        """What is said of some of the points."""
        return Evaluation(self.margins[kept], self.losses[kept], self.gradient[kept])


@final
class MarginOracle:
    """Evaluates points of the rows of a batch, on behalf of their attacks.

    Evaluations are timed and counted for the input of each row. Points with a margin of at most 0
    are offered as witnesses by :meth:`offer`.

    Args:
        attacks: the attack of each row, all with one model.
    """

    def __init__(self, attacks: Sequence[AttackState]) -> None:
        self.attacks = tuple(attacks)
        self._model = attacks[0].model
        self._most = max(len(attack.disjuncts) for attack in attacks)

    @cached_property
    def owned(self) -> Mapping[AttackState, Integers]:
        """The rows of each attack."""
        owned: dict[AttackState, list[int]] = {}
        for row, attack in enumerate(self.attacks):
            owned.setdefault(attack, []).append(row)
        return {attack: np.array(rows, dtype=np.int64) for attack, rows in owned.items()}

    def take(self, kept: Integers) -> MarginOracle:
        """The oracle of some of the rows."""
        return MarginOracle([self.attacks[i] for i in kept])

    def margins(self, x: Floats) -> Float64:
        """Margins (n, disjuncts) at points (n, d), one for each row; each is one query."""
        with timed([attack.state for attack in self.attacks]):
            margins = self._margins(self._forward(x))[0]
        for attack, rows in self.owned.items():
            attack.state.effort += Effort(queries=len(rows))
        return margins

    def evaluate(self, x: Floats, loss: Loss) -> Evaluation:
        """Margins, losses and gradients of the losses at points (n, d), one for each row."""
        with timed([attack.state for attack in self.attacks], Work.GRADIENTS):
            margins, values = self._margins(self._forward(x))
            losses, slopes = loss.evaluate(margins)
            weighting = self._weighting(values, slopes)
            gradient = self._gradient(x, weighting)
        self._count(1)
        return Evaluation(margins, losses, gradient)

    def gradients(self, x: Floats, disjuncts: Integers) -> tuple[Float64, Floats]:
        """Margins (n, m) of some disjuncts (n, m) of each row and their gradients (n, m, d)."""
        rows, count = disjuncts.shape
        with timed([attack.state for attack in self.attacks], Work.GRADIENTS):
            margins, values = self._margins(self._forward(x))
            gradients = np.empty((rows, count, x.shape[1]), dtype=self._model.interface.dtype)
            for place in range(count):
                chosen = OneMargin(disjuncts[:, place])
                weighting = self._weighting(values, chosen.evaluate(margins)[1])
                gradients[:, place] = self._gradient(x, weighting)
        self._count(count)
        return np.take_along_axis(margins, disjuncts, axis=1), gradients

    def offer(self, x: Floats, least: Float64, found_by: FoundBy = FoundBy.GRADIENT) -> list[int]:
        """Offers the points (n, d) of least margin at most 0; returns the rows of witnesses.

        A point that is no nearer than the last witness is not offered, where the distance is
        minimised.
        """
        accepted = []
        for row in np.flatnonzero(least <= 0):
            state = self.attacks[row].state
            if state.is_open and state.offer(x[row], found_by):
                accepted.append(int(row))
        return accepted

    def _forward(self, x: Floats) -> Floats:
        return self._model.values.forward(x.astype(self._model.interface.dtype, copy=False))

    def _gradient(self, x: Floats, weighting: Float64) -> Floats:
        dtype = self._model.interface.dtype
        gradient = self._model.gradient.value_and_gradient(
            x.astype(dtype, copy=False), weighting.astype(dtype)
        )[1]
        return gradient

    def _margins(self, logits: Floats) -> tuple[Float64, list[Float64]]:
        """Margins, and for the rows of each attack the values of its disjuncts' rows."""
        margins = np.full((len(logits), self._most), _FAR)
        values = []
        for attack, rows in self.owned.items():
            found, every = attack.disjunct_rows.margins(logits[rows])
            margins[rows, : found.shape[1]] = found
            values.append(every)
        return margins, values

    def _weighting(self, values: Sequence[Float64], slopes: Float64) -> Float64:
        weighting = np.zeros((len(slopes), self._model.network.output_size))
        for (attack, rows), every in zip(self.owned.items(), values, strict=True):
            own = slopes[rows][:, : len(attack.disjuncts)]
            weighting[rows] = attack.disjunct_rows.weighting(every, own)
        return weighting

    def _count(self, gradients: int) -> None:
        for attack, rows in self.owned.items():
            attack.state.effort += Effort(gradients=gradients * len(rows))
