"""Random linear regions near the best adversarial point (Croce, Hein 2018; with Rauber 2020).

The network is affine on a linear region. The nearest unsafe point of a region is the solution of a
linear or quadratic program, whatever gradients say elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.attacks.stages.minimal import MARGINS
from onnx_lippa.attacks.stages.pgd import MomentumPgd, attack_rows
from onnx_lippa.attacks.stages.state import AttackBatch, AttackStage, AttackState, Stream
from onnx_lippa.lp.engine import EngineSession
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.state import Work, timed
from onnx_lippa.witness import Effort, FoundBy

_SEGMENT: Final = 100
"""Points of a line search from the clean input."""
_DRAWN: Final = 64
"""Points drawn from each of some balls for a start without gradients."""
_SHARES: Final = (0.25, 0.5, 1.0)
"""Radii of these balls, as shares of the domain."""
_DOUBLINGS: Final = 8
_TARGETS: Final = 3
"""Radii of PGD runs for a start, the last one all of the domain, and disjuncts of each input."""


@final
@dataclass(eq=False)
class _Search:
    """The search of one input.

    Attributes:
        attack: the attack.
        best: (d,) the nearest unsafe point so far, perhaps outside the ball; None without one.
        distance: its distance.
        nearer: a distance, and a session over the inputs that are nearer.
    """

    attack: AttackState
    best: Float64 | None = None
    distance: float = np.inf
    nearer: tuple[float, EngineSession] | None = None

    def consider(self, x: Float64, found_by: FoundBy) -> bool:
        """Takes a point (d,) that is unsafe and nearer; what is in the ball must be a witness."""
        attack, inputs = self.attack, self.attack.inputs
        stored = inputs.with_eps(np.inf).to_model_type(x)
        distance = inputs.length(stored.astype(np.float64))
        unsafe = attack.state.problem.unsafe
        logits = attack.model.values.forward(stored[None])
        if distance >= self.distance or not unsafe.margins(logits).min() < 0:
            return False
        if distance <= inputs.eps and not attack.state.offer(stored, found_by):
            return False
        self.best, self.distance = stored.astype(np.float64), distance
        return True

    def search_segment(self, end: Float64, found_by: FoundBy) -> None:
        """Takes the first unsafe point on the way from the clean input to a point (d,)."""
        attack, center = self.attack, self.attack.inputs.center
        shares = np.arange(1, _SEGMENT + 1)[:, None] / _SEGMENT
        points = center + shares * (end - center)
        logits = attack.model.values.forward(points.astype(attack.inputs.dtype))
        for place in np.flatnonzero(attack.state.problem.unsafe.margins(logits).min(axis=1) < 0):
            if self.consider(points[place], found_by):
                return


@final
@dataclass(frozen=True)
class RandomRegions(AttackStage):
    """Programs in random regions, nearer and nearer to the clean input.

    Attributes:
        regions: regions drawn for each input.
        bias: how often a region is drawn from the side of the clean input.
        gamma: how much more often it is drawn close to the best point than far from it.
        start: the first adversarial point: of PGD runs in growing balls, or of random noise where
            it is ``noise`` or these fail.
        steps: steps of these runs.
    """

    regions: int
    bias: float
    gamma: float
    start: str
    steps: int

    @override
    def run(self, batch: AttackBatch) -> None:
        searches = [_Search(attack) for attack in batch.open()]
        for search in searches:
            witness = search.attack.state.witness
            if witness is not None:
                search.best, search.distance = witness.x.astype(np.float64), witness.distance
        if self.start == "pgd":
            self._run_pgd([search for search in searches if search.best is None])
        for search in searches:
            if search.best is None and search.attack.state.is_open:
                with timed([search.attack.state]):
                    _try_noise(search)
            self._search(search)

    def _run_pgd(self, searches: Sequence[_Search]) -> None:
        """PGD runs in balls of twice the radius each time, until one leaves the class."""
        for number in reversed(range(_DOUBLINGS)):
            searches = [s for s in searches if s.best is None and s.attack.state.is_open]
            owners = [s for s in searches for _ in s.attack.nearest_disjuncts(_TARGETS)]
            if not owners:
                return
            attacks = [search.attack for search in owners]
            reached: list[tuple[_Search, Float64]] = []

            def accept(
                row: int,
                x: Floats,
                owners: Sequence[_Search] = owners,
                reached: list[tuple[_Search, Float64]] = reached,
            ) -> bool:
                reached.append((owners[row], x.astype(np.float64)))
                return True

            attack_rows(
                attacks,
                [j for s in searches for j in s.attack.nearest_disjuncts(_TARGETS)],
                [attack.inputs.center for attack in attacks],
                MomentumPgd(), self.steps, accept=accept,
                eps=np.array([attack.inputs.widest * 0.5**number for attack in attacks]),
            )  # fmt: skip
            for search, x in reached:
                with timed([search.attack.state]):
                    search.search_segment(x, FoundBy.GRADIENT)

    def _search(self, search: _Search) -> None:
        attack = search.attack
        state, generator = attack.state, attack.generator(Stream.RANDOM_REGIONS, 1)
        for number in range(self.regions):
            if not state.is_open:
                return
            with timed([state]):
                x = self._draw(search, generator, number)
                pattern = attack.model.network.pattern(x)
                region = LinearRegion(attack.model.network, pattern)
                bounds = _bound_distances(attack, region)
            for j in np.argsort(bounds, kind="stable"):
                if bounds[j] >= search.distance or not state.is_open:
                    break
                if attack.enter(pattern, int(j)):
                    _solve(search, region, int(j))

    def _draw(self, search: _Search, generator: np.random.Generator, number: int) -> Float64:
        """A point (d,) of the next region: first the best one, then near it."""
        inputs, best = search.attack.inputs, search.best
        if best is None:
            return inputs.center if number == 0 else _spread(search, generator, 1)[0]
        if number == 0:
            return best
        scale = inputs.norm.unit_radii(inputs.size)
        back = _unit(
            np.divide(inputs.center - best, scale, out=np.zeros_like(scale), where=scale > 0)
        )
        aside = generator.standard_normal(inputs.size)
        aside = _unit(aside - (aside @ back) * back)
        angle = generator.uniform(0.0, np.pi)
        if generator.uniform() > self.bias:
            angle = -angle
        step = scale * (np.sin(angle) * back + np.cos(angle) * aside)
        length = float(inputs.norm.lengths(step[None])[0])
        step *= search.distance * generator.uniform() ** self.gamma / max(length, 1e-300)
        return np.clip(best + step, inputs.lower, inputs.upper)


def _unit(x: Float64) -> Float64:
    return x / max(float(np.linalg.norm(x)), 1e-300)


def _spread(search: _Search, generator: np.random.Generator, count: int) -> Float64:
    """Points of the domain, the same number from each of some balls."""
    inputs = search.attack.inputs
    balls = [inputs.with_eps(share * inputs.widest) for share in _SHARES]
    return np.concatenate([ball.sample(generator, count) for ball in balls])


def _try_noise(search: _Search) -> None:
    """Line searches towards the nearest unsafe one of many random points."""
    attack = search.attack
    points = _spread(search, attack.generator(Stream.RANDOM_REGIONS, 0), _DRAWN)
    logits = attack.model.values.forward(points.astype(attack.inputs.dtype))
    unsafe = np.flatnonzero(attack.state.problem.unsafe.margins(logits).min(axis=1) < 0)
    lengths = attack.inputs.norm.lengths(points[unsafe] - attack.inputs.center)
    for place in unsafe[np.argsort(lengths, kind="stable")]:
        search.search_segment(points[place], FoundBy.SAMPLING)
        if search.best is not None:
            return


def _bound_distances(attack: AttackState, region: LinearRegion) -> Float64:
    """Distances at which the affine map of a region reaches each disjunct."""
    outputs = region.evaluate(attack.inputs.center[None]).outputs[0]
    bounds = []
    for disjunct in attack.disjuncts:
        slopes = attack.inputs.norm.dual(region.gradient(disjunct.matrix))
        margins = np.maximum(disjunct.matrix @ outputs - disjunct.bound, 0.0)
        with np.errstate(over="ignore"):
            bounds.append(float(np.max(margins / np.maximum(slopes, np.finfo(np.float64).tiny))))
    return np.array(bounds)


def _may_be_nearer(search: _Search, region: LinearRegion, disjunct: int, margin: float) -> bool:
    """Whether the part of a region that is nearer than the best point has an unsafe one.

    In ℓ∞ that part is bounded by a box, so that this program is far smaller than the next.
    """
    attack, state = search.attack, search.attack.state
    if attack.inputs.norm.order != np.inf or not np.isfinite(search.distance):
        return True
    if search.nearer is None or search.nearer[0] != search.distance:
        inputs = attack.inputs.with_eps(search.distance)
        search.nearer = search.distance, attack.engine.begin(inputs)
    with timed([state], Work.LPS):
        optimum = search.nearer[1].least_margin(
            region, attack.disjuncts[disjunct], state.seconds_left
        )
    state.effort += Effort(lp_steps=1)
    return not optimum.found or optimum.margin <= -margin


def _solve(search: _Search, region: LinearRegion, disjunct: int) -> None:
    """Finds the nearest unsafe point of a region, unless it is no nearer than the best one."""
    attack, state = search.attack, search.attack.state
    logits = region.evaluate(attack.inputs.center[None]).outputs
    scale = max(1.0, float(np.abs(logits).max()))
    for share in MARGINS:
        if not _may_be_nearer(search, region, disjunct, share * scale):
            return
        with timed([state], Work.LPS):
            optimum = attack.session.least_distance(
                region, attack.disjuncts[disjunct], share * scale, state.seconds_left,
                search.distance,
            )  # fmt: skip
        state.effort += Effort(lp_steps=1)
        if not optimum.found:
            return
        with timed([state]):
            if search.consider(optimum.x, FoundBy.LP):
                return
