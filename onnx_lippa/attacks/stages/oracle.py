"""Margins and gradients of losses of them at the points of many inputs, timed and counted.

Attacks that descend on one loss for each input, and not on each disjunct's margin by itself, state
it as a function of all margins (:class:`Loss`): the margins of a classifier are the label's logit
minus those of the other classes, and every loss in use depends on the logits through them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.attacks.stages.row_margins import make_row_margins
from onnx_lippa.attacks.stages.state import AttackState
from onnx_lippa.state import Work, timed
from onnx_lippa.witness import Effort, FoundBy


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


_ONE_GRADIENT: Final = Effort(gradients=1)
_ONE_QUERY: Final = Effort(queries=1)


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
        self.states = [attack.state for attack in attacks]
        self._model = attacks[0].model
        self._margins = make_row_margins(attacks, self._model.network.output_size)

    def take(self, kept: Integers) -> MarginOracle:
        """The oracle of some of the rows."""
        return MarginOracle([self.attacks[i] for i in kept])

    def margins(self, x: Floats) -> Float64:
        """Margins (n, disjuncts) at points (n, d), one for each row; each is one query."""
        with timed(self.states, each=_ONE_QUERY):
            return self._margins.evaluate(self._forward(x)).values

    def evaluate(self, x: Floats, loss: Loss) -> Evaluation:
        """Margins, losses and gradients of the losses at points (n, d), one for each row."""
        with timed(self.states, Work.GRADIENTS, _ONE_GRADIENT):
            margins = self._margins.evaluate(self._forward(x))
            losses, slopes = loss.evaluate(margins.values)
            gradient = self._gradient(x, self._margins.weighting(margins, slopes))
        return Evaluation(margins.values, losses, gradient)

    def gradients(self, x: Floats, disjuncts: Integers) -> tuple[Float64, Floats]:
        """Margins (n, m) of some disjuncts (n, m) of each row and their gradients (n, m, d)."""
        rows, count = disjuncts.shape
        with timed(self.states, Work.GRADIENTS, Effort(gradients=count)):
            margins = self._margins.evaluate(self._forward(x))
            gradients = np.empty((rows, count, x.shape[1]), dtype=self._model.interface.dtype)
            for place in range(count):
                slopes = OneMargin(disjuncts[:, place]).evaluate(margins.values)[1]
                gradients[:, place] = self._gradient(x, self._margins.weighting(margins, slopes))
        return np.take_along_axis(margins.values, disjuncts, axis=1), gradients

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
