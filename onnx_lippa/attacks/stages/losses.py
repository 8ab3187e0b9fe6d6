"""Losses of attacks as functions of the margins, by name: margin, ce and dlr.

With the label's logit as 0, the logit of a class is minus its margin, so the cross-entropy and the
DLR loss depend on the logits through the margins alone. Where only some classes are targets, the
losses are those of a classifier with the label and these classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Integers
from onnx_lippa.attacks.stages.oracle import LeastMargin, Loss, OneMargin

LOSS_NAMES: Final = ("margin", "ce", "dlr")
"""The names of losses."""
_SURE: Final = -30.0
"""Logarithm of the others' odds below which ``log(1 + odds)`` is the odds."""
_TINY: Final = 1e-12
"""Added to the denominator of the DLR loss, which is 0 where logits are equal."""


@final
@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Cross-entropy of the label, ``log(1 + sum exp(-margin))``, which an attack maximises.

    The loss is minus its logarithm: it has the same directions of descent and orders points alike,
    and its slopes do not vanish where the network is sure of the label.
    """

    @override
    def evaluate(self, margins: Float64) -> tuple[Float64, Float64]:
        odds = np.logaddexp.reduce(-margins, axis=1)
        entropy = np.logaddexp(0.0, odds)
        is_sure = odds < _SURE
        logarithm = np.where(is_sure, odds, np.log(np.where(is_sure, 1.0, entropy)))
        slopes = np.exp(-margins - (entropy + logarithm)[:, None])
        return -logarithm, slopes


@final
@dataclass(frozen=True)
class TargetedCrossEntropy(Loss):
    """Cross-entropy of the target of each row.

    Attributes:
        targets: (n,) the disjunct of each row.
    """

    targets: Integers

    @override
    def evaluate(self, margins: Float64) -> tuple[Float64, Float64]:
        every = np.arange(len(margins))
        total = np.logaddexp(0.0, np.logaddexp.reduce(-margins, axis=1))
        slopes = -np.exp(-margins - total[:, None])
        slopes[every, self.targets] += 1.0
        return margins[every, self.targets] + total, slopes


@final
@dataclass(frozen=True)
class LogitRatio(Loss):
    """DLR, the difference of logits ratio (Croce & Hein, 2020).

    The least margin, over the difference of the largest and the third largest logit. A row with
    fewer than three logits has the margin alone.
    """

    @override
    def evaluate(self, margins: Float64) -> tuple[Float64, Float64]:
        targets = margins.argmin(axis=1)
        return _ratio(margins, targets, ((2, 1.0),))


@final
@dataclass(frozen=True)
class TargetedLogitRatio(Loss):
    """Targeted DLR (Croce & Hein, 2020).

    The margin of the target, over the difference of the largest logit and the mean of the third
    and the fourth largest. A row with fewer than four logits has the margin alone.

    Attributes:
        targets: (n,) the disjunct of each row.
    """

    targets: Integers

    @override
    def evaluate(self, margins: Float64) -> tuple[Float64, Float64]:
        return _ratio(margins, self.targets, ((2, 0.5), (3, 0.5)))


def make_loss(name: str, targets: Integers | None) -> Loss:
    """The loss of a name: the targeted one for targets (n,), the untargeted one without them."""
    if targets is None:
        if name == "margin":
            return LeastMargin()
        return CrossEntropy() if name == "ce" else LogitRatio()
    if name == "margin":
        return OneMargin(targets)
    return TargetedCrossEntropy(targets) if name == "ce" else TargetedLogitRatio(targets)


def _ratio(
    margins: Float64, targets: Integers, subtracted: tuple[tuple[int, float], ...]
) -> tuple[Float64, Float64]:
    """A margin (n,) over the largest logit minus logits of some ranks, and its slopes.

    Args:
        margins: (n, disjuncts) margins.
        targets: (n,) the disjunct of the margin.
        subtracted: ranks, from 0, and weights of the logits that are subtracted.
    """
    every, label = np.arange(len(margins)), margins.shape[1]
    logits = np.concatenate([-margins, np.zeros((len(margins), 1))], axis=1)
    order = np.argsort(-logits, axis=1, kind="stable")
    most = subtracted[-1][0]
    has_ratio = np.zeros(len(margins), dtype=bool)
    if most <= label:
        has_ratio = np.isfinite(logits[every, order[:, most]])
    spread, slopes = np.ones(len(margins)), np.zeros_like(logits)
    rows = np.flatnonzero(has_ratio)
    spread[rows] = _TINY
    for rank, weight in ((0, 1.0), *((rank, -weight) for rank, weight in subtracted)):
        if rows.size:
            chosen = order[rows, rank]
            spread[rows] += weight * logits[rows, chosen]
            slopes[rows, chosen] -= weight  # of the spread; a logit is minus its margin
    losses = margins[every, targets] / spread
    slopes = slopes[:, :label] * (-losses / spread)[:, None]
    slopes[every, targets] += 1.0 / spread
    return losses, slopes
