"""The state of an attack: what it remembers of each input, beside the input's own state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Floats, Integers, size
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.pattern import ActivationPattern
from onnx_lippa.lp.engine import EngineSession, RegionEngine
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import Conjunction, InputSet, Problem
from onnx_lippa.state import Budget, InputState, begin_states
from onnx_lippa.witness import FoundBy

_KEPT: Final = 24
"""End points remembered for one input."""
_WORK: Final = 1 << 28
"""Multiplications that take about a tenth of a second."""
_PER_VALUE: Final = 100
"""Multiplications behind one value where weights are shared, as in convolutions."""
_SMALLEST_BATCH: Final = 8
_CHEAP: Final = 1 << 16
"""Multiplications behind one evaluation up to which a network is a small one."""
_NUMBERS: Final = 1 << 22
"""Numbers in the points themselves; 32 MB."""


class Stream(Enum):
    """Streams of random numbers: no two stages draw from the same one.

    The value is hashed together with the seed and the input (:meth:`InputSet.generator`).
    """

    FIRST_SAMPLES = "glance"
    RANDOM_SEARCH = "scatter"
    THOROUGH_RANDOM_SEARCH = "thorough random search"
    PGD_STARTS = "start of a walk"
    GRADIENT_STARTS = "start of a gradient run"
    ALGORITHM_1 = "Algorithm 1"
    LOCAL_SEARCH = "neighbours"
    RADIUS_BRACKETING = "bracket"
    SHRINKING = "smaller ball"
    NEAREST_REGIONS = "nearest regions"
    FAB = "starts of FAB"
    BOUNDARY_WALK = "starts of boundary walks"
    SQUARE = "square"
    RANDOM_REGIONS = "random regions"


@dataclass(frozen=True)
class EndPoint:
    """The best point of a PGD run, or of a random search.

    Attributes:
        margin: margin of the disjunct there.
        disjunct: the disjunct whose margin was minimised.
        x: (d,) the point.
        round: the round of PGD runs it comes from.
    """

    margin: float
    disjunct: int
    x: Float64
    round: int


class StepKind(Enum):
    """Kinds of points on the path of an attack.

    START is the clean input, RESTART a point where a later search begins, LPSTEP the optimum of a
    linear region, GSSTEP a point that gradients reached, SEARCH one that sampling, a grid or a MIP
    found.
    """

    START = "start"
    RESTART = "restart"
    LPSTEP = "LPStep"
    GSSTEP = "GSStep"
    SEARCH = "search"


@dataclass(frozen=True)
class RecordedStep:
    """A point on the path of an attack.

    Attributes:
        kind: what found it.
        x: (d,) the point.
        disjunct: the disjunct that was pursued.
        pattern: the region, which an optimum on its faces does not tell.
        seconds: time spent on the input until then.
    """

    kind: StepKind
    x: Float64
    disjunct: int
    pattern: ActivationPattern
    seconds: float


@dataclass(frozen=True)
class DisjunctRows:
    """The disjuncts of one input, row by row.

    Attributes:
        matrix: (rows, k) rows of all disjuncts.
        bound: (rows,) their right sides.
        first: (disjuncts,) the first row of each.
    """

    matrix: Float64
    bound: Float64
    first: Integers

    @classmethod
    def of(cls, disjuncts: Sequence[Conjunction]) -> DisjunctRows:
        """The rows of some disjuncts, one after the other."""
        counts = [len(one.bound) for one in disjuncts]
        first = np.cumsum([0, *counts[:-1]], dtype=np.int64)
        matrix = np.concatenate([one.matrix for one in disjuncts])
        return cls(matrix, np.concatenate([one.bound for one in disjuncts]), first)

    def margins(self, logits: Floats) -> tuple[Float64, Float64]:
        """Margins (n, disjuncts), and the value of every row (n, rows)."""
        values = logits.astype(np.float64) @ self.matrix.T - self.bound
        return np.maximum.reduceat(values, self.first, axis=1), values

    def weighting(self, values: Float64, slopes: Float64) -> Float64:
        """Weights of the logits (n, k) for slopes (n, disjuncts); the worst row of each counts."""
        if len(self.first) == len(self.bound):
            return slopes @ self.matrix
        weights = np.zeros_like(values)
        ends = np.append(self.first[1:], len(self.bound))
        for j, (start, end) in enumerate(zip(self.first, ends, strict=True)):
            worst = start + values[:, start:end].argmax(axis=1)
            weights[np.arange(len(values)), worst] = slopes[:, j]
        return weights @ self.matrix


@final
@dataclass(eq=False)
class AttackState:
    """What an attack remembers of one input.

    Attributes:
        state: the state of the input.
        clean_margins: (disjuncts,) margins at the clean input.
        engine: LP engine.
        seed: seed of the run.
        end_points: the best end points, least margin first. Optima of LPSteps are not among
            them: PGD runs start from end points, so LPs never change what gradients find.
        last_round: the best end points of the last round of PGD runs, least margin first.
        visited: (pattern key, disjunct) of the regions solved.
        settled_distance: the distance that grid search could not improve.
        combinations: the attacks with the categories of one-hot groups fixed, by active features.
        path: the points of a traced attack, in order; None where nothing is recorded.
    """

    state: InputState
    clean_margins: Float64
    engine: RegionEngine
    seed: int
    end_points: list[EndPoint] = field(default_factory=list)
    last_round: list[EndPoint] = field(default_factory=list)
    visited: set[tuple[bytes, int]] = field(default_factory=set)
    settled_distance: float = np.inf
    combinations: dict[tuple[int, ...], AttackState] = field(default_factory=dict)
    path: list[RecordedStep] | None = None

    @classmethod
    def begin(cls, state: InputState, engine: RegionEngine, seed: int) -> AttackState:
        """The attack on an input, which may be decided by its clean input."""
        # One row at a time: BLAS rounds a row differently in batches of different size.
        center = state.problem.inputs.center
        margins = state.problem.unsafe.margins(state.model.network.forward(center[None]))[0]
        least = float(margins.min(initial=np.inf))
        state.observe(least)
        if not state.problem.unsafe.disjuncts:
            state.is_exhausted = True
        elif not state.is_decided and state.problem.claim is not None and least <= 0:
            state.offer(center, FoundBy.CLEAN)
        return cls(state, margins, engine, seed)

    @property
    def model(self) -> Model:
        """The model."""
        return self.state.model

    @property
    def inputs(self) -> InputSet:
        """The allowed inputs."""
        return self.state.problem.inputs

    @property
    def disjuncts(self) -> Sequence[Conjunction]:
        """The disjuncts of the unsafe outputs."""
        return self.state.problem.unsafe.disjuncts

    @cached_property
    def disjunct_rows(self) -> DisjunctRows:
        """The disjuncts row by row."""
        return DisjunctRows.of(self.disjuncts)

    @cached_property
    def session(self) -> EngineSession:
        """The input's engine session, opened on first use."""
        return self.engine.begin(self.inputs)

    @property
    def is_unbroken(self) -> bool:
        """Whether any witness within a finite radius is still sought."""
        finite = bool(np.isfinite(self.inputs.eps))
        return self.state.is_open and self.state.witness is None and finite

    @property
    def relative_margin(self) -> float:
        """The best end point's margin as a share of its disjunct's clean margin."""
        if not self.end_points:
            return 1.0
        best = self.end_points[0]
        clean = float(self.clean_margins[best.disjunct])
        return best.margin / clean if clean > 0 else 0.0

    @property
    def target_disjunct(self) -> int:
        """The disjunct of the best witness."""
        targets = [disjunct.target for disjunct in self.disjuncts]
        return targets.index(self.state.target)

    def generator(self, stream: Stream, *numbers: int) -> np.random.Generator:
        """Random numbers of a stream for this input; ``numbers`` tell rounds of a stage apart."""
        return self.inputs.generator(self.seed, stream.value, *numbers)

    def record(self, kind: StepKind, x: Float64, disjunct: int, pattern: ActivationPattern) -> None:
        """Takes a point of the path, where the attack is traced."""
        if self.path is not None:
            seconds = self.state.effort.seconds
            self.path.append(RecordedStep(kind, x, disjunct, pattern, seconds))

    def enter(self, pattern: ActivationPattern, disjunct: int) -> bool:
        """Marks a region as solved for a disjunct; False where it already was."""
        is_new = (pattern.key, disjunct) not in self.visited
        self.visited.add((pattern.key, disjunct))
        return is_new

    def remember(self, points: Sequence[EndPoint]) -> None:
        """Keeps the best end points, old and new."""
        self.end_points = _best([*self.end_points, *points])
        for point in self.end_points[:1]:
            self.state.observe(point.margin)
        latest = max((point.round for point in points), default=0)
        last = [point for point in self.last_round if point.round == latest]
        self.last_round = _best([*last, *points])

    def nearest_disjuncts(self, count: int) -> list[int]:
        """The disjuncts of least margin so far."""
        least = self.clean_margins.copy()
        for point in self.end_points:
            least[point.disjunct] = min(least[point.disjunct], point.margin)
        return [int(j) for j in np.argsort(least, kind="stable")[:count]]


