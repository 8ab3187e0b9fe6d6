"""The rows of a batched walk: every (input, disjunct, restart) is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.spec import Norm, Problem
from onnx_lippa.spec.norms.base import Projector


@dataclass(frozen=True)
class RowBatch:
    """Starting points and what they are pushed towards, in the model's type.

    Attributes:
        owner: (n,) position of each row's problem in the caller's list.
        disjunct: (n,) which disjunct of its problem the row is after.
        start: (n, d) starting points.
        center: (n, d) clean inputs.
        eps: (n,) radii.
        matrix: (n, m, k) rows of the disjuncts, padded by repetition.
        bound: (n, m) right sides.
        lower: (n, d) boxes; they differ where features keep their clean values.
        upper: (n, d) boxes.
        norm: the norm of all rows.
    """

    owner: Integers
    disjunct: Integers
    start: Floats
    center: Floats
    eps: Floats
    matrix: Floats
    bound: Floats
    lower: Floats
    upper: Floats
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
            self.lower[kept],
            self.upper[kept],
            self.norm,
        )

    def owned_by_rows(self) -> RowBatch:
        """The same rows, each its own owner."""
        return replace(self, owner=np.arange(self.count))

    def projector(self) -> Projector:
        """Moves one point of each row into its ball and its box."""
        return self.norm.projector(self.center, self.eps, self.lower, self.upper)

    def margins(self, logits: Floats) -> tuple[Floats, Floats]:
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
        problems: the problems; all share the norm.
        pairs: position of the problem and of the disjunct, one pair a row.
        starts: (d,) starting point of each row.
        eps: (rows,) radii; those of the problems when None.
    """
    shared = problems[0].inputs
    dtype = shared.dtype
    disjuncts = [problems[p].unsafe.disjuncts[j] for p, j in pairs]
    most = max(len(disjunct.bound) for disjunct in disjuncts)
    repeats = [np.arange(most) % len(disjunct.bound) for disjunct in disjuncts]
    radii = np.array([problems[p].inputs.eps for p, _ in pairs]) if eps is None else eps
    with np.errstate(over="ignore"):  # beyond the type it is infinite
        matrix = np.array([c.matrix[r] for c, r in zip(disjuncts, repeats, strict=True)]).astype(
            dtype
        )
        bound = np.array([c.bound[r] for c, r in zip(disjuncts, repeats, strict=True)]).astype(
            dtype
        )
    return RowBatch(
        owner=np.array([p for p, _ in pairs], dtype=np.int64),
        disjunct=np.array([j for _, j in pairs], dtype=np.int64),
        start=np.array(starts, dtype=dtype),
        center=np.array([problems[p].inputs.center for p, _ in pairs], dtype=dtype),
        eps=radii.astype(dtype),
        matrix=matrix,
        bound=bound,
        lower=np.array([problems[p].inputs.lower for p, _ in pairs], dtype=dtype),
        upper=np.array([problems[p].inputs.upper for p, _ in pairs], dtype=dtype),
        norm=shared.norm,
    )
