"""What all methods of attack have in common: options, checks, and how stages are run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Self

import numpy as np
from typing_extensions import override

from onnx_lippa.attacks.state import AttackBatch, AttackStage, is_cheap
from onnx_lippa.errors import InputError
from onnx_lippa.ir.network import Network
from onnx_lippa.lp import ENGINE_NAMES, make_engine
from onnx_lippa.lp.engine import RegionEngine
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.method import RadiusOrder, SingleStage, Stage
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import Norm, Problem
from onnx_lippa.state import Budget
from onnx_lippa.witness import Result

_RESTARTS: Final = 8
_LP_STEPS: Final = 8
"""Restarts and LPSteps where no number is given."""


def require_least(name: str, value: int, least: int) -> None:
    """Refuses an option below its least value."""
    if value < least:
        raise InputError(f"{name} is {value}: give a number of at least {least}")


@dataclass(frozen=True)
class AttackMethod(SingleStage):
    """A method of attack.

    Restarts and LPSteps that are given are spent on every input, until it is broken or out of time.
    Without a number, inputs far from unsafe get fewer, unless the network is cheap to evaluate. The
    defaults are those of ``docs/performance.md``.

    Attributes:
        restarts: rounds of PGD runs after the first one; None is eight.
        gradient_steps: gradient steps of a PGD run.
    """

    restarts: int | None = None
    gradient_steps: int = 60

    stage: ClassVar[Stage] = Stage.LIPPA
    radius_order: ClassVar[RadiusOrder] = RadiusOrder.ASCENDING

    def __post_init__(self) -> None:
        require_least("restarts", self.rounds, 0)
        require_least("gradient_steps", self.gradient_steps, 1)

    @property
    def rounds(self) -> int:
        """Rounds of PGD runs after the first one."""
        return _RESTARTS if self.restarts is None else self.restarts

    @abstractmethod
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        """The stages of the attack, in order.

        Args:
            problem: a problem; the others have the same norm, domain and aim.
            is_cheap: whether evaluations cost next to nothing, so that no work is saved.
        """

    @property
    @abstractmethod
    def lps(self) -> LpMethod | None:
        """The method itself where it solves linear programs."""

    @property
    def free_neurons(self) -> int:
        """Free neurons of large neighbourhood search at first; 0 where there is none."""
        return 0

    def limit(self, restarts: int, lp_steps: int | None = None) -> Self:
        """The same method with a limit on restarts and on LPSteps of Algorithm 1."""
        del lp_steps
        return replace(self, restarts=min(self.rounds, restarts))

    def escalate(self, restarts: int) -> AttackMethod | None:
        """A stronger method for inputs on which this one and proofs have stalled, if there is one.

        Args:
            restarts: restarts at most.
        """
        del restarts
        return None

    def make_engine(self, network: Network, norm: Norm) -> RegionEngine:
        """The LP engine for a network, with the solver that suits the norm unless one is given.

        Raises:
            InputError: there is no such engine or solver.
        """
        return make_engine("auto", network, make_solver(norm.solver))

    @override
    def check(self, norm: Norm, minimize: bool) -> None:
        """Nothing is refused without linear programs."""

    @override
    def solve(self, model: Model, problems: Sequence[Problem], budget: Budget) -> Iterator[Result]:
        if not problems:
            return
        engine = self.make_engine(model.network, problems[0].inputs.norm)
        batch = AttackBatch(problems, model, engine, budget)
        left = list(batch.attacks)
        for stage in self.schedule(problems[0], is_cheap(model.network)):
            yield from (attack.state.result() for attack in left if not attack.state.is_open)
            left = [attack for attack in left if attack.state.is_open]
            if not left:
                break
            stage.run(batch)
        yield from (attack.state.result() for attack in left)


@dataclass(frozen=True)
class LpMethod(AttackMethod):
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
    def lps(self) -> LpMethod:
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
        if self.engine not in ENGINE_NAMES:
            names = ", ".join(ENGINE_NAMES)
            raise InputError(f"there is no LP engine '{self.engine}': choose one of {names}")
        solver, one = make_solver(self.solver or norm.solver), np.ones(1)
        step = norm.epigraph(0 * one, -one, one) if minimize else norm.ball(0 * one, 0.5, -one, one)
        solver.open(Program.over(step, step.rows))
