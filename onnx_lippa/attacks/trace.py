"""The path of an attack on one input: the points of its LPSteps and GSSteps (paper, Figure 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.attacks.base import AttackMethod
from onnx_lippa.attacks.paper import PaperLippa
from onnx_lippa.attacks.pgd import Pgd
from onnx_lippa.attacks.restarted import LpAttack
from onnx_lippa.attacks.stages.random_search import RandomSearch
from onnx_lippa.attacks.stages.state import (
    AttackBatch,
    AttackStage,
    AttackState,
    RecordedStep,
    StepKind,
    is_cheap,
)
from onnx_lippa.errors import InputError
from onnx_lippa.ir.pattern import ActivationPattern
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import Problem
from onnx_lippa.state import Budget
from onnx_lippa.witness import FoundBy, Result, Verdict

_KINDS: Final = {FoundBy.GRADIENT: StepKind.GSSTEP, FoundBy.LP: StepKind.LPSTEP}
"""The kind of a step that found a witness; all others are SEARCH."""
_ROUNDING: Final = 1e-6
"""How much a witness in float32 may differ from the point that was rounded to it."""
_FINDERS: Final = {
    FoundBy.GRADIENT: "gradients",
    FoundBy.LP: "an LPStep",
    FoundBy.SAMPLING: "random search",
    FoundBy.GRID: "grid search",
    FoundBy.MIP: "a MIP",
}
"""What found a witness, as words of a sentence."""


@final
@dataclass(frozen=True)
class TracePoint:
    """A point of the path.

    Attributes:
        kind: what found it.
        x: (d,) the point, in float64.
        margin: margin of the target class there; adversarial below 0.
        distance: distance to the clean input.
        target: the class that is pursued.
        region: number of its linear region, in the order in which the path sees them.
        is_new: whether the path enters the region here.
        pattern: the activation pattern of the region. An optimum lies on faces of its region, so
            its own pattern may be a neighbour's.
        seconds: time spent until then.
    """

    kind: StepKind
    x: Float64
    margin: float
    distance: float
    target: int
    region: int
    is_new: bool
    pattern: ActivationPattern
    seconds: float = field(compare=False)


@final
@dataclass(frozen=True, repr=False)
class Trace:
    """The path of an attack on one input.

    Attributes:
        points: its points, the clean input first.
        result: the result, with the witness that was replayed where there is one.
        problem: the problem.
        method: the attack.
        seed: seed of its random numbers.
    """

    points: tuple[TracePoint, ...]
    result: Result
    problem: Problem
    method: AttackMethod
    seed: int

    @property
    def regions(self) -> int:
        """Number of linear regions on the path."""
        return 1 + max(point.region for point in self.points)

    @cached_property
    def counts(self) -> Counter[StepKind]:
        """Points of each kind."""
        return Counter(point.kind for point in self.points)

    @property
    def best(self) -> int:
        """The point that counts: the nearest adversarial one, or the one of least margin."""
        places = range(len(self.points))
        broken = [place for place in places if self.points[place].margin < 0]
        if self.problem.minimize and broken:
            return min(broken, key=lambda place: self.points[place].distance)
        return min(places, key=lambda place: self.points[place].margin)

    @property
    def searches(self) -> list[range]:
        """The points of each search: from the clean input, then from each restart."""
        first = [i for i, one in enumerate(self.points) if one.kind is StepKind.RESTART]
        ends = [0, *first, len(self.points)]
        return [range(a, b) for a, b in pairwise(ends)]

    def summary(self) -> str:
        """One sentence about the end of the path."""
        lps, gradients = self.counts[StepKind.LPSTEP], self.counts[StepKind.GSSTEP]
        spent = (
            f"{_count(lps, 'LPStep')}, {_count(gradients, 'GSStep')} and "
            f"{_count(self.counts[StepKind.RESTART], 'restart')} through "
            f"{_count(self.regions, 'linear region')}"
        )
        index, witness = self.result.index, self.result.witness
        clean, best = self.points[0], self.points[self.best]
        if self.result.verdict is Verdict.ADVERSARIAL and witness is not None:
            return (
                f"input {index} is adversarial after {spent}: class {self.result.target} at "
                f"distance {witness.distance:.6g}, found by {_FINDERS[self.result.found_by]} and "
                "replayed by ONNX Runtime"
            )
        return (
            f"input {index} is {self.result.verdict.value} after {spent}: the margin fell from "
            f"{clean.margin:.4g} to {best.margin:.4g}"
        )

    def __repr__(self) -> str:
        return f"Trace({self.summary()})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def trace_attack(method: AttackMethod, model: Model, problem: Problem, budget: Budget) -> Trace:
    """Attacks one input and records the path.

    The path of ``lippa-paper`` has all of its points, but for restarts in regions solved before
    that lead to no other one. Other methods do many things at a time, so
    theirs has the points at which something improved: the margin, then the distance where that is
    minimised.

    Args:
        method: the attack.
        model: the model.
        problem: the input.
        budget: time and seed.

    Raises:
        InputError: the input is misclassified, or the method has no such path.
    """
    is_whole = isinstance(method, PaperLippa)
    plain_pgd = isinstance(method, Pgd) and method == Pgd(method.restarts, method.gradient_steps)
    if not (is_whole or plain_pgd or isinstance(method, LpAttack)):
        raise InputError(
            f"a trace of {method.name} has no steps to show: choose lippa-paper, lippa, lippa+mip "
            "or pgd with no options but its numbers"
        )
    method.check(problem.inputs.norm, problem.minimize)
    engine = method.make_engine(model.network, problem.inputs.norm)
    batch = AttackBatch.begin([problem], model, engine, budget)
    (attack,) = batch.attacks
    if attack.state.is_misclassified:
        raise InputError(
            f"input {problem.index} is misclassified, so that there is no attack to trace: choose "
            "another index"
        )
    path: list[RecordedStep] = []
    attack.path = path
    if not is_whole:
        clean = attack.inputs.center
        start = attack.nearest_disjuncts(1)[0]
        attack.record(StepKind.START, clean, start, model.network.pattern(clean))
    for stage in method.schedule(problem, is_cheap(model.network)):
        if not attack.state.is_open:
            break
        before = _Found.of(attack)
        stage.run(batch)
        if not is_whole:
            before.record(attack, stage)
    points = _measure(_leave_out_fruitless(path), attack)
    if not is_whole:
        points = _improvements(points, problem.minimize)
    return Trace(_number(points), attack.state.result(), problem, method, budget.seed)


@dataclass(frozen=True)
class _Found:
    """What was best before a stage, to tell what the stage has found."""

    margin: float
    distance: float

    @classmethod
    def of(cls, attack: AttackState) -> _Found:
        ends, witness = attack.end_points, attack.state.witness
        margin = ends[0].margin if ends else np.inf
        return cls(margin, np.inf if witness is None else witness.distance)

    def record(self, attack: AttackState, stage: AttackStage) -> None:
        """Records a better end point, and a nearer witness; most LPSteps recorded themselves."""
        after, pattern = _Found.of(attack), attack.model.network.pattern
        if after.margin < self.margin:
            kind = StepKind.SEARCH if isinstance(stage, RandomSearch) else StepKind.GSSTEP
            end = attack.end_points[0]
            attack.record(kind, end.x, end.disjunct, pattern(end.x))
        witness, found_by = attack.state.witness, attack.state.found_by
        if witness is None or after.distance >= self.distance:
            return
        x = witness.x.astype(np.float64)
        if not any(np.allclose(x, step.x, atol=_ROUNDING) for step in attack.path or ()):
            kind = _KINDS.get(found_by, StepKind.SEARCH)
            attack.record(kind, x, attack.target_disjunct, pattern(x))


def _leave_out_fruitless(path: Sequence[RecordedStep]) -> list[RecordedStep]:
    """The path without restarts that nothing came of."""
    following = [step.kind for step in path[1:]] + [StepKind.RESTART]
    return [
        step
        for step, after in zip(path, following, strict=True)
        if not (step.kind is StepKind.RESTART and after is StepKind.RESTART)
    ]


def _measure(path: Sequence[RecordedStep], attack: AttackState) -> list[TracePoint]:
    """Margin and distance of each point; regions are not numbered yet."""
    points = []
    for step in path:
        conjunction = attack.disjuncts[step.disjunct]
        logits = attack.model.network.forward(step.x[None])
        margin = float(conjunction.margins(logits)[0])
        distance = attack.inputs.length(step.x)
        points.append(
            TracePoint(
                step.kind, step.x, margin, distance, conjunction.target, 0, True, step.pattern,
                step.seconds,
            )
        )  # fmt: skip
    return points


def _improvements(points: Sequence[TracePoint], minimize: bool) -> list[TracePoint]:
    """The first point, and those at which the margin fell, or the distance of unsafe ones."""
    kept, least, nearest = [points[0]], points[0].margin, np.inf
    for point in points[1:]:
        if minimize and point.margin < 0:
            is_better = point.distance < nearest
            nearest = min(nearest, point.distance)
        else:
            is_better = np.isinf(nearest) and point.margin < least
        if is_better:
            least = min(least, point.margin)
            kept.append(point)
    return kept


def _number(points: Sequence[TracePoint]) -> tuple[TracePoint, ...]:
    """The points with their regions numbered as they come."""
    numbers: dict[bytes, int] = {}
    numbered = []
    for point in points:
        count = len(numbers)
        region = numbers.setdefault(point.pattern.key, count)
        numbered.append(replace(point, region=region, is_new=region == count))
    return tuple(numbered)
