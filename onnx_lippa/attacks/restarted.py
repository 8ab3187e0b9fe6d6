"""Attacks of the LiPPA family: restarted PGD runs, perhaps with linear programs where they end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from typing_extensions import override

from onnx_lippa.attacks.base import AttackMethod, require_least
from onnx_lippa.errors import InputError
from onnx_lippa.ir.network import Network
from onnx_lippa.lp import ENGINE_NAMES, make_engine
from onnx_lippa.lp.engine import RegionEngine
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.spec import Norm

_RESTARTS: Final = 8
_LP_STEPS: Final = 8
"""Restarts and LPSteps where no number is given."""


@dataclass(frozen=True)
class RestartedAttack(AttackMethod):
    """Rounds of PGD runs from different starts.

    Restarts and LPSteps that are given are spent on every input, until it is broken or out of time.
    Without a number, inputs far from unsafe get fewer, unless the network is cheap to evaluate. The
    defaults are those of ``docs/performance.md``.

    Attributes:
        restarts: rounds of PGD runs after the first one; None is eight.
        gradient_steps: gradient steps of a PGD run.
    """

    restarts: int | None = None
    gradient_steps: int = 60

    def __post_init__(self) -> None:
        require_least("restarts", self.rounds, 0)
        require_least("gradient_steps", self.gradient_steps, 1)

    @property
    @override
    def scan_steps(self) -> int:
        return self.gradient_steps

    @property
    def rounds(self) -> int:
        """Rounds of PGD runs after the first one."""
        return _RESTARTS if self.restarts is None else self.restarts

    @property
    def lps(self) -> LpAttack | None:
        """The method itself where it solves linear programs."""
        return None

    @property
    def free_neurons(self) -> int:
        """Free neurons of large neighbourhood search at first; 0 where there is none."""
        return 0

    @override
    def limit(self, restarts: int, lp_steps: int | None = None) -> Self:
        return replace(self, restarts=min(self.rounds, restarts))


@dataclass(frozen=True)
class LpAttack(RestartedAttack):
    """A method that solves linear programs over linear regions where PGD ends.

    Attributes:
        lp_steps: LPSteps of Algorithm 1 for one input, beyond one for each round of PGD runs; when
            minimising, those of each refinement. None is eight, with more where they are cheap and
            none for inputs far from unsafe.
        engine: LP engine: auto, rows or stacked.
        solver: solver of the programs; None is the norm's own (glop, for ℓ2 clarabel).
    """

    lp_steps: int | None = None
    engine: str = "auto"
    solver: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_least("lp_steps", self.region_steps, 0)

    @property
    def region_steps(self) -> int:
        """LPSteps of Algorithm 1."""
        return _LP_STEPS if self.lp_steps is None else self.lp_steps

    @property
    @override
    def lps(self) -> LpAttack:
        return self

    @override
    def limit(self, restarts: int, lp_steps: int | None = None) -> Self:
        limited = super().limit(restarts)
        if lp_steps is None:
            return limited
        return replace(limited, lp_steps=min(self.region_steps, lp_steps))

    @override
    def make_engine(self, network: Network, norm: Norm) -> RegionEngine:
        return make_engine(self.engine, network, make_solver(self.solver or norm.solver))

    @override
    def check(self, norm: Norm, minimize: bool) -> None:
        check_programs(self.engine, self.solver, norm, minimize)


def check_programs(engine: str, solver: str | None, norm: Norm, minimize: bool) -> None:
    """Raises InputError for an engine that is none, or a solver that cannot take the programs."""
    if engine not in ENGINE_NAMES:
        names = ", ".join(ENGINE_NAMES)
        raise InputError(f"there is no LP engine '{engine}': choose one of {names}")
    opened, one = make_solver(solver or norm.solver), np.ones(1)
    step = norm.epigraph(0 * one, -one, one) if minimize else norm.ball(0 * one, 0.5, -one, one)
    opened.open(Program.over(step, step.rows))
