"""PGD with restarts, momentum and one run for each target class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, final

from typing_extensions import override

from onnx_lippa.attacks.fixed_radius import (
    TARGET_NAMES,
    require_decay,
    require_loss,
    require_positive,
    require_word,
    schedule_runs,
)
from onnx_lippa.attacks.restarted import RestartedAttack
from onnx_lippa.attacks.schedule import make_schedule
from onnx_lippa.attacks.stages.gradient_runs import GradientRuns, RuleStepping, Targets
from onnx_lippa.attacks.stages.pgd import ConstantSteps, MomentumPgd, StepRule
from onnx_lippa.attacks.stages.state import AttackStage
from onnx_lippa.spec import Problem

_MOMENTUM: Final = 0.75
"""Momentum of steps that become shorter."""


@final
@dataclass(frozen=True)
class Pgd(RestartedAttack):
    """PGD with restarts (Madry et al., ICLR 2018).

    While the options below have their defaults, it is LiPPA without linear programs, and so never
    stronger: its schedule also has a random search, short runs first, and restarts from starts of
    several kinds. With any of them, each round is made of the runs that they describe, and the
    starts of restarts are random points of the ball; where the distance is minimised, the radius
    is bisected.

    Attributes:
        targets: all (a run for each class), untargeted or nearest (the class of least margin).
        loss: margin, ce or dlr.
        step_length: constant length of a step in the norm of the ball; None for steps that become
            shorter, from 2 eps to 0.01 eps.
        momentum: share of the last move that is repeated; None is 0.75, or 0 with steps of
            constant length.
        random_start: whether the first run begins at a random point of the ball, too.
    """

    targets: str = "all"
    loss: str = "margin"
    step_length: float | None = None
    momentum: float | None = None
    random_start: bool = False

    name: ClassVar[str] = "pgd"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_word("targets", self.targets, TARGET_NAMES)
        require_loss(self.loss)
        require_positive("step_length", self.step_length)
        require_decay("momentum", self.momentum)

    @override
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        if self == Pgd(self.restarts, self.gradient_steps):
            return make_schedule(self, problem, is_cheap)
        runs = GradientRuns(
            self.loss,
            Targets(self.targets),
            self.gradient_steps,
            RuleStepping(self._rule()),
            self.random_start,
        )
        return schedule_runs(runs, self.rounds + 1, problem)

    def _rule(self) -> StepRule:
        if self.step_length is None:
            return MomentumPgd(momentum=_MOMENTUM if self.momentum is None else self.momentum)
        return ConstantSteps(self.step_length, momentum=self.momentum or 0.0)
