"""What all methods of attack have in common: a schedule of stages, and how it is run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from typing_extensions import override

from onnx_lippa.attacks.stages.state import AttackBatch, AttackStage, AttackState, is_cheap
from onnx_lippa.errors import InputError
from onnx_lippa.ir.network import Network
from onnx_lippa.lp import make_engine
from onnx_lippa.lp.engine import RegionEngine
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.method import RadiusOrder, SingleStage, Stage
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import Norm, Problem
from onnx_lippa.state import Budget, InputState, begin_states
from onnx_lippa.witness import Result


def require_least(name: str, value: int, least: int) -> None:
    """Refuses an option below its least value."""
    if value < least:
        raise InputError(f"{name} is {value}: give a number of at least {least}")


@dataclass(frozen=True)
class AttackMethod(SingleStage):
    """A method of attack: a value that holds its options, and the schedule of its stages."""

    stage: ClassVar[Stage] = Stage.LIPPA
    radius_order: ClassVar[RadiusOrder] = RadiusOrder.ASCENDING

    @abstractmethod
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        """The stages of the attack, in order.

        Args:
            problem: a problem; the others have the same norm, domain and aim.
            is_cheap: whether evaluations cost next to nothing, so that no work is saved.
        """

    @property
    def scan_steps(self) -> int:
        """Gradient steps of the PGD runs that an audit begins with."""
        return 60

    def limit(self, restarts: int, lp_steps: int | None = None) -> Self:
        """The same method with a limit on restarts and on LPSteps, where it has such."""
        del restarts, lp_steps
        return self

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
        left = begin_states(model, problems, budget.time_limit)
        for _ in self.work(list(left), budget):
            yield from (state.result() for state in left if not state.is_open)
            left = [state for state in left if state.is_open]
            if not left:
                break
        yield from (state.result() for state in left)

    def work(self, states: Sequence[InputState], budget: Budget) -> Iterator[None]:
        """Works on inputs that share model, norm and domain; yields before each stage."""
        model, problem = states[0].model, states[0].problem
        engine = self.make_engine(model.network, problem.inputs.norm)
        batch = AttackBatch(model, [AttackState.begin(one, engine, budget.seed) for one in states])
        for stage in self.schedule(problem, is_cheap(model.network)):
            yield
            stage.run(batch)
