"""Projected gradient descent on the margin, batched over inputs, disjuncts and restarts.

A step rule says how a point moves (:class:`StepRule`); :func:`run_pgd` iterates it on the rows of a
batch, and :func:`attack_rows` does so on behalf of attacks: timed, counted, candidates offered.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.attacks.stages.state import AttackState, EndPoint
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.onnx_io import GradientRuntime
from onnx_lippa.spec import InputSet, Norm, Problem
from onnx_lippa.spec.norms.base import Projector
from onnx_lippa.spec.subspace import RowSubspaces
from onnx_lippa.state import Work, timed
from onnx_lippa.witness import Effort, FoundBy

_CHECK_EVERY: Final = 5
"""Steps between checks for rows that have reached an unsafe point."""
_PROJECTIONS: Final = 8
"""Most alternating projections onto ball, domain and relations in a step."""

Accept: TypeAlias = Callable[[int, Floats], bool]
"""Takes a row and its point (d,) of negative margin; True where it is a witness."""


@dataclass(frozen=True)
class Balls:
    """Balls of one norm, each with its domain: the allowed inputs of the rows of a batch.

    Attributes:
        center: (n, d) clean inputs.
        eps: (n,) radii.
        lower: (n, d) lower bounds of the domains, which differ where features are fixed.
        upper: (n, d) upper bounds.
        norm: their norm.
        subspaces: the directions in which their relations hold, or None without relations.
    """

    center: Floats
    eps: Floats
    lower: Floats
    upper: Floats
    norm: Norm
    subspaces: RowSubspaces | None = None

    @classmethod
    def of(
        cls, inputs: Sequence[InputSet], dtype: np.dtype[np.floating], eps: Float64 | None = None
    ) -> Balls:
        """The inputs of some sets, in a type; with their own radii when eps is None."""
        center, lower, upper = (
            np.array([getattr(one, name) for one in inputs], dtype=dtype)
            for name in ("center", "lower", "upper")
        )
        radii = np.array([one.eps for one in inputs]) if eps is None else eps
        subspaces = RowSubspaces.of([one.subspace for one in inputs])
        return cls(center, radii.astype(dtype), lower, upper, inputs[0].norm, subspaces)

    def take(self, kept: Integers) -> Balls:
        """Some of the balls."""
        center, eps, lower, upper = (
            values[kept] for values in (self.center, self.eps, self.lower, self.upper)
        )
        subspaces = None if self.subspaces is None else self.subspaces.take(kept)
        return Balls(center, eps, lower, upper, self.norm, subspaces)

    @cached_property
    def project(self) -> Projector:
        """Moves one point of each row into its ball and domain, and nearly onto its relations.

        It may change its argument in place.
        """
        project = self.norm.projector(self.center, self.eps, self.lower, self.upper)
        if self.subspaces is None:
            return project
        return self.subspaces.projector(project, self.center, _PROJECTIONS)


@dataclass(frozen=True)
class Iterate:
    """Where the rows of a batch are.

    Attributes:
        x: (n, d) points; a rule may change them in place.
        previous: (n, d) points one step earlier (equal to x at the start).
        gradient: (n, d) gradient of each row's margin at x; may be changed in place.
        balls: the allowed inputs.
        step: number of this step, from 0.
        steps: number of steps in all.
    """

    x: Floats
    previous: Floats
    gradient: Floats
    balls: Balls
    step: int
    steps: int

    def direction(self) -> Floats:
        """Unit steps (n, d) of steepest descent, on features that can move where steps are sparse.

        An ℓ1 step goes to few features, and would go to the same ones for ever once they are at a
        bound.
        """
        gradient, balls = self.gradient, self.balls
        if balls.subspaces is not None:
            gradient = balls.subspaces.project_gradient(gradient)
        if balls.norm.has_sparse_steps:
            down, up = gradient > 0, gradient < 0
            held = (down & (self.x <= balls.lower)) | (up & (self.x >= balls.upper))
            gradient = np.where(held, 0, gradient)
        return balls.norm.steepest_descent(gradient)


class StepRule(ABC):
    """How PGD moves. Rows are independent of each other.

    A new rule is a subclass with :meth:`move`; starts, budgets and counting are those of the stage,
    and success is decided by replay.
    """

    @abstractmethod
    def move(self, iterate: Iterate) -> Floats:
        """The next points (n, d), inside ball and domain."""


@final
@dataclass(frozen=True)
class ConstantSteps(StepRule):
    """Steps of constant length: that of the paper's BIM, unless others are given.

    Attributes:
        length: length of a step in the norm of the ball (the paper: 0.5/256 for images in [0, 1]).
        share: least length of a step, as a share of eps.
        momentum: share of the last move that is repeated.
    """

    length: float = 0.5 / 256
    share: float = 0.0
    momentum: float = 0.0

    @override
    def move(self, iterate: Iterate) -> Floats:
        eps = iterate.balls.eps
        least = self.share * eps if self.share else 0.0
        length = np.maximum(np.minimum(self.length, eps), least)[:, None].astype(iterate.x.dtype)
        step = length * iterate.direction()
        if iterate.step > 0 and self.momentum:
            momentum = np.asarray(self.momentum, dtype=iterate.x.dtype)
            step += momentum * (iterate.x - iterate.previous)
        return iterate.balls.project(iterate.x + step)


@final
@dataclass(frozen=True)
class MomentumPgd(StepRule):
    """Steps with momentum that decay geometrically from ``first * eps`` to ``last * eps``.

    Attributes:
        first: length of the first step as a share of eps.
        last: length of the last step as a share of eps.
        momentum: share of the last move that is repeated.
    """

    first: float = 2.0
    last: float = 0.01
    momentum: float = 0.75

    @override
    def move(self, iterate: Iterate) -> Floats:
        progress = iterate.step / max(1, iterate.steps - 1)
        share = self.first * (self.last / self.first) ** progress
        direction = iterate.direction()
        direction *= (share * iterate.balls.eps)[:, None].astype(iterate.x.dtype)
        if iterate.step > 0 and self.momentum:
            momentum = np.asarray(self.momentum, dtype=iterate.x.dtype)
            direction += momentum * (iterate.x - iterate.previous)
        direction += iterate.x
        return iterate.balls.project(direction)


@dataclass(frozen=True)
class RowBatch:
    """Starting points and the disjuncts whose margins are minimised, in the model's type.

    Attributes:
        owner: (n,) rows of one owner stop together when one of them is a witness.
        start: (n, d) starting points.
        balls: the allowed inputs.
        matrix: (n, m, k) rows of the disjuncts, padded by repetition.
        bound: (n, m) right sides.
    """

    owner: Integers
    start: Floats
    balls: Balls
    matrix: Floats
    bound: Floats

    def take(self, kept: Integers) -> RowBatch:
        """Some of the rows."""
        owner, start, balls = self.owner[kept], self.start[kept], self.balls.take(kept)
        return RowBatch(owner, start, balls, self.matrix[kept], self.bound[kept])

    def margins(self, logits: Floats) -> tuple[Floats, Floats]:
        """Margins (n,) of logits (n, k), and the weighting (n, k) whose value each one is."""
        values = np.einsum("nmk,nk->nm", self.matrix, logits) - self.bound
        worst = values.argmax(axis=1)
        every = np.arange(len(worst))
        return values[every, worst], self.matrix[every, worst]


def make_rows(
    problems: Sequence[Problem],
    disjuncts: Sequence[int],
    starts: Sequence[Floats],
    eps: Float64 | None = None,
    *,
    independent: bool = False,
) -> RowBatch:
    """A batch of rows.

    Args:
        problems: the problem of each row; all share the norm.
        disjuncts: the disjunct of each row.
        starts: (d,) starting point of each row.
        eps: (rows,) radii; those of the problems when None.
        independent: whether each row goes on where another one of its problem has a witness.
    """
    dtype = problems[0].inputs.dtype
    chosen = [p.unsafe.disjuncts[j] for p, j in zip(problems, disjuncts, strict=True)]
    most = max(len(disjunct.bound) for disjunct in chosen)
    repeats = [np.arange(most) % len(disjunct.bound) for disjunct in chosen]
    with np.errstate(over="ignore"):  # beyond the type it is infinite
        matrix = np.array([c.matrix[r] for c, r in zip(chosen, repeats, strict=True)])
        bound = np.array([c.bound[r] for c, r in zip(chosen, repeats, strict=True)])
        matrix, bound = matrix.astype(dtype), bound.astype(dtype)
    owners: dict[int, int] = {}
    owner = [owners.setdefault(id(problem), len(owners)) for problem in problems]
    return RowBatch(
        owner=np.arange(len(owner)) if independent else np.array(owner, dtype=np.int64),
        start=np.array(starts, dtype=dtype),
        balls=Balls.of([problem.inputs for problem in problems], dtype, eps),
        matrix=matrix,
        bound=bound,
    )


@dataclass(frozen=True)
class PgdRuns:
    """The end points of PGD runs.

    Attributes:
        best: (n, d) point of least margin of each row, in float64.
        margin: (n,) its margin in the type of the rows.
        gradients: (n,) gradients evaluated for each row.
    """

    best: Float64
    margin: Floats
    gradients: Integers


def run_pgd(
    runtime: GradientRuntime,
    rows: RowBatch,
    rule: StepRule,
    steps: int,
    accept: Accept,
    deadline: float = np.inf,
) -> PgdRuns:
    """Runs PGD on every row, and stops the rows whose owner has a witness.

    Args:
        runtime: value and gradient.
        rows: the rows.
        rule: how they move.
        steps: gradient steps of each row.
        accept: checks candidates.
        deadline: ``time.monotonic()`` at which to stop early.
    """
    best = rows.start.copy()
    least = np.full(len(best), np.inf, dtype=best.dtype)
    alive, evaluated = np.arange(len(best)), np.zeros(len(best), dtype=np.int64)
    current, x, previous = rows, rows.start.copy(), rows.start
    matrix = rows.matrix[:, 0]
    for step in range(steps + 1):
        try:
            logits, gradient = runtime.value_and_gradient(x, matrix, deadline)
        except OutOfTimeError:
            _check(current, alive, best, least, accept)
            break
        evaluated[alive] += 1
        margin, weighting = current.margins(logits)
        if current.matrix.shape[1] > 1 and not np.array_equal(weighting, matrix):
            # Another inequality of the conjunction is now the worst one: its gradient counts.
            evaluated[alive] += np.any(weighting != matrix, axis=1)
            matrix = weighting
            gradient = runtime.value_and_gradient(x, matrix)[1]
        better = np.flatnonzero(margin < least[alive])
        least[alive[better]] = margin[better]
        best[alive[better]] = x[better]
        last = step == steps or time.monotonic() > deadline
        if step % _CHECK_EVERY == 0 or last:
            done = _check(current, alive, best, least, accept)
            if done:
                kept = np.flatnonzero(~np.isin(current.owner, sorted(done)))
                alive, current = alive[kept], current.take(kept)
                x, previous, gradient = x[kept], previous[kept], gradient[kept]
                matrix = matrix[kept]
        if last or alive.size == 0:
            break
        iterate = Iterate(x, previous, gradient, current.balls, step, steps)
        previous, x = x, rule.move(iterate)
    return PgdRuns(best.astype(np.float64), least, evaluated)


def _check(
    rows: RowBatch, alive: Integers, best: Floats, least: Floats, accept: Accept
) -> set[int]:
    """Owners for whom the best point of one of the rows left is a witness."""
    done: set[int] = set()
    for place in np.flatnonzero(least[alive] <= 0):
        owner, row = int(rows.owner[place]), int(alive[place])
        if owner not in done and accept(row, best[row]):
            done.add(owner)
    return done


def attack_rows(
    attacks: Sequence[AttackState],
    disjuncts: Sequence[int],
    starts: Sequence[Floats],
    rule: StepRule,
    steps: int,
    *,
    round_: int | None = None,
    eps: Float64 | None = None,
    accept: Accept | None = None,
) -> PgdRuns:
    """Runs PGD on behalf of attacks with one model, within their time.

    Args:
        attacks: the attack of each row.
        disjuncts: the disjunct of each row.
        starts: (d,) starting point of each row.
        rule: how they move.
        steps: gradient steps of each row.
        round_: the round whose end points the attacks remember; None if they do not.
        eps: (rows,) radii; those of the problems when None.
        accept: checks candidates in place of the states of the inputs. A row then goes on where
            another one of its problem has a witness.
    """

    def offer(row: int, x: Floats) -> bool:
        return attacks[row].state.offer(x, FoundBy.GRADIENT)

    states = [attack.state for attack in attacks]
    problems, apart = [state.problem for state in states], accept is not None
    runtime = attacks[0].model.gradient  # compiled on first use, which is not timed
    with timed(states, Work.GRADIENTS) as deadline:
        rows = make_rows(problems, disjuncts, starts, eps, independent=apart)
        runs = run_pgd(runtime, rows, rule, steps, accept or offer, deadline)
    gradients: Counter[AttackState] = Counter()
    for row, (attack, disjunct) in enumerate(zip(attacks, disjuncts, strict=True)):
        gradients[attack] += int(runs.gradients[row])
        if round_ is not None:
            end = EndPoint(float(runs.margin[row]), disjunct, runs.best[row], round_)
            attack.remember([end])
    for attack, count in gradients.items():
        attack.state.effort += Effort(gradients=count)
    return runs
