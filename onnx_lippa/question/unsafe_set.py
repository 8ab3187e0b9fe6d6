"""The outputs that count as a failure: an or of ands of linear inequalities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.errors import InputError


@dataclass(frozen=True)
class Conjunction:
    """Outputs with ``matrix @ y < bound`` (or ``<=``) in every row.

    Attributes:
        matrix: (rows, k) coefficients.
        bound: (rows,) right sides.
        strict: whether a tie does not count.
        target: the class this conjunction stands for, or -1.
        exact: whether the coefficients are those stated; where float64 lacks one, the nearest is
            taken, which guides a search and proves nothing.
    """

    matrix: Float64
    bound: Float64
    strict: bool = True
    target: int = -1
    exact: bool = True

    def margins(self, outputs: Floats) -> Float64:
        """``max_i matrix_i @ y - bound_i`` for outputs (n, k): unsafe below 0; shape (n,)."""
        # The row-wise form keeps the sign of a difference of two outputs exact.
        with np.errstate(invalid="ignore"):  # outputs that are not finite: no margin, nan
            values = outputs.astype(np.float64) @ self.matrix.T - self.bound
        return np.max(values, axis=1, initial=-np.inf)  # without rows, every output is unsafe

    def contains(self, outputs: Floats) -> bool:
        """Whether one output vector (k,) is unsafe, with no tolerance."""
        margin = float(self.margins(outputs[None])[0])
        return margin < 0 if self.strict else margin <= 0


@dataclass(frozen=True)
class UnsafeSet:
    """The union of its conjunctions.

    Attributes:
        disjuncts: the conjunctions; for a classifier, one for every target class.
    """

    disjuncts: tuple[Conjunction, ...]

    def contains(self, outputs: Floats) -> bool:
        """Whether one output vector (k,) is unsafe, with no tolerance."""
        return any(disjunct.contains(outputs) for disjunct in self.disjuncts)

    def margins(self, outputs: Floats) -> Float64:
        """Margin of every disjunct for outputs (n, k); shape (n, disjuncts)."""
        columns = [disjunct.margins(outputs) for disjunct in self.disjuncts]
        return np.stack(columns, axis=1) if columns else np.zeros((len(outputs), 0))

    @classmethod
    def misclassification(
        cls, label: int, classes: int, targets: Sequence[int] | None = None
    ) -> UnsafeSet:
        """Outputs that give a target class more than the label: ``s_t > s_y`` for some t.

        Args:
            label: the true class y.
            classes: number of classes k.
            targets: the classes t that count; all but the label when None. The label itself
                is left out wherever it occurs.

        Raises:
            InputError: a label or target that is not a class.
        """
        chosen = range(classes) if targets is None else targets
        for given in (label, *chosen):
            if not 0 <= given < classes:
                raise InputError(
                    f"class {given} does not exist: the model has {classes} outputs, "
                    f"so classes run from 0 to {classes - 1}"
                )
        identity = np.eye(classes)
        return cls(
            tuple(
                Conjunction((identity[label] - identity[t])[None], np.zeros(1), True, t)
                for t in chosen
                if t != label
            )
        )
