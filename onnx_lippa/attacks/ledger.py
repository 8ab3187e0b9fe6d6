"""The books of an attack on a batch of inputs: best-so-far, evidence, time and counts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.attacks.settings import Settings
from onnx_lippa.lp.engine import EngineSession, RegionEngine
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import InputSet, Problem
from onnx_lippa.witness import FoundBy, Judge, Outcome, Verdict, Witness

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
    """What is known of one problem so far.

    Attributes:
        problem: the problem.
        clean_margins: (disjuncts,) margins at the clean input.
        end_points: the best end points, least margin first.
        last_walked: the best end points of the last round of walks, least margin first.
        witness: the best witness.
        target: the class it was sought for.
        found_by: what found it.
        misclassified: whether the clean input is already unsafe.
        exhausted: whether every input allowed was looked at, so that there is nothing to add.
        lp_steps: LPSteps spent.
        seconds: wall time spent.
        lp_seconds: the part of it in LPSteps.
        least_optimum: the least margin of an LPStep's optimum. It is kept apart from the end
            points, from which later walks start: so LPs add to what walks find and never
            change it.
        stuck: the distance that a search on the grid could not improve.
        visited: (pattern key, disjunct) of the regions solved.
        session: the open engine session, if any.
        witness_margin: the least margin of a witness.
    """

    problem: Problem
    clean_margins: Float64
    end_points: list[EndPoint] = field(default_factory=list)
    last_walked: list[EndPoint] = field(default_factory=list)
    witness: Witness | None = None
    target: int = -1
    found_by: FoundBy = FoundBy.NOTHING
    misclassified: bool = False
    exhausted: bool = False
    lp_steps: int = 0
    seconds: float = 0.0
    lp_seconds: float = 0.0
    least_optimum: float = np.inf
    stuck: float = np.inf
    visited: set[tuple[bytes, int]] = field(default_factory=set)
    session: EngineSession | None = None
    witness_margin: float = np.inf

    @property
    def best_margin(self) -> float:
        """The least margin met."""
        met = [point.margin for point in self.end_points[:1]]
        clean = float(self.clean_margins.min(initial=np.inf))
        return min([clean, self.least_optimum, self.witness_margin, *met])

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
        self._judge = Judge(model.runtime)
        clean = np.array([problem.inputs.center for problem in problems])
        outputs = model.runtime.outputs(clean)
        self.progress = []
        for position, (problem, output) in enumerate(zip(problems, outputs, strict=True)):
            # One row at a time: BLAS rounds a row differently in batches of different size.
            logits = model.network.forward(problem.inputs.center[None])
            margins = problem.unsafe.margins(logits)[0]
            entry = Progress(problem, margins)
            self.progress.append(entry)
            if problem.wrong.contains(output):
                entry.misclassified, entry.found_by = True, FoundBy.CLEAN
            elif problem.asked is not None and margins.min(initial=np.inf) <= 0:
                self.accept(position, problem.inputs.center, FoundBy.CLEAN)

    def unsettled(self) -> list[int]:
        """Positions of the problems that are still worth work."""
        return [i for i, entry in enumerate(self.progress) if not self._settled(entry)]

    def unbroken(self) -> list[int]:
        """Positions of the unsettled problems without a witness whose radius is finite."""
        entries = self.progress
        return [
            i
            for i in self.unsettled()
            if entries[i].witness is None and np.isfinite(entries[i].problem.inputs.eps)
        ]

    def deadline(self, positions: Sequence[int]) -> float:
        """``time.monotonic()`` at which a batch of these problems has used up its time."""
        owners = set(positions)
        least = min((self.remaining(self.progress[i]) for i in owners), default=np.inf)
        return time.monotonic() + least * max(1, len(owners))

    def _settled(self, entry: Progress) -> bool:
        if entry.misclassified or entry.exhausted or not entry.problem.unsafe.disjuncts:
            return True
        if entry.seconds >= self.settings.time_limit:
            return True
        return entry.witness is not None and not self.settings.minimize

    def accept(self, position: int, x: Floats, found_by: FoundBy) -> bool:
        """Replays a candidate and keeps it where it is a witness, and better than the last."""
        entry = self.progress[position]
        inputs, unsafe = self.wanted(entry), entry.problem.unsafe
        witness = self._judge.witness(x.astype(np.float64), inputs, unsafe, entry.problem.asked)
        if witness is None:
            return False
        entry.witness, entry.found_by = witness, found_by
        # A walk after one class may end in another.
        margins = unsafe.margins(witness.outputs[None])[0]
        entry.witness_margin = min(entry.witness_margin, float(margins.min()))
        entry.target = unsafe.disjuncts[int(margins.argmin())].target
        return True

    def wanted(self, entry: Progress) -> InputSet:
        """The set a new witness must lie in: nearer than the last one when minimising."""
        inputs = entry.problem.inputs
        if entry.witness is None:
            return inputs
        return inputs.with_eps(float(np.nextafter(entry.witness.distance, 0.0)))

    def session(self, entry: Progress) -> EngineSession:
        """The problem's engine session, opened on first use."""
        if entry.session is None:
            entry.session = self.engine.begin(entry.problem.inputs)
        return entry.session

    def remaining(self, entry: Progress) -> float:
        """Seconds the problem may still take; inside :meth:`timed` it stands still."""
        return self.settings.time_limit - entry.seconds

    @contextmanager
    def timed(self, positions: Sequence[int], lp: bool = False) -> Iterator[float]:
        """Shares the time of a block among problems, by how often each is named.

        Yields:
            The deadline: ``time.monotonic()`` when the problems have used up their time together.
        """
        started = time.monotonic()
        try:
            yield self.deadline(positions)
        finally:
            share = (time.monotonic() - started) / max(1, len(positions))
            for position in positions:
                entry = self.progress[position]
                entry.seconds += share
                entry.lp_seconds += share if lp else 0.0

    def outcome(self, position: int) -> Outcome:
        """What can be said of a problem now."""
        entry = self.progress[position]
        verdict = Verdict.UNKNOWN
        if entry.misclassified:
            verdict = Verdict.MISCLASSIFIED
        elif entry.witness is not None:
            verdict = Verdict.ADVERSARIAL
        return Outcome(
            entry.problem.index,
            verdict,
            entry.witness,
            entry.target,
            entry.found_by,
            entry.lp_steps,
            entry.seconds,
            entry.lp_seconds,
            entry.best_margin,
        )
