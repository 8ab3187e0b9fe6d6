"""Minimal distortion: bracketing of the radius, shrinking, and LPSteps in distance mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.attacks.stages.pgd import MomentumPgd, attack_rows
from onnx_lippa.attacks.stages.state import (
    AttackBatch,
    AttackStage,
    AttackState,
    StepKind,
    Stream,
)
from onnx_lippa.ir.algebra import NumpyAlgebra
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.passes import read_states
from onnx_lippa.ir.pattern import ActivationPattern
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.spec import InputSet
from onnx_lippa.state import Work, timed
from onnx_lippa.witness import Effort, FoundBy

_BRACKETED: Final = 64
"""Inputs whose radii are bracketed together."""
_SHRUNK: Final = 128
"""Inputs shrunk together."""
_FIRST_RADIUS: Final = 1.5
"""The first radius, as a multiple of the clean linear map's distance to the unsafe set."""
_SHRINK: Final = 0.02
"""How much smaller the first round's ball is than the best distance; half as much each round."""
MARGINS: Final = (2e-6, 2e-5, 2e-4)
"""Margins sought in turn, relative to the largest logit: what float32 rounding can take."""
_CROSSING: Final = 0.05
"""How far a step across a face goes, as a share of the distance."""
_POINTS: Final = 256
"""Points drawn from the ball of the best distance, and the same number around the best witness."""
_NARROWEST: Final = 1e-6
"""The smallest neighbourhood of the witness, as a share of the ball."""
_PATIENCE: Final = 3
"""Draws in a row without a region that could be nearer, after which the search ends."""


@final
@dataclass(frozen=True)
class RadiusBracketing(AttackStage):
    """Doubles the radius until a PGD run succeeds, then halves the gap.

    Attributes:
        rounds: radii tried for each disjunct.
        disjuncts: how many disjuncts of each input, the nearest by the clean input's linear map
            first; None for all.
        steps: steps of a run.
        restarts: more rounds, from random points of all that is allowed, where nothing was found.
    """

    rounds: int
    disjuncts: int | None
    steps: int
    restarts: int = 0

    @override
    def run(self, batch: AttackBatch) -> None:
        attacks = batch.open()
        for first in range(0, len(attacks), _BRACKETED):
            self._bracket(attacks[first : first + _BRACKETED])

    def _bracket(self, attacks: Sequence[AttackState]) -> None:
        brackets: list[_Bracket] = []
        for attack in attacks:
            with timed([attack.state]):
                distances = linear_distances(attack)
                for j in np.argsort(distances, kind="stable")[: self.disjuncts]:
                    radius = _FIRST_RADIUS * float(distances[j])
                    brackets.append(_Bracket.begin(attack, int(j), radius))
        for round_ in range(self.rounds + self.restarts):
            live = [
                bracket
                for bracket in brackets
                if bracket.attack.state.seconds_left > 0
                and (round_ < self.rounds or bracket.attack.state.witness is None)
            ]
            if not live:
                return
            self._try_radii(live, round_)

    def _try_radii(self, brackets: Sequence[_Bracket], round_: int) -> None:
        """One PGD run for each bracket, at its radius."""
        attacks = [bracket.attack for bracket in brackets]
        # Drawn into the ball: a start outside would be taken for what the run reached.
        starts = [_draw_into(bracket.x, bracket.attack.inputs, bracket.eps) for bracket in brackets]
        disjuncts = [bracket.disjunct for bracket in brackets]
        radii = np.array([bracket.eps for bracket in brackets])
        reached = np.full(len(brackets), np.inf)

        def accept(row: int, x: Floats) -> bool:
            state = attacks[row].state
            if not state.offer(x, FoundBy.GRADIENT) and state.witness is None:
                return False
            # A witness, or a point that only fails to be nearer than the last one.
            reached[row] = attacks[row].inputs.length(x.astype(np.float64))
            return True

        runs = attack_rows(
            attacks, disjuncts, starts, MomentumPgd(), self.steps,
            round_=round_, eps=radii, accept=accept,
        )  # fmt: skip
        for row, bracket in enumerate(brackets):
            bracket.update(runs.best[row], float(reached[row]), round_)


