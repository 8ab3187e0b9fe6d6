"""What a user can set about an attack."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from onnx_lippa.attacks import schedule
from onnx_lippa.attacks.methods import AttackMethod, Lippa, LippaMip, Pgd
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import Problem
from onnx_lippa.witness import Result

_ROUNDS: Final = 8
_REGION_STEPS: Final = 8
"""Rounds and LPSteps where no number is given."""


class Method(Enum):
    """Which attack."""

    LIPPA = "lippa"
    LIPPA_MIP = "lippa+mip"
    PGD = "pgd"


@dataclass(frozen=True)
class Settings:
    """Budgets and choices; the defaults are those of ``docs/performance.md``.

    Attributes:
        method: LIPPA explores with gradients and finishes with linear programs; PGD leaves the
            programs out and is otherwise the same, so LIPPA is never weaker. LIPPA_MIP goes on
            with small mixed-integer programs where LIPPA ends, so it is never weaker either.
        minimize: look for the nearest adversarial example instead of any within eps.
        restarts: rounds of gradient walks after the first one. A number is spent on every input,
            until it is broken or out of time; None is eight, of which inputs that no walk brings
            near get fewer where a round is not cheap.
        gradient_steps: gradient steps of a walk.
        lp_steps: LPSteps of Algorithm 1 for one input, beyond one for each round of walks; when
            minimising, those of each refinement. A number is spent, until there is no new region;
            None is eight, with more where they are cheap and none for inputs that are not near.
        time_limit: seconds for one input; an input that runs out of them stays unknown. It is
            the one setting that can make two runs differ.
        seed: where random numbers come from.
        engine: LP engine: auto, rows or stacked.
        solver: solver of the programs; None takes the norm's own (glop, for ℓ2 clarabel).
    """

    method: Method = Method.LIPPA
    minimize: bool = False
    restarts: int | None = None
    gradient_steps: int = 60
    lp_steps: int | None = None
    time_limit: float = math.inf
    seed: int = 0
    engine: str = "auto"
    solver: str | None = None

    def __post_init__(self) -> None:
        for name, value, least in (
            ("restarts", self.rounds, 0),
            ("gradient_steps", self.gradient_steps, 1),
            ("lp_steps", self.region_steps, 0),
            ("seed", self.seed, 0),
        ):
            if value < least:
                raise InputError(f"{name} is {value}: give a number of at least {least}")
        if not self.time_limit > 0:
            raise InputError(f"the time limit is {self.time_limit}: give a positive number")

    @property
    def rounds(self) -> int:
        """Rounds of walks after the first."""
        return _ROUNDS if self.restarts is None else self.restarts

    @property
    def region_steps(self) -> int:
        """LPSteps of Algorithm 1."""
        return _REGION_STEPS if self.lp_steps is None else self.lp_steps

    @property
    def value(self) -> AttackMethod:
        """The method as a value."""
        if self.method is Method.PGD:
            return Pgd(self.restarts, self.gradient_steps)
        kind = Lippa if self.method is Method.LIPPA else LippaMip
        return kind(self.restarts, self.gradient_steps, self.lp_steps, self.engine, self.solver)


def attack_batch(model: Model, problems: Sequence[Problem], settings: Settings) -> Iterator[Result]:
    """Attacks some inputs; see :func:`onnx_lippa.attacks.schedule.attack_batch`."""
    asked = [replace(problem, minimize=settings.minimize) for problem in problems]
    return schedule.attack_batch(model, asked, settings.value, settings.time_limit, settings.seed)
