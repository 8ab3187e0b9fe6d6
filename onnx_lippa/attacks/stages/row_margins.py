"""The margins of the rows of a batch, and what logits are weighted with for a function of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.attacks.stages.state import AttackState

_FAR: Final = np.inf
"""The margin of a disjunct that an input does not have."""


@dataclass(frozen=True)
class Margins:
    """The margins of some rows.

    Attributes:
        values: (n, disjuncts) margins; infinite for disjuncts that a row does not have.
        rows: for each attack, the values of its disjuncts' rows; empty where each has one row.
    """

    values: Float64
    rows: tuple[Float64, ...] = ()


class RowMargins(ABC):
    """How the margins of the rows of a batch follow from logits.

    What it says of a row does not depend on the others.
    """

    @abstractmethod
    def evaluate(self, logits: Floats) -> Margins:
        """The margins at logits (n, k)."""

    @abstractmethod
    def weighting(self, margins: Margins, slopes: Float64) -> Float64:
        """Weights of the logits (n, k) for slopes (n, disjuncts) of a function of the margins."""


def make_row_margins(attacks: Sequence[AttackState], outputs: int) -> RowMargins:
    """The margins of rows: by columns where all are labels of a classifier, else by matrices.

    Args:
        attacks: the attack of each row.
        outputs: number of outputs k.
    """
    sets = [attack.state.problem.unsafe for attack in attacks]
    labels = [one.label for one in sets if one.label is not None]
    if len(labels) < len(sets) or len({len(one.disjuncts) for one in sets}) > 1:
        owned: dict[AttackState, list[int]] = {}
        for row, attack in enumerate(attacks):
            owned.setdefault(attack, []).append(row)
        rows = {attack: np.array(own, dtype=np.int64) for attack, own in owned.items()}
        return MatrixMargins(rows, outputs)
    others = np.array([one.others for one in sets])
    return LabelMargins(np.array(labels, dtype=np.int64)[:, None], others, outputs)


@final
@dataclass(frozen=True)
class LabelMargins(RowMargins):
    """Margins ``s_y - s_t`` of classifiers.

    Attributes:
        label: (n, 1) the label y of each row.
        others: (n, disjuncts) the classes t.
        outputs: number of outputs k.
    """

    label: Integers
    others: Integers
    outputs: int

    @override
    def evaluate(self, logits: Floats) -> Margins:
        s = logits.astype(np.float64)
        at_label = np.take_along_axis(s, self.label, axis=1)
        return Margins(at_label - np.take_along_axis(s, self.others, axis=1))

    @override
    def weighting(self, margins: Margins, slopes: Float64) -> Float64:
        weights = np.zeros((len(slopes), self.outputs))
        np.put_along_axis(weights, self.others, -slopes, axis=1)
        np.put_along_axis(weights, self.label, slopes.sum(axis=1, keepdims=True), axis=1)
        return weights


@final
@dataclass(frozen=True)
class MatrixMargins(RowMargins):
    """Margins of any disjuncts, attack by attack.

    Attributes:
        owned: the rows of each attack.
        outputs: number of outputs k.
    """

    owned: Mapping[AttackState, Integers]
    outputs: int

    @override
    def evaluate(self, logits: Floats) -> Margins:
        most = max(len(attack.disjuncts) for attack in self.owned)
        margins, every = np.full((len(logits), most), _FAR), []
        for attack, rows in self.owned.items():
            found, values = attack.disjunct_rows.margins(logits[rows])
            margins[rows, : found.shape[1]] = found
            every.append(values)
        return Margins(margins, tuple(every))

    @override
    def weighting(self, margins: Margins, slopes: Float64) -> Float64:
        weights = np.zeros((len(slopes), self.outputs))
        for (attack, rows), values in zip(self.owned.items(), margins.rows, strict=True):
            own = slopes[rows][:, : len(attack.disjuncts)]
            weights[rows] = attack.disjunct_rows.weighting(values, own)
        return weights