@final
@dataclass
class _Bracket:
    """The radius of one disjunct, between one that failed and the distance of a point reached.

    Attributes:
        attack: the attack.
        disjunct: the disjunct.
        most: the largest radius.
        eps: the next radius.
        x: the next start.
        failed: the largest radius at which nothing was found.
        reached: the least distance of a point that was found.
        nearest: the last point that was found.
    """

    attack: AttackState
    disjunct: int
    most: float
    eps: float
    x: Float64
    failed: float = 0.0
    reached: float = np.inf
    nearest: Float64 | None = None

    @classmethod
    def begin(cls, attack: AttackState, disjunct: int, radius: float) -> _Bracket:
        inputs = attack.inputs
        most = min(inputs.widest, inputs.eps)
        return cls(attack, disjunct, most, min(radius, most), inputs.center)

    def update(self, best: Float64, reached: float, round_: int) -> None:
        """Takes the best point of a run, and the distance of its witness, if any."""
        self.x = best
        if np.isfinite(reached):
            self.reached, self.nearest = min(self.reached, reached), best
        else:
            self.failed = max(self.failed, self.eps)
            # Where the gradient vanishes a run stands still: start elsewhere.
            self.x = self._draw_start(round_) if self.nearest is None else self.nearest
        if np.isfinite(self.reached):
            self.eps = (self.failed + min(self.reached, self.most)) / 2
        else:
            self.eps = min(2 * self.eps, self.most)

    def _draw_start(self, round_: int) -> Float64:
        generator = self.attack.generator(Stream.RADIUS_BRACKETING, round_, self.disjunct)
        return self.attack.inputs.with_eps(self.eps).sample(generator, 1)[0]


def linear_distances(attack: AttackState) -> Float64:
    """Distance at which the clean input's affine map reaches each disjunct."""
    inputs, network = attack.inputs, attack.model.network
    distances = []
    for disjunct in attack.disjuncts:
        repeated = np.repeat(inputs.center[None], len(disjunct.bound), axis=0)
        logits, gradient = network.value_and_gradient(repeated, disjunct.matrix)
        margins = disjunct.matrix @ logits[0] - disjunct.bound
        slopes = np.maximum(inputs.norm.dual(gradient), 1e-12)
        distances.append(float(np.max(np.maximum(margins, 0.0) / slopes)))
    return np.array(distances)


@final
@dataclass(frozen=True)
class Shrinking(AttackStage):
    """PGD runs in a ball a little smaller than the distance of the best witness.

    They start from the witness, drawn into the ball, from the clean input, and at random.

    Attributes:
        round: number of the round.
        disjuncts: how many of the nearest disjuncts; None for all.
        steps: steps of a run.
    """

    round: int
    disjuncts: int | None
    steps: int

    @override
    def run(self, batch: AttackBatch) -> None:
        attacks = [attack for attack in batch.open() if attack.state.witness is not None]
        for first in range(0, len(attacks), _SHRUNK):
            self._shrink(attacks[first : first + _SHRUNK])

    def _shrink(self, attacks: Sequence[AttackState]) -> None:
        owners, disjuncts, starts, radii = [], [], [], []
        for attack in attacks:
            witness, inputs = attack.state.witness, attack.inputs
            if witness is None:
                continue
            radius = (1.0 - _SHRINK * 0.5**self.round) * witness.distance
            for j in attack.nearest_disjuncts(self.disjuncts or len(attack.clean_margins)):
                generator = attack.generator(Stream.SHRINKING, self.round, j)
                far = inputs.center + radius * inputs.norm.sample_extreme(generator, inputs.size)
                for start in (witness.x, inputs.center, far):
                    owners.append(attack)
                    disjuncts.append(j)
                    starts.append(_draw_into(start, inputs, radius))
                    radii.append(radius)
        attack_rows(owners, disjuncts, starts, MomentumPgd(), self.steps, eps=np.array(radii))


def _draw_into(x: Floats, inputs: InputSet, eps: float) -> Float64:
    """A point (d,) projected onto domain and ball of another radius."""
    return inputs.with_eps(eps).project(x[None].astype(np.float64))[0]


def distance_step(attack: AttackState, pattern: ActivationPattern, disjunct: int) -> Float64 | None:
    """Finds the nearest unsafe point of a region, and offers it where it is an improvement.

    Nothing is done for a region that was solved before for this disjunct.

    Returns:
        The point, where it is a witness.
    """
    if not attack.enter(pattern, disjunct):
        return None
    state, conjunction = attack.state, attack.disjuncts[disjunct]
    region = LinearRegion(attack.model.network, pattern)
    logits = region.evaluate(attack.inputs.center[None]).outputs
    scale = max(1.0, float(np.abs(logits).max()))
    for share in MARGINS:
        with timed([state], Work.LPS):
            optimum = attack.session.least_distance(
                region, conjunction, share * scale, state.seconds_left
            )
        state.effort += Effort(lp_steps=1)
        if not optimum.found:
            return None
        best = np.inf if state.witness is None else state.witness.distance
        if optimum.distance >= best:
            return None
        if state.offer(optimum.x, FoundBy.LP):
            attack.record(StepKind.LPSTEP, optimum.x, disjunct, pattern)
            return optimum.x
    return None


