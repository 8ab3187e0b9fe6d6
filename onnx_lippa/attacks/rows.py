"""The rows of a batched walk: every (input, disjunct, restart) is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from onnx_lippa.arrays import Float32, Float64, Floats, Integers
from onnx_lippa.attacks.problem import Problem
from onnx_lippa.question import Norm
from onnx_lippa.question.norms.base import Projector


@dataclass(frozen=True)
class RowBatch:
    """Starting points and what they are pushed towards.

    Attributes:
        owner: (n,) position of each row's problem in the caller's list.
        disjunct: (n,) which disjunct of its problem the row is after.
        start: (n, d) float32 starting points.
        center: (n, d) float32 clean inputs.
        eps: (n,) float32 radii.
        matrix: (n, m, k) float32 rows of the disjuncts, padded by repetition.
        bound: (n, m) float32 right sides.
        lower: (d,) float32 box.
        upper: (d,) float32 box.
        norm: the norm of all rows.
    """

    owner: Integers
    disjunct: Integers
    start: Float32
    center: Float32
    eps: Float32
    matrix: Float32
    bound: Float32
    lower: Float32
    upper: Float32
    norm: Norm

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.owner)

    def only(self, kept: Integers) -> RowBatch:
        """Some of the rows."""
        return RowBatch(
            self.owner[kept],
            self.disjunct[kept],
            self.start[kept],
            self.center[kept],
            self.eps[kept],
            self.matrix[kept],
            self.bound[kept],
            self.lower,
            self.upper,
            self.norm,
        )

    def owned_by_rows(self) -> RowBatch:
        """The same rows, each its own owner."""
        return replace(self, owner=np.arange(self.count))

    def projector(self) -> Projector:
        """Moves one point of each row into its ball and the box."""
        return self.norm.projector(self.center, self.eps, self.lower, self.upper)

    def margins(self, logits: Float32) -> tuple[Float32, Float32]:
        """Margins (n,) of logits (n, k), and the weighting (n, k) whose value each one is."""
        values = np.einsum("nmk,nk->nm", self.matrix, logits) - self.bound
        worst = values.argmax(axis=1)
        every = np.arange(len(worst))
        return values[every, worst], self.matrix[every, worst]


def rows_for(
    problems: Sequence[Problem],
    pairs: Sequence[tuple[int, int]],
    starts: Sequence[Floats],
    eps: Float64 | None = None,
) -> RowBatch:
    """The batch of some (problem, disjunct) pairs, each from its own starting point.

    Args:
        problems: the problems; all share norm and box.
        pairs: position of the problem and of the disjunct, one pair a row.
        starts: (d,) starting point of each row.
        eps: (rows,) radii; those of the problems when None.
    """
    shared = problems[0].inputs
    disjuncts = [problems[p].unsafe.disjuncts[j] for p, j in pairs]
    most = max(len(disjunct.bound) for disjunct in disjuncts)
    repeats = [np.arange(most) % len(disjunct.bound) for disjunct in disjuncts]
    radii = np.array([problems[p].inputs.eps for p, _ in pairs]) if eps is None else eps
    return RowBatch(
        owner=np.array([p for p, _ in pairs], dtype=np.int64),
        disjunct=np.array([j for _, j in pairs], dtype=np.int64),
        start=np.array(starts, dtype=np.float32),
        center=np.array([problems[p].inputs.center for p, _ in pairs], dtype=np.float32),
        eps=radii.astype(np.float32),
        matrix=np.array(
            [c.matrix[r] for c, r in zip(disjuncts, repeats, strict=True)], dtype=np.float32
        ),
        bound=np.array(
            [c.bound[r] for c, r in zip(disjuncts, repeats, strict=True)], dtype=np.float32
        ),
        lower=shared.lower.astype(np.float32),
        upper=shared.upper.astype(np.float32),
        norm=shared.norm,
    )
