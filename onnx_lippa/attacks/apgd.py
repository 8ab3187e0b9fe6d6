"""Auto-PGD."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self, final

from typing_extensions import override

from onnx_lippa.attacks.base import AttackMethod, require_least
from onnx_lippa.attacks.fixed_radius import (
    TARGET_NAMES,
    require_loss,
    require_word,
    schedule_runs,
)
from onnx_lippa.attacks.stages.apgd import ApgdStepping
from onnx_lippa.attacks.stages.gradient_runs import GradientRuns, Targets
from onnx_lippa.attacks.stages.state import AttackStage
from onnx_lippa.spec import Problem


@final
@dataclass(frozen=True)
class Apgd(AttackMethod):
    """APGD, Auto-PGD (Croce, Hein, ICML 2020): steps that adapt their length to their progress.

    In ℓ1 the steps are sparse, and the runs begin in balls of three and two times the radius
    (Croce, Hein, ICML 2021). With ``targets=all`` the classes are attacked together and not one
    after the other. Where the distance is minimised, the radius is bisected.

    Attributes:
        loss: dlr, ce or margin; dlr is the targeted DLR loss for targets all and nearest.
        targets: untargeted, all (a run for each class) or nearest (the class of least margin).
        gradient_steps: steps of a run.
        random_start: whether the first run begins at a random point of the ball.
        restarts: further runs, from random points.
    """

    loss: str = "dlr"
    targets: str = "untargeted"
    gradient_steps: int = 100
    random_start: bool = True
    restarts: int = 0

    name: ClassVar[str] = "apgd"

    def __post_init__(self) -> None:
        require_loss(self.loss)
        require_word("targets", self.targets, TARGET_NAMES)
        require_least("gradient_steps", self.gradient_steps, 1)
        require_least("restarts", self.restarts, 0)

    @override
    def limit(self, restarts: int, lp_steps: int | None = None) -> Self:
        return replace(self, restarts=min(self.restarts, restarts))

    @override
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        runs = GradientRuns(
            self.loss,
            Targets(self.targets),
            self.gradient_steps,
            ApgdStepping(),
            self.random_start,
        )
        return schedule_runs(runs, self.restarts + 1, problem)
