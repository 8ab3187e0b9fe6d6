"""The basic iterative method."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final, Self, final

from typing_extensions import override

from onnx_lippa.attacks.base import AttackMethod, require_least
from onnx_lippa.attacks.fixed_radius import (
    TARGET_NAMES,
    require_decay,
    require_loss,
    require_positive,
    require_word,
    schedule_runs,
)
from onnx_lippa.attacks.stages.gradient_runs import GradientRuns, RuleStepping, Targets
from onnx_lippa.attacks.stages.pgd import ConstantSteps
from onnx_lippa.attacks.stages.state import AttackStage
from onnx_lippa.spec import Problem

_CROSSINGS: Final = 2.0
"""Radii that all steps together can cross at least where no step length is given."""


@final
@dataclass(frozen=True)
class Bim(AttackMethod):
    """BIM, the basic iterative method (Kurakin, Goodfellow, Bengio, ICLR workshop 2017).

    Steps of constant length, projected, from the clean input; with ``momentum`` MI-FGSM (Dong et
    al., CVPR 2018). Where the distance is minimised, the radius is bisected.

    Attributes:
        loss: ce, margin or dlr.
        targets: untargeted, nearest (the class of least margin) or all (a run for each class).
        gradient_steps: steps of a run.
        step_length: length of a step in the norm of the ball; None is 0.5/256 as in the paper of
            LiPPA, but at least what crosses the radius twice in all steps.
        momentum: decay factor of the accumulated gradient; 0 for none, 1 in MI-FGSM's paper.
        random_start: whether the first run begins at a random point of the ball.
        restarts: further runs, from random points.
    """

    loss: str = "ce"
    targets: str = "untargeted"
    gradient_steps: int = 50
    step_length: float | None = None
    momentum: float = 0.0
    random_start: bool = False
    restarts: int = 0

    name: ClassVar[str] = "bim"

    def __post_init__(self) -> None:
        require_loss(self.loss)
        require_word("targets", self.targets, TARGET_NAMES)
        require_least("gradient_steps", self.gradient_steps, 1)
        require_positive("step_length", self.step_length)
        require_decay("momentum", self.momentum)
        require_least("restarts", self.restarts, 0)

    @override
    def limit(self, restarts: int, lp_steps: int | None = None) -> Self:
        return replace(self, restarts=min(self.restarts, restarts))

    @override
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        if self.step_length is None:
            rule = ConstantSteps(share=_CROSSINGS / self.gradient_steps)
        else:
            rule = ConstantSteps(self.step_length)
        runs = GradientRuns(
            self.loss,
            Targets(self.targets),
            self.gradient_steps,
            RuleStepping(rule, self.momentum),
            self.random_start,
        )
        return schedule_runs(runs, self.restarts + 1, problem)
