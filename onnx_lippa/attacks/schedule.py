"""The schedule of an attack: the stages it is made of."""

from __future__ import annotations

import math
from itertools import zip_longest
from typing import Final

import numpy as np

from onnx_lippa.attacks.restarted import RestartedAttack
from onnx_lippa.attacks.stages.algorithm_1 import Algorithm1
from onnx_lippa.attacks.stages.apgd import ApgdStepping
from onnx_lippa.attacks.stages.categories import CategoryStages
from onnx_lippa.attacks.stages.gradient_runs import GradientRound, GradientRuns, Targets
from onnx_lippa.attacks.stages.grid import GridEnumeration, GridSearch
from onnx_lippa.attacks.stages.minimal import (
    LpRefinement,
    NearestRegions,
    RadiusBracketing,
    Shrinking,
)
from onnx_lippa.attacks.stages.neighbourhood import LargeNeighbourhoodSearch
from onnx_lippa.attacks.stages.random_search import MOST_FEATURES, RandomSearch
from onnx_lippa.attacks.stages.region_steps import LpStepsAtEnds, RegionLocalSearch
from onnx_lippa.attacks.stages.restarts import PgdRound, Start
from onnx_lippa.attacks.stages.state import AttackStage, Stream
from onnx_lippa.spec import Problem

_SCAN_STEPS: Final = 20
"""Steps towards the nearest disjunct, which break the easy inputs, and then towards all, which tell
the hopeful disjuncts from the others."""
_HOPEFUL: Final = 4
"""Disjuncts of each input in the first two rounds of full PGD runs."""
_STARTS: Final = (Start.DIVERSE, Start.FAR, Start.OTHER)
"""Starts of the restarts, in turn."""
_NEAR: Final = 0.3
_NEARER: Final = 0.12
"""Relative margins below which an input gets the second and third restart, and later ones
(docs/performance.md)."""
_OTHER_LOSSES: Final = ("ce", "dlr")
_OTHER_STEPS: Final = 100
_OTHER_ROUNDS: Final = 2
"""Losses of the untargeted APGD runs behind the restarts, their steps, and rounds with each: they
take other ways than runs on margins, at the price of a single target (docs/performance.md)."""
_COPIES: Final = 8
"""PGD runs on each disjunct in a restart on a property."""
_FEW_POINTS: Final = 1024
"""Points of random search at the start; fewer for a large network."""
_FIRST_POINTS: Final = 8192
_FIRST_SECONDS: Final = 0.5
_ALL_POINTS: Final = 1 << 21
_ALL_SECONDS: Final = 5.0
"""The same in a box: at the start, and when PGD has failed."""
_SEARCHES: Final = 6
_SEARCH_STEPS: Final = 40
"""Local searches from region to region, and the LPSteps of each, the first time."""
_THOROUGH_AFTER: Final = 2
"""The round after which random search and local search of a box are repeated at length."""
_BRACKETS: Final = 12
"""Radii tried for each disjunct when minimising."""
_SHRINKINGS: Final = 4
_CHEAP_REGIONS: Final = 400
"""Rounds of PGD runs in smaller balls, and regions solved where that is cheap, unless a number is
given."""
_SCANNED: Final = 64
_ATTACKED: Final = 8
_PURSUED: Final = 2
"""Combinations of categories that are scanned, that have the first full PGD runs, and that have the
whole schedule."""
_FEW_ON_GRID: Final = 1 << 14
_ALL_ON_GRID: Final = 1 << 20
"""Grid points up to which all are evaluated: at the start, and at the end."""


def make_schedule(
    method: RestartedAttack, problem: Problem, is_cheap: bool
) -> tuple[AttackStage, ...]:
    """The stages of :meth:`AttackMethod.schedule`."""
    if problem.claim is not None:
        return _for_property(method)
    inputs = problem.inputs
    stages = _stages_of(method, problem, is_cheap, inputs.grid is not None)
    grouped = [] if inputs.relations is None else inputs.relations.features
    if not grouped:
        return stages
    others = inputs.grid is not None and np.any(np.delete(inputs.grid.steps, grouped) > 0)
    within = _stages_of(method, problem, is_cheap, bool(others))
    rounds = [place for place, one in enumerate(within) if isinstance(one, PgdRound)]
    first, second = 1 + rounds[0], 1 + rounds[min(3, len(rounds) - 1)]
    return (
        CategoryStages(within[:first], _SCANNED),
        CategoryStages(within[first:second], _ATTACKED),
        CategoryStages(within[second:], _PURSUED, exhausts=True),
        *stages,
    )


def _stages_of(
    method: RestartedAttack, problem: Problem, is_cheap: bool, on_grid: bool
) -> tuple[AttackStage, ...]:
    """The stages for a classifier, whatever the relations of its inputs."""
    stages = _nearest(method, is_cheap, on_grid) if problem.minimize else _within(method, is_cheap)
    return _on_grid(stages) if on_grid else stages


def _on_grid(stages: tuple[AttackStage, ...]) -> tuple[AttackStage, ...]:
    """The same with grid search behind each round of PGD runs, and enumeration of few points."""
    searched: list[AttackStage] = [GridEnumeration(_FEW_ON_GRID)]
    for stage, following in zip_longest(stages, stages[1:]):
        searched.append(stage)
        if isinstance(stage, RadiusBracketing):
            searched.append(GridSearch(None))
        elif isinstance(stage, PgdRound | Shrinking) and _round_of(following) != stage.round:
            searched.append(GridSearch(stage.round))
    return (*searched, GridEnumeration(_ALL_ON_GRID))


