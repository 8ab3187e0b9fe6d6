"""Which stages an attack is made of."""

from __future__ import annotations

import math
from itertools import zip_longest
from typing import Final

from onnx_lippa.attacks.settings import Method, Settings
from onnx_lippa.attacks.stages import (
    MOST_FEATURES,
    Algorithm1,
    Descend,
    Enclose,
    EnumerateGrid,
    FinishWithLp,
    FreePatterns,
    GridSearch,
    NearestRegions,
    Polish,
    Scatter,
    Stage,
    Start,
    Tighten,
    Walks,
)

_SCAN_STEPS: Final = 20
"""Steps against the nearest disjunct, which settle the easy inputs, and then against all, which
tell the hopeful disjuncts from the others."""
_HOPEFUL: Final = 4
"""Disjuncts of each input in the first two rounds of full walks."""
_STARTS: Final = (Start.DIVERSE, Start.FAR, Start.OTHER)
"""Starts of the restarts, in turn."""
_NEAR: Final = 0.3
_NEARER: Final = 0.12
"""An input gets the second and third restart while a walk has brought a margin below the first
of these shares of its clean value, more of them below the second. On LP_D MLP-B, MMR MLP-C and
NOR MLP-B (docs/performance.md), 13 of 14 inputs that restarts broke were below 0.2 after the
first round, and those that took three restarts or more below 0.12."""
_COPIES: Final = 8
"""Walks after each disjunct in a restart on a property."""
_FEW_POINTS: Final = 1024
"""Random points of an input of few features before it is attacked; fewer of a large network."""
_FIRST_POINTS: Final = 8192
_FIRST_SECONDS: Final = 0.5
_ALL_POINTS: Final = 1 << 21
_ALL_SECONDS: Final = 5.0
"""Random points of a box of few features: before anything else, and when walks have failed."""
_DESCENTS: Final = 6
_DESCENT_STEPS: Final = 40
"""Descents from region to region, and the LPSteps of each, the first time."""
_THOROUGH_AFTER: Final = 2
_BRACKETS: Final = 12
"""Radii tried for each disjunct when minimising."""
_TIGHTENINGS: Final = 4
_CHEAP_REGIONS: Final = 400
"""Rounds of walks in smaller balls, and regions solved where that is cheap, unless a number is
given."""


_FEW_ON_GRID: Final = 1 << 14
_ALL_ON_GRID: Final = 1 << 20
"""Points of a grid that are all looked at: before anything else, and when all else is done."""
_GRID_STARTS: Final = 3
_GRID_STEPS: Final = 60
"""Starts of a search on the grid after each round of walks, and its moves from each."""


def plan_for(
    settings: Settings, asked: bool = False, grid: bool = False, cheap: bool = False
) -> tuple[Stage, ...]:
    """The stages of an attack, in order.

    Args:
        settings: budgets.
        asked: whether it is one on a property.
        grid: whether features take multiples of a step only.
        cheap: whether evaluating the network costs next to nothing, so that no work is saved.
    """
    if asked:
        return _sought(settings)
    stages = _nearest(settings, cheap, grid) if settings.minimize else _within(settings, cheap)
    return _on_grid(stages) if grid else stages


