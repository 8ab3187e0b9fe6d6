"""DeepFool: steps to the nearest face of the linearised decision region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Floats, Integers
from onnx_lippa.attacks.base import AttackMethod, require_least
from onnx_lippa.attacks.stages.hyperplanes import choose_disjuncts, nearest_hyperplanes
from onnx_lippa.attacks.stages.nearest import NearestRows, split_open
from onnx_lippa.attacks.stages.state import AttackBatch, AttackStage, AttackState
from onnx_lippa.errors import InputError
from onnx_lippa.spec import Problem
from onnx_lippa.state import timed

_EXTRA: Final = 1e-4
"""What the authors' code adds to the length of a step."""
_FLAT: Final = 1e-30
_ROWS: Final = 256
"""Inputs worked on together."""


@final
@dataclass(frozen=True)
class DeepFool(AttackMethod):
    """DeepFool (Moosavi-Dezfooli, Fawzi, Frossard, CVPR 2016) in ℓ2, ℓ∞ and ℓ1.

    Each step linearises the margins, goes to the nearest of the hyperplanes where one of them is 0,
    and a little further. It ends with the first point of another class, a quick estimate of the
    least distance. Points are clipped to the domain, so that the first steps fall short. Two things
    differ from the paper: steps are least within the domain in ℓ1, where clipped ones would not
    move, and in the second half of a walk; and the segment from the clean input to the last point
    is searched for the boundary, which the overshoot left behind.

    Attributes:
        gradient_steps: steps at most.
        classes: target classes that are looked at, those nearest to the clean input.
        overshoot: how much further than the hyperplane the displacement goes, as a share of it.
        final_search: steps of the search at the end.
    """

    gradient_steps: int = 50
    classes: int = 9
    overshoot: float = 0.02
    final_search: int = 3

    name: ClassVar[str] = "deepfool"

    def __post_init__(self) -> None:
        require_least("gradient_steps", self.gradient_steps, 1)
        require_least("classes", self.classes, 1)
        require_least("final_search", self.final_search, 0)
        if not 0.0 <= self.overshoot < np.inf:
            raise InputError(f"overshoot is {self.overshoot}: give a number of at least 0")

    @override
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        return (_Walk(self),)


@final
@dataclass(frozen=True)
class _Walk(AttackStage):
    """One walk from each clean input.

    Attributes:
        method: its options.
    """

    method: DeepFool

    @override
    def run(self, batch: AttackBatch) -> None:
        for attacks in split_open(batch, 1, _ROWS):
            self._run(attacks)

    def _run(self, attacks: list[AttackState]) -> None:
        rows = NearestRows(attacks)
        disjuncts = choose_disjuncts(attacks, self.method.classes)
        x, total = rows.center.copy(), np.zeros_like(rows.center)
        for number in range(self.method.gradient_steps):
            margin, normal = nearest_hyperplanes(rows, x, disjuncts)
            late = 2 * number >= self.method.gradient_steps
            with timed(rows.states):
                if late or rows.norm.has_sparse_steps:
                    low, high = rows.lower - x, rows.upper - x
                    # Features that reach their bounds go no further: the gap is overshot too.
                    gap = -(1.0 + self.method.overshoot) * margin
                    total += rows.norm.step_to_hyperplane(normal, gap, low, high)
                else:
                    total += self._step(rows, margin, normal)
                x = rows.clip(rows.center + (1.0 + self.method.overshoot) * total)
            least = rows.margins(x).min(axis=1)
            kept = self._left(rows, least)
            done = np.setdiff1d(np.arange(len(rows)), kept)
            if done.size:
                rows.take(done).search_segments(self.method.final_search)
            if not kept.size:
                return
            if len(kept) < len(rows):
                rows, disjuncts = rows.take(kept), disjuncts[kept]
                x, total = x[kept], total[kept]

    @staticmethod
    def _step(rows: NearestRows, margin: Floats, normal: Floats) -> Floats:
        """Steps (n, d) to hyperplanes without a domain, and a little further."""
        far = np.full_like(normal, np.inf)
        slopes = np.maximum(rows.norm.dual(normal.astype(np.float64)), _FLAT)
        gap = -margin - np.sign(margin) * (_EXTRA * slopes).astype(margin.dtype)
        return rows.norm.step_to_hyperplane(normal, gap, -far, far)

    @staticmethod
    def _left(rows: NearestRows, least: np.ndarray) -> Integers:
        """The rows that go on: of open inputs, and still of the clean input's class."""
        return np.intersect1d(rows.open(), np.flatnonzero(least > 0))
