"""Gradient attacks in a ball of a fixed radius, and the same with a bisection of the radius."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from onnx_lippa.attacks.stages.bisection import RadiusBisection
from onnx_lippa.attacks.stages.gradient_runs import GradientRound, GradientRuns, Targets
from onnx_lippa.attacks.stages.losses import LOSS_NAMES
from onnx_lippa.attacks.stages.state import AttackStage
from onnx_lippa.errors import InputError
from onnx_lippa.spec import Problem

TARGET_NAMES: Final = tuple(one.value for one in Targets)
"""What runs aim at: all, untargeted or nearest."""


def schedule_runs(runs: GradientRuns, rounds: int, problem: Problem) -> tuple[AttackStage, ...]:
    """Rounds of runs within the radius; where the distance is minimised, at bisected radii."""
    if problem.minimize:
        return (RadiusBisection(runs, rounds),)
    return tuple(GradientRound(runs, round_) for round_ in range(rounds))


def require_word(name: str, value: str, words: Iterable[str]) -> None:
    """Refuses an option that is none of some words."""
    if value not in words:
        raise InputError(f"{name} is '{value}': choose one of {', '.join(words)}")


def require_loss(value: str) -> None:
    """Refuses a loss that does not exist."""
    require_word("loss", value, LOSS_NAMES)


def require_positive(name: str, value: float | None) -> None:
    """Refuses a number that is not positive; None is no number."""
    if value is not None and not 0 < value < float("inf"):
        raise InputError(f"{name} is {value}: give a positive number")


def require_decay(name: str, value: float | None) -> None:
    """Refuses a negative number, or one that is not finite; None is no number."""
    if value is not None and not 0 <= value < float("inf"):
        raise InputError(f"{name} is {value}: give a number of at least 0")