def _round_of(stage: AttackStage | None) -> int:
    """The round of PGD runs that a stage is; -1 where it is none."""
    return stage.round if isinstance(stage, PgdRound) else -1


def _within(method: RestartedAttack, cheap: bool) -> tuple[AttackStage, ...]:
    """Any adversarial example within eps: random search, PGD, and LPSteps at its ends.

    Relative margins save work only where no number of restarts or LPSteps was given.
    """
    saves, lps = method.restarts is None and not cheap, method.lps
    scan = min(_SCAN_STEPS, method.gradient_steps)
    stages: list[AttackStage] = [
        RandomSearch(_FEW_POINTS),
        PgdRound(0, Start.CLEAN, 1, scan),
        PgdRound(0, Start.CLEAN, None, scan),
    ]
    for round_ in range(method.rounds + 1):
        start = Start.CLEAN if round_ == 0 else _STARTS[(round_ - 1) % len(_STARTS)]
        near = _NEAR if round_ <= 3 else _NEARER
        near = near if saves and round_ > 1 else math.inf
        disjuncts = _HOPEFUL if round_ <= 1 else None
        stages.append(PgdRound(round_, start, disjuncts, method.gradient_steps, near))
        if lps:
            stages.append(LpStepsAtEnds(round_, near))
    if method.rounds and not cheap:
        stages += _other_losses(_NEAR if saves else math.inf)
    if lps and lps.region_steps:
        given = lps.lp_steps is not None
        if cheap and not given:
            stages.append(RegionLocalSearch(_SEARCHES, _SEARCH_STEPS))
        stages.append(Algorithm1(lps.region_steps, math.inf if given or cheap else _NEAR))
    stages += _neighbourhood(method, math.inf if cheap else _NEAR)
    return tuple(stages)


def _other_losses(near: float) -> list[AttackStage]:
    """Untargeted APGD runs on other losses, from random starts."""
    each = [
        GradientRuns(loss, Targets.UNTARGETED, _OTHER_STEPS, ApgdStepping(), random_start=True)
        for loss in _OTHER_LOSSES
    ]
    return [GradientRound(runs, round_, near) for round_ in range(_OTHER_ROUNDS) for runs in each]


def _neighbourhood(method: RestartedAttack, near: float) -> list[AttackStage]:
    """Large neighbourhood search of inputs whose relative margin is below a number."""
    size = method.free_neurons
    return [LargeNeighbourhoodSearch(size, max_relative_margin=near)] if size else []


def _for_property(method: RestartedAttack) -> tuple[AttackStage, ...]:
    """Any input of a box that meets a property.

    There is one input to attack, so a batch is filled with PGD runs from many starts. Where few
    features are free, random search and local search come between them.
    """
    lps, steps = method.lps, method.gradient_steps
    solves_regions = bool(lps and lps.region_steps)
    stages: list[AttackStage] = [
        RandomSearch(_FIRST_POINTS, _FIRST_SECONDS),
        PgdRound(0, Start.CLEAN, None, min(_SCAN_STEPS, steps)),
    ]
    if solves_regions:
        stages.append(RegionLocalSearch(_SEARCHES, _SEARCH_STEPS))
    stages.append(PgdRound(0, Start.CLEAN, None, steps))
    for round_ in range(method.rounds + 1):
        if round_ > 0:
            start = _STARTS[(round_ - 1) % len(_STARTS)]
            stages.append(PgdRound(round_, start, None, steps, copies=_COPIES))
        if lps:
            stages.append(LpStepsAtEnds(round_, points=2))
        if round_ == _THOROUGH_AFTER:
            thorough = Stream.THOROUGH_RANDOM_SEARCH
            stages.append(RandomSearch(_ALL_POINTS, _ALL_SECONDS, thorough))
            if solves_regions:
                stages.append(RegionLocalSearch(4 * _SEARCHES, 4 * _SEARCH_STEPS))
    if lps and lps.region_steps:
        stages.append(Algorithm1(lps.region_steps))
    stages += _neighbourhood(method, math.inf)
    return tuple(stages)


def _nearest(method: RestartedAttack, cheap: bool, on_grid: bool) -> tuple[AttackStage, ...]:
    """The nearest adversarial example: bracket its distance, then PGD and LPSteps in turn."""
    lps = method.lps if method.lps and method.lps.region_steps else None
    near, steps = math.inf if cheap else _NEAR, method.gradient_steps
    # Where there is a radius too, these find any example within it; else they have nothing to do.
    stages: list[AttackStage] = [
        RandomSearch(_FEW_POINTS),
        PgdRound(0, Start.CLEAN, None, min(_SCAN_STEPS, steps)),
        PgdRound(0, Start.CLEAN, _HOPEFUL, steps),
        PgdRound(1, Start.DIVERSE, None, steps, near),
        *_neighbourhood(method, near),
    ]
    half, disjuncts = max(1, steps // 2), None if cheap else _HOPEFUL
    stages.append(RadiusBracketing(_BRACKETS, disjuncts, half, method.rounds))
    rounds = _SHRINKINGS if method.restarts is None else method.restarts
    for round_ in range(rounds):
        if lps:
            stages.append(LpRefinement(lps.region_steps))
        stages.append(Shrinking(round_, disjuncts, steps))
    if lps:
        stages.append(LpRefinement(lps.region_steps))
        if lps.lp_steps is not None:
            stages.append(NearestRegions(lps.lp_steps))
        elif cheap and not on_grid:  # LPs know no grid
            stages.append(NearestRegions(_CHEAP_REGIONS, MOST_FEATURES))
    return tuple(stages)