@final
@dataclass(frozen=True)
class LpRefinement(AttackStage):
    """LPSteps in distance mode from the witness: solve its region, cross the faces, repeat.

    Attributes:
        lp_steps: LPSteps for one input.
    """

    lp_steps: int

    @override
    def run(self, batch: AttackBatch) -> None:
        for attack in batch.open():
            if attack.state.witness is not None:
                self._refine(attack)

    def _refine(self, attack: AttackState) -> None:
        state, network = attack.state, attack.model.network
        last = state.effort.lp_steps + self.lp_steps
        while state.effort.lp_steps < last and state.seconds_left > 0 and state.witness is not None:
            disjunct = attack.target_disjunct
            x = state.witness.x.astype(np.float64)
            with timed([state]):
                pattern = network.pattern(x)
            nearest = distance_step(attack, pattern, disjunct)
            if nearest is None:
                return
            # The optimum lies on faces: the region just across them, towards the clean input,
            # may hold a nearer one.
            center = attack.inputs.center
            with timed([state]):
                across = network.pattern(nearest + _CROSSING * (center - nearest))
                beyond = network.pattern(nearest)
            for other in (beyond, across):
                if state.effort.lp_steps < last:
                    distance_step(attack, other, disjunct)


@final
@dataclass(frozen=True)
class NearestRegions(AttackStage):
    """LPSteps in distance mode in regions nearer than the best witness, by a lower bound.

    Regions are found by points drawn from the ball of the best distance and around the witness. In
    each the network is affine, and the distance at which this map reaches the unsafe set bounds
    the region's from below: regions are solved in its order, and those that cannot be nearer are
    not.

    Attributes:
        lp_steps: LPSteps for one input.
        most_features: inputs with more free features have too many regions and are left out.
    """

    lp_steps: int
    most_features: float = np.inf

    @override
    def run(self, batch: AttackBatch) -> None:
        for attack in batch.open():
            if attack.inputs.free_features <= self.most_features:
                self._search(attack)

    def _search(self, attack: AttackState) -> None:
        state = attack.state
        generator = attack.generator(Stream.NEAREST_REGIONS)
        last, fruitless = state.effort.lp_steps + self.lp_steps, 0
        while fruitless < _PATIENCE and state.effort.lp_steps < last and state.seconds_left > 0:
            with timed([state]):
                regions = _find_regions(attack, generator)
            fruitless = 0 if regions else fruitless + 1
            for bound, pattern, disjunct in regions:
                nearest = np.inf if state.witness is None else state.witness.distance
                over = state.effort.lp_steps >= last or state.seconds_left <= 0
                if over or bound >= nearest:
                    break
                distance_step(attack, pattern, disjunct)


def _find_regions(
    attack: AttackState, generator: np.random.Generator
) -> list[tuple[float, ActivationPattern, int]]:
    """Regions not solved yet that may be nearer than the witness: bound, pattern, disjunct."""
    state, network = attack.state, attack.model.network
    inputs = state.improving.with_eps(min(state.improving.eps, state.improving.widest))
    points = _draw_points(inputs, None if state.witness is None else state.witness.x, generator)
    patterns = _find_patterns(network, points)
    x = points[list(patterns)]
    keys = [pattern.key for pattern in patterns.values()]
    found: list[tuple[float, int, int]] = []
    for j, disjunct in enumerate(attack.disjuncts):
        bounds = np.zeros(len(x))
        for row, right in zip(disjunct.matrix, disjunct.bound, strict=True):
            logits, gradient = network.value_and_gradient(x, np.repeat(row[None], len(x), axis=0))
            at_center = logits @ row - right + ((inputs.center - x) * gradient).sum(axis=1)
            slopes = np.maximum(inputs.norm.dual(gradient), np.finfo(np.float64).tiny)
            with np.errstate(over="ignore"):
                bounds = np.maximum(bounds, at_center / slopes)
        found += [
            (float(bounds[i]), i, j)
            for i in range(len(x))
            if bounds[i] < inputs.eps and (keys[i], j) not in attack.visited
        ]
    every = list(patterns.values())
    return [(bound, every[i], j) for bound, i, j in sorted(found)]


def _draw_points(
    inputs: InputSet, witness: Floats | None, generator: np.random.Generator
) -> Float64:
    """Points of the ball, at all distances, and points around a witness, more of them close."""
    drawn = inputs.sample(generator, 2 * _POINTS)
    if witness is None:
        return drawn
    shares = generator.uniform(size=(_POINTS, 1))
    near = inputs.center + shares * (drawn[:_POINTS] - inputs.center)
    near[::2] = drawn[:_POINTS:2]
    sizes = np.geomspace(_NARROWEST, 1.0, _POINTS)[:, None]
    around = witness.astype(np.float64) + sizes * (drawn[_POINTS:] - inputs.center)
    return np.concatenate([near, inputs.project(around)])


def _find_patterns(network: Network, points: Float64) -> dict[int, ActivationPattern]:
    """The different patterns of points (n, d), by the first point of each."""
    states = read_states(NumpyAlgebra(), network.steps, network.values(points))
    layers = [np.ascontiguousarray(state) for state in states if state is not None]
    first: dict[bytes, int] = {}
    for row in range(len(points)):
        first.setdefault(b"".join(layer[row].tobytes() for layer in layers), row)
    return {
        row: ActivationPattern.of(layer[row : row + 1] for layer in layers)
        for row in first.values()
    }