def _on_grid(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The same with a search on the grid behind each round of walks, and all points where few."""
    searched: list[Stage] = [EnumerateGrid(_FEW_ON_GRID)]
    for stage, following in zip_longest(stages, stages[1:]):
        searched.append(stage)
        if isinstance(stage, Enclose):
            searched.append(GridSearch(None, _GRID_STARTS, _GRID_STEPS))
        elif isinstance(stage, Walks | Tighten) and _round(following) != stage.round:
            searched.append(GridSearch(stage.round, _GRID_STARTS, _GRID_STEPS, stage.round == 0))
    return (*searched, EnumerateGrid(_ALL_ON_GRID))


def _round(stage: Stage | None) -> int:
    """The round of walks that a stage is; -1 where it is none."""
    return stage.round if isinstance(stage, Walks) else -1


def _within(settings: Settings, cheap: bool) -> tuple[Stage, ...]:
    """Any adversarial example within eps: chance, walks in batches, LPs at their ends.

    Shares of clean margins save work where nobody said how much there is to be, and only there.
    """
    saves = settings.restarts is None and not cheap
    lippa = settings.method is not Method.PGD
    scan = min(_SCAN_STEPS, settings.gradient_steps)
    stages: list[Stage] = [
        Scatter(_FEW_POINTS),
        Walks(0, Start.CLEAN, 1, scan),
        Walks(0, Start.CLEAN, None, scan),
    ]
    for round_ in range(settings.rounds + 1):
        start = Start.CLEAN if round_ == 0 else _STARTS[(round_ - 1) % len(_STARTS)]
        closeness = _NEAR if round_ <= 3 else _NEARER
        closeness = closeness if saves and round_ > 1 else math.inf
        disjuncts = _HOPEFUL if round_ <= 1 else None
        stages.append(Walks(round_, start, disjuncts, settings.gradient_steps, closeness))
        if lippa:
            stages.append(FinishWithLp(round_, closeness))
    if lippa and settings.region_steps:
        if cheap and settings.lp_steps is None:
            stages.append(Descend(_DESCENTS, _DESCENT_STEPS, MOST_FEATURES))
        named = settings.lp_steps is not None
        stages.append(Algorithm1(settings.region_steps, math.inf if named or cheap else _NEAR))
    if settings.method is Method.LIPPA_MIP:
        stages.append(FreePatterns(closeness=math.inf if cheap else _NEAR))
    return tuple(stages)


def _sought(settings: Settings) -> tuple[Stage, ...]:
    """Any input of a box with the outputs that a property seeks.

    There is one input to attack, so a batch is filled with walks from many starts. Where few
    features are free, chance and LPs from region to region come between them.
    """
    lippa = settings.method is not Method.PGD
    scan, steps = min(_SCAN_STEPS, settings.gradient_steps), settings.gradient_steps
    stages: list[Stage] = [
        Scatter(_FIRST_POINTS, _FIRST_SECONDS),
        Walks(0, Start.CLEAN, None, scan),
    ]
    if lippa and settings.region_steps:
        stages.append(Descend(_DESCENTS, _DESCENT_STEPS, MOST_FEATURES))
    stages.append(Walks(0, Start.CLEAN, None, steps))
    for round_ in range(settings.rounds + 1):
        if round_ > 0:
            start = _STARTS[(round_ - 1) % len(_STARTS)]
            stages.append(Walks(round_, start, None, steps, copies=_COPIES))
        if lippa:
            stages.append(FinishWithLp(round_, points=2))
        if round_ == _THOROUGH_AFTER:
            stages.append(Scatter(_ALL_POINTS, _ALL_SECONDS))
            if lippa and settings.region_steps:
                stages.append(Descend(4 * _DESCENTS, 4 * _DESCENT_STEPS, MOST_FEATURES))
    if lippa and settings.region_steps:
        stages.append(Algorithm1(settings.region_steps))
    if settings.method is Method.LIPPA_MIP:
        stages.append(FreePatterns())
    return tuple(stages)


def _nearest(settings: Settings, cheap: bool, grid: bool) -> tuple[Stage, ...]:
    """The nearest adversarial example: bracket it, then walks and LPs in turn."""
    lippa = settings.method is not Method.PGD and settings.region_steps > 0
    closeness = math.inf if cheap else _NEAR
    # Where a radius is given too, these find any example within it; else they have nothing to do.
    scan = min(_SCAN_STEPS, settings.gradient_steps)
    stages: list[Stage] = [
        Scatter(_FEW_POINTS),
        Walks(0, Start.CLEAN, None, scan),
        Walks(0, Start.CLEAN, _HOPEFUL, settings.gradient_steps),
        Walks(1, Start.DIVERSE, None, settings.gradient_steps, closeness),
    ]
    if settings.method is Method.LIPPA_MIP:
        stages.append(FreePatterns(closeness=closeness))
    half = max(1, settings.gradient_steps // 2)
    stages.append(Enclose(_BRACKETS, None if cheap else _HOPEFUL, half, settings.rounds))
    rounds = _TIGHTENINGS if settings.restarts is None else settings.restarts
    for round_ in range(rounds):
        if lippa:
            stages.append(Polish(settings.region_steps))
        stages.append(Tighten(round_, None if cheap else _HOPEFUL, settings.gradient_steps))
    if lippa:
        stages.append(Polish(settings.region_steps))
        if settings.lp_steps is not None:
            stages.append(NearestRegions(settings.lp_steps))
        elif cheap and not grid:  # LPs know no grid
            stages.append(NearestRegions(_CHEAP_REGIONS, MOST_FEATURES))
    return tuple(stages)
