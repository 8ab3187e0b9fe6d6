"""Rows of attacks that look for the nearest unsafe point, and the nearest one of each row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final, Self, final

import numpy as np

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.attacks.stages.oracle import Evaluation, Loss, MarginOracle
from onnx_lippa.attacks.stages.state import AttackBatch, AttackState
from onnx_lippa.spec import Norm
from onnx_lippa.spec.subspace import RowSubspaces
from onnx_lippa.state import InputState, timed
from onnx_lippa.witness import FoundBy

_PROJECTIONS: Final = 10
"""Most alternations between the domain and the linear relations of features."""
_LEAST: Final = 1e-300
_ROUNDING: Final = 1e-6
"""How far beyond the radius a point is offered, as a share of it: storing it moves it inward."""


@final
class NearestRows:
    """Rows of a batch, each with the nearest unsafe point that it has met.

    Points that would be witnesses, and nearer than the last one of their input, are offered as soon
    as they are recorded. Without minimising, an input is done with its first witness.

    Args:
        attacks: the attack of each row; rows of one input may be several.
    """

    def __init__(self, attacks: Sequence[AttackState]) -> None:
        self.oracle = MarginOracle(attacks)
        dtype = attacks[0].model.interface.dtype
        inputs = [attack.inputs for attack in attacks]
        self.center: Floats = np.array([one.center for one in inputs], dtype=dtype)
        self.lower: Floats = np.array([one.lower for one in inputs], dtype=dtype)
        self.upper: Floats = np.array([one.upper for one in inputs], dtype=dtype)
        self.best: Floats = self.center.copy()
        self.distance: Float64 = np.full(len(attacks), np.inf)

    @property
    def attacks(self) -> tuple[AttackState, ...]:
        """The attack of each row."""
        return self.oracle.attacks

    @property
    def states(self) -> list[InputState]:
        """The state of the input of each row."""
        return self.oracle.states

    @property
    def norm(self) -> Norm:
        """The norm of the distances."""
        return self.attacks[0].inputs.norm

    def __len__(self) -> int:
        return len(self.attacks)

    def take(self, kept: Integers) -> Self:
        """Some of the rows."""
        taken = type(self)([self.attacks[i] for i in kept])
        taken.best, taken.distance = self.best[kept], self.distance[kept]
        return taken

    def open(self) -> Integers:
        """The rows whose input is worth work."""
        is_open = {id(one): one.is_open for one in dict.fromkeys(self.states)}
        return np.flatnonzero([is_open[id(state)] for state in self.states])

    def clip(self, x: Floats) -> Floats:
        """Points (n, d) moved into the domain, and nearly onto its linear relations."""
        if self._subspaces is None:
            return self._clip(x)
        return self._subspaces.projector(self._clip, self.center, _PROJECTIONS)(x)

    def along(self, gradient: Floats) -> Floats:
        """Gradients (n, d) in the directions in which the linear relations hold."""
        return gradient if self._subspaces is None else self._subspaces.project_gradient(gradient)

    def lengths(self, shift: Floats) -> Float64:
        """Norms (n,) of displacements (n, d)."""
        return self.norm.lengths(shift.astype(np.float64))

    def margins(self, x: Floats) -> Float64:
        """Margins (n, disjuncts) at points (n, d), which are recorded."""
        margins = self.oracle.margins(x)
        self.record(x, margins.min(axis=1))
        return margins

    def evaluate(self, x: Floats, loss: Loss) -> Evaluation:
        """Margins, losses and gradients at points (n, d), which are recorded."""
        found = self.oracle.evaluate(x, loss)
        self.record(x, found.least)
        return found

    def record(self, x: Floats, least: Float64, confidence: float = 0.0) -> None:
        """Takes points (n, d) with their least margins (n,), which must fall below 0 by so much."""
        for state, margin in zip(self.states, least.tolist(), strict=True):
            state.observe(margin)
        unsafe = np.flatnonzero(least <= -confidence)
        if not unsafe.size:
            return
        with timed([self.states[row] for row in unsafe]):
            shift = x[unsafe].astype(np.float64) - self.center[unsafe]
            lengths = self.norm.lengths(shift)
            nearer = lengths < self.distance[unsafe]
            self.best[unsafe[nearer]] = x[unsafe[nearer]]
            self.distance[unsafe[nearer]] = lengths[nearer]
            done: set[int] = set()
            for place in np.argsort(lengths, kind="stable"):
                row = int(unsafe[place])
                state = self.states[row]
                wanted = id(state) not in done and _is_wanted(state, float(lengths[place]))
                if wanted and state.offer(x[row], FoundBy.GRADIENT):
                    done.add(id(state))

    def search_segments(self, steps: int) -> None:
        """Secant steps to the boundary on the segments from the clean inputs to the best points."""
        found = np.flatnonzero(np.isfinite(self.distance))
        if not found.size or steps == 0:
            return
        rows = self.take(found)
        inner, outer = rows.center.copy(), rows.best.copy()
        low, high = (rows.oracle.margins(x).min(axis=1) for x in (inner, outer))
        for _ in range(steps):
            with timed(rows.states):
                share = np.clip(low / np.maximum(low - high, _LEAST), 0.0, 1.0)
                x = rows.clip(inner + share.astype(inner.dtype)[:, None] * (outer - inner))
            least = rows.margins(x).min(axis=1)
            unsafe = least <= 0
            inner, low = np.where(unsafe[:, None], inner, x), np.where(unsafe, low, least)
            outer, high = np.where(unsafe[:, None], x, outer), np.where(unsafe, least, high)

    def _clip(self, x: Floats) -> Floats:
        return np.minimum(np.maximum(x, self.lower), self.upper)

    @cached_property
    def _subspaces(self) -> RowSubspaces | None:
        return RowSubspaces.of([attack.inputs.subspace for attack in self.attacks])


def _is_wanted(state: InputState, length: float) -> bool:
    """Whether a point at a distance could be a witness, nearer than the last one."""
    if state.is_decided:
        return False
    if state.witness is not None:
        return length < state.witness.distance
    return length <= state.problem.inputs.eps * (1.0 + _ROUNDING)


def split_open(batch: AttackBatch, rows_of_each: int, most: int) -> Iterator[list[AttackState]]:
    """The attacks on open inputs in groups of at most so many rows, one input at least.

    Args:
        batch: the batch.
        rows_of_each: rows of one input.
        most: rows of a group.
    """
    attacks, together = batch.open(), max(1, most // max(1, rows_of_each))
    for first in range(0, len(attacks), together):
        yield attacks[first : first + together]
