"""Which stages an attack is made of."""

from __future__ import annotations

from onnx_lippa.attacks.methods import MomentumPgd
from onnx_lippa.attacks.settings import Method, Settings
from onnx_lippa.attacks.stages import (
    Algorithm1,
    Enclose,
    FinishWithLp,
    Polish,
    Stage,
    Tighten,
    Walks,
)

_SKIRMISH_STEPS = 20
"""Steps against the nearest disjunct alone, which settle the easy inputs."""
_LATER_DISJUNCTS = 4
"""Disjuncts of later rounds."""
_BRACKETS = 12
"""Radii tried for each disjunct when minimising."""


def plan_for(settings: Settings) -> tuple[Stage, ...]:
    """The stages of an attack, in order."""
    return _nearest(settings) if settings.minimize else _within(settings)


def _within(settings: Settings) -> tuple[Stage, ...]:
    """Any adversarial example within eps: explore in batches, finish with LPs."""
    walk, lippa = MomentumPgd(), settings.method is Method.LIPPA
    stages: list[Stage] = [Walks(0, 1, walk, _SKIRMISH_STEPS)]
    for round_ in range(settings.restarts + 1):
        disjuncts = None if round_ == 0 else _LATER_DISJUNCTS
        stages.append(Walks(round_, disjuncts, walk, settings.gradient_steps))
        if lippa:
            stages.append(FinishWithLp(round_))
    if lippa and settings.lp_steps:
        stages.append(Algorithm1(settings.lp_steps))
    return tuple(stages)


def _nearest(settings: Settings) -> tuple[Stage, ...]:
    """The nearest adversarial example: bracket it, then walks and LPs in turn."""
    walk, lippa = MomentumPgd(), settings.method is Method.LIPPA
    stages: list[Stage] = [
        Enclose(_BRACKETS, _LATER_DISJUNCTS, walk, settings.gradient_steps // 2 or 1)
    ]
    for _ in range(max(1, settings.restarts // 2)):
        if lippa and settings.lp_steps:
            stages.append(Polish(settings.lp_steps))
        stages.append(Tighten(0.98, _LATER_DISJUNCTS, walk, settings.gradient_steps))
    if lippa and settings.lp_steps:
        stages.append(Polish(settings.lp_steps))
    return tuple(stages)
