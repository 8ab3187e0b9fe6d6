"""The gradient-free linear-region attack (Croce, Hein 2018; Croce, Rauber, Hein 2020)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final, Self, final

import numpy as np
from typing_extensions import override

from onnx_lippa.attacks.base import AttackMethod, require_least
from onnx_lippa.attacks.stages.random_regions import RandomRegions
from onnx_lippa.attacks.stages.state import AttackStage
from onnx_lippa.errors import InputError
from onnx_lippa.ir.network import Network
from onnx_lippa.lp import ENGINE_NAMES, make_engine
from onnx_lippa.lp.engine import RegionEngine
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.spec import Norm, Problem

_STARTS: Final = ("pgd", "noise")


@final
@dataclass(frozen=True)
class LinearRegions(AttackMethod):
    """Random linear regions near the best adversarial point, one LP or QP for each class.

    Regions are those of random points around the best adversarial point: at a distance ``u r^γ``
    for its own distance u and a uniform r, mostly on the side of the clean input. In each, the
    nearest point of every other class is found by a program, which is given up once it cannot be
    nearer than the best one. As in the papers no step follows a gradient of the network beyond its
    region. They solve the program's dual with a few iterations; here it is solved to its optimum,
    and classes that the region's affine map cannot reach in time are left out. They start from an
    image of another class or from a cheap attack; here short PGD runs, or blends with noise.
    With a radius it stops at the first adversarial point within it.

    Attributes:
        regions: regions drawn for each input.
        bias: how often a region is drawn from the side of the clean input.
        gamma: the exponent γ; the larger, the closer regions are to the best point.
        start: first adversarial point: pgd (noise where it fails), or noise, without any gradient.
        gradient_steps: steps of the PGD runs of the start.
        engine: LP engine: auto, rows or stacked.
        solver: solver of the programs; None is the norm's own.
    """

    regions: int = 400
    bias: float = 0.8
    gamma: float = 6.0
    start: str = "pgd"
    gradient_steps: int = 20
    engine: str = "auto"
    solver: str | None = None

    name: ClassVar[str] = "linear-regions"

    def __post_init__(self) -> None:
        require_least("regions", self.regions, 1)
        require_least("gradient_steps", self.gradient_steps, 1)
        if not 0.0 <= self.bias <= 1.0:
            raise InputError(f"bias is {self.bias}: give a share between 0 and 1")
        if not 0.0 < self.gamma < np.inf:
            raise InputError(f"gamma is {self.gamma}: give a positive number")
        for name, word, words in (
            ("start", self.start, _STARTS),
            ("engine", self.engine, ENGINE_NAMES),
        ):
            if word not in words:
                raise InputError(f"{name} is '{word}': choose one of {', '.join(words)}")

    @override
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        if problem.claim is not None:
            raise InputError(
                "the method linear-regions needs a clean input to stay near, which properties "
                "lack: choose another method"
            )
        return (
            RandomRegions(self.regions, self.bias, self.gamma, self.start, self.gradient_steps),
        )

    @override
    def limit(self, restarts: int, lp_steps: int | None = None) -> Self:
        if not lp_steps:
            return self
        return replace(self, regions=min(self.regions, lp_steps))

    @override
    def make_engine(self, network: Network, norm: Norm) -> RegionEngine:
        return make_engine(self.engine, network, make_solver(self.solver or norm.solver))

    @override
    def check(self, norm: Norm, minimize: bool) -> None:
        solver, one = make_solver(self.solver or norm.solver), np.ones(1)
        step = norm.epigraph(0 * one, -one, one)
        solver.open(Program.over(step, step.rows))
