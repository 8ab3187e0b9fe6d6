"""The fast gradient sign method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, final

from typing_extensions import override

from onnx_lippa.attacks.base import AttackMethod
from onnx_lippa.attacks.fixed_radius import require_loss, require_positive, schedule_runs
from onnx_lippa.attacks.stages.gradient_runs import GradientRuns, RuleStepping, Targets
from onnx_lippa.attacks.stages.line_search import LineSearch
from onnx_lippa.attacks.stages.pgd import ConstantSteps
from onnx_lippa.attacks.stages.state import AttackStage
from onnx_lippa.spec import Problem

_FULL_STEP: Final = 1.0


@final
@dataclass(frozen=True)
class Fgsm(AttackMethod):
    """FGSM (Goodfellow, Shlens, Szegedy, ICLR 2015): one step to the boundary of the ball.

    The step is the norm's steepest descent: signs in ℓ∞, the normalised gradient in ℓ2, and in ℓ1
    equal shares for the hundredth part of the features. Where the distance is minimised, the
    points of the line along it are searched; with a random start the radius is bisected.

    Attributes:
        loss: ce, margin or dlr.
        random_start: whether the step begins at a random point of the ball and is projected
            (Wong, Rice, Kolter, ICLR 2020).
        step_share: length of the step as a share of eps, which a random start takes to 1.25 in
            that paper; the result is projected.
    """

    loss: str = "ce"
    random_start: bool = False
    step_share: float = _FULL_STEP

    name: ClassVar[str] = "fgsm"

    def __post_init__(self) -> None:
        require_loss(self.loss)
        require_positive("step_share", self.step_share)

    @override
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        if problem.minimize and not self.random_start:
            return (LineSearch(self.loss),)
        steps = RuleStepping(ConstantSteps(0.0, self.step_share))
        runs = GradientRuns(self.loss, Targets.UNTARGETED, 1, steps, self.random_start)
        return schedule_runs(runs, 1, problem)