def _best(points: Sequence[EndPoint]) -> list[EndPoint]:
    return sorted(points, key=lambda point: point.margin)[:_KEPT]


def spread_over_disjuncts(points: Sequence[EndPoint], count: int) -> list[EndPoint]:
    """The first points, one for each disjunct before a second one for any."""
    turns: dict[int, int] = {}
    ordered: list[tuple[int, int]] = []
    for place, point in enumerate(points):
        turn = turns[point.disjunct] = turns.get(point.disjunct, -1) + 1
        ordered.append((turn, place))
    return [points[place] for _, place in sorted(ordered)[:count]]


@final
@dataclass(frozen=True)
class AttackBatch:
    """Attacks on several inputs with one model.

    Attributes:
        model: the model.
        attacks: the attacks; all share the norm.
    """

    model: Model
    attacks: Sequence[AttackState]

    @classmethod
    def begin(
        cls, problems: Sequence[Problem], model: Model, engine: RegionEngine, budget: Budget
    ) -> AttackBatch:
        """Attacks on some problems, which share the norm, with the same time and seed."""
        states = begin_states(model, problems, budget.time_limit)
        return cls(model, [AttackState.begin(state, engine, budget.seed) for state in states])

    def open(self) -> list[AttackState]:
        """The attacks on inputs that are worth work."""
        return [attack for attack in self.attacks if attack.state.is_open]

    def unbroken(self, max_relative_margin: float = np.inf) -> list[AttackState]:
        """The attacks that seek any witness within a finite radius, and came near one.

        Args:
            max_relative_margin: what :attr:`AttackState.relative_margin` must be below.
        """
        return [
            attack
            for attack in self.attacks
            if attack.is_unbroken and attack.relative_margin < max_relative_margin
        ]


class AttackStage(ABC):
    """One pass over the open inputs of a batch.

    What it does to one input depends on that input alone, so results do not depend on how inputs
    are batched.
    """

    @abstractmethod
    def run(self, batch: AttackBatch) -> None:
        """Works on the open inputs."""


def batch_size(network: Network, most: int) -> int:
    """Points to evaluate between two looks at the clock: fewer of a large network.

    It depends on the network alone, so that the same points are always evaluated together.
    """
    fit = min(most, _WORK // evaluation_cost(network), _NUMBERS // network.input_size)
    return max(_SMALLEST_BATCH, fit)


def is_cheap(network: Network) -> bool:
    """Whether an evaluation costs less than the Python code around it."""
    return evaluation_cost(network) <= _CHEAP


def evaluation_cost(network: Network) -> int:
    """Multiplications behind one evaluation, roughly."""
    values = sum(size(step.layer.shape) for step in network.steps)
    return max(1, network.parameters + _PER_VALUE * values)
