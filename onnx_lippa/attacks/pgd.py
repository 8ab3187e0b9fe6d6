"""PGD with restarts, momentum and one run for each target class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from typing_extensions import override

from onnx_lippa.attacks.restarted import RestartedAttack
from onnx_lippa.attacks.schedule import make_schedule
from onnx_lippa.attacks.stages.state import AttackStage
from onnx_lippa.spec import Problem


@final
@dataclass(frozen=True)
class Pgd(RestartedAttack):
    """PGD with restarts: LiPPA without linear programs, and so never stronger."""

    name: ClassVar[str] = "pgd"

    @override
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        return make_schedule(self, problem, is_cheap)
