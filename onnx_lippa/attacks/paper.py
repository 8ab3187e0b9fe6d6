"""LiPPA as in the paper: Algorithm 1 alone (Seck, Loosli, Canu, IJCNN 2021)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self, final

from typing_extensions import override

from onnx_lippa.attacks.base import AttackMethod, require_least
from onnx_lippa.attacks.restarted import check_programs
from onnx_lippa.attacks.stages.algorithm_1 import Algorithm1, NearestAlgorithm1
from onnx_lippa.attacks.stages.state import AttackStage
from onnx_lippa.ir.network import Network
from onnx_lippa.lp import make_engine
from onnx_lippa.lp.engine import RegionEngine
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.spec import Norm, Problem


@final
@dataclass(frozen=True)
class PaperLippa(AttackMethod):
    """Algorithm 1 of the paper: LPStep, GSStep, LPStep, ..., from the clean input's own region.

    A GSStep is BIM with steps of 0.5/256 until it enters a region that was not solved before, at
    most 50 of them. Within a radius the LPStep minimises the margin; the paper's LPStep, which
    minimises the distance, has no solution in a region without adversarial examples.

    Attributes:
        lp_steps: LPSteps for one input.
        engine: LP engine: auto, rows or stacked.
        solver: solver of the programs; None is the norm's own (glop, for ℓ2 clarabel).
    """

    lp_steps: int = 40
    engine: str = "auto"
    solver: str | None = None

    name: ClassVar[str] = "lippa-paper"

    def __post_init__(self) -> None:
        require_least("lp_steps", self.lp_steps, 1)

    @override
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        if problem.minimize:
            return (NearestAlgorithm1(self.lp_steps),)
        return (Algorithm1(self.lp_steps),)

    @override
    def limit(self, restarts: int, lp_steps: int | None = None) -> Self:
        if not lp_steps:
            return self
        return replace(self, lp_steps=min(self.lp_steps, lp_steps))

    @override
    def make_engine(self, network: Network, norm: Norm) -> RegionEngine:
        return make_engine(self.engine, network, make_solver(self.solver or norm.solver))

    @override
    def check(self, norm: Norm, minimize: bool) -> None:
        check_programs(self.engine, self.solver, norm, minimize)
