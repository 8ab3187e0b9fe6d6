"""LiPPA, the Linear Program Powered Attack (Seck, Loosli, Canu, IJCNN 2021), as tuned here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from typing_extensions import override

from onnx_lippa.attacks.base import require_least
from onnx_lippa.attacks.restarted import LpAttack
from onnx_lippa.attacks.schedule import make_schedule
from onnx_lippa.attacks.stages.state import AttackStage
from onnx_lippa.spec import Problem


@final
@dataclass(frozen=True)
class Lippa(LpAttack):
    """LiPPA: gradients explore, linear programs finish."""

    name: ClassVar[str] = "lippa"

    @override
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        return make_schedule(self, problem, is_cheap)

    @override
    def escalate(self, restarts: int) -> LippaMip:
        return LippaMip(
            min(self.rounds, restarts), self.gradient_steps, self.lp_steps, self.engine, self.solver
        )


@final
@dataclass(frozen=True)
class LippaMip(LpAttack):
    """LiPPA, then large neighbourhood search by mixed-integer programs, and so never weaker.

    Attributes:
        neurons: free neurons of the first program.
    """

    neurons: int = 120

    name: ClassVar[str] = "lippa+mip"

    @override
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        return make_schedule(self, problem, is_cheap)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_least("neurons", self.neurons, 1)

    @property
    @override
    def free_neurons(self) -> int:
        return self.neurons
