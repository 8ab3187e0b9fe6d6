"""The books of an attack on a batch of inputs: best-so-far, evidence, time and counts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

import numpy as np

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.attacks.settings import Settings
from onnx_lippa.lp.engine import EngineSession, RegionEngine
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import Problem
from onnx_lippa.state import InputState, Work, begin_states, common_deadline, timed
from onnx_lippa.witness import Effort, FoundBy

_KEPT = 24
"""End points remembered for one input."""


@dataclass(frozen=True)
class EndPoint:
    """Where a walk ended.

    Attributes:
        margin: margin of the disjunct there.
        disjunct: which disjunct it was after.
        x: (d,) the point.
        round: the round of walks it comes from.
    """

    margin: float
    disjunct: int
    x: Floats
    round: int


@dataclass
class Progress:
    """What an attack remembers of one input, beside its state.

    Attributes:
        state: the state of the input.
        clean_margins: (disjuncts,) margins at the clean input.
        end_points: the best end points, least margin first. Optima of LPSteps are none of them:
            later walks start from end points, so LPs add to what walks find and never change it.
        last_walked: the best end points of the last round of walks, least margin first.
        stuck: the distance that a search on the grid could not improve.
        visited: (pattern key, disjunct) of the regions solved.
        session: the open engine session, if any.
    """

    state: InputState
    clean_margins: Float64
    end_points: list[EndPoint] = field(default_factory=list)
    last_walked: list[EndPoint] = field(default_factory=list)
    stuck: float = np.inf
    visited: set[tuple[bytes, int]] = field(default_factory=set)
    session: EngineSession | None = None

    def closeness(self) -> float:
        """The best end point's margin as a share of its disjunct's clean margin."""
        if not self.end_points:
            return 1.0
        best = self.end_points[0]
        clean = float(self.clean_margins[best.disjunct])
        return best.margin / clean if clean > 0 else 0.0

    def remember(self, points: Sequence[EndPoint]) -> None:
        """Keeps the best end points, old and new."""
        self.end_points = _best([*self.end_points, *points])
        for point in self.end_points[:1]:
            self.state.observe(point.margin)
        latest = max((point.round for point in points), default=0)
        last = [point for point in self.last_walked if point.round == latest]
        self.last_walked = _best([*last, *points])

    def nearest_disjuncts(self, count: int) -> list[int]:
        """The disjuncts with the least margins met so far."""
        least = self.clean_margins.copy()
        for point in self.end_points:
            least[point.disjunct] = min(least[point.disjunct], point.margin)
        return [int(j) for j in np.argsort(least, kind="stable")[:count]]


def _best(points: Sequence[EndPoint]) -> list[EndPoint]:
    return sorted(points, key=lambda point: point.margin)[:_KEPT]


class Ledger:
    """Progress of all problems of a batch, and the only way to a verdict.

    Args:
        problems: the problems.
        model: the model they are about.
        engine: LP engine.
        settings: budgets.
    """

    def __init__(
        self, problems: Sequence[Problem], model: Model, engine: RegionEngine, settings: Settings
    ) -> None:
        self.model, self.engine, self.settings = model, engine, settings
        wanted = [replace(problem, minimize=settings.minimize) for problem in problems]
        self.progress = []
        for state in begin_states(model, wanted, settings.time_limit):
            # One row at a time: BLAS rounds a row differently in batches of different size.
            center = state.problem.inputs.center
            margins = state.problem.unsafe.margins(model.network.forward(center[None]))[0]
            least = float(margins.min(initial=np.inf))
            self.progress.append(Progress(state, margins))
            state.observe(least)
            if not state.problem.unsafe.disjuncts:
                state.is_exhausted = True
            elif not state.is_decided and state.problem.claim is not None and least <= 0:
                state.offer(center, FoundBy.CLEAN)

    def unsettled(self) -> list[int]:
        """Positions of the problems that are still worth work."""
        return [i for i, entry in enumerate(self.progress) if entry.state.is_open]

    def unbroken(self) -> list[int]:
        """Positions of the unsettled problems without a witness whose radius is finite."""
        states = [entry.state for entry in self.progress]
        return [
            i
            for i in self.unsettled()
            if states[i].witness is None and np.isfinite(states[i].problem.inputs.eps)
        ]

    def deadline(self, positions: Sequence[int]) -> float:
        """``time.monotonic()`` at which a batch of these problems has used up its time."""
        return common_deadline([self.progress[i].state for i in positions])

    def accept(self, position: int, x: Floats, found_by: FoundBy) -> bool:
        """Offers a candidate to the state of its input."""
        return self.progress[position].state.offer(x.astype(np.float64), found_by)

    def session(self, entry: Progress) -> EngineSession:
        """The problem's engine session, opened on first use."""
        if entry.session is None:
            entry.session = self.engine.begin(entry.state.problem.inputs)
        return entry.session

    def count_gradients(self, positions: Sequence[int], gradients: Integers) -> None:
        """Adds the gradients of each row of PGD runs to the effort on its input."""
        for position, count in enumerate(np.bincount(positions, gradients)):
            if count:
                self.progress[position].state.effort += Effort(gradients=int(count))

    def timed(
        self, positions: Sequence[int], work: Work | None = None
    ) -> AbstractContextManager[float]:
        """Shares the time of a block among problems; yields their common deadline."""
        return timed([self.progress[i].state for i in positions], work)
