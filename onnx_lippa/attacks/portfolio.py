"""Several attacks in turn, under one budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Self, final

from typing_extensions import override

from onnx_lippa.attacks.base import AttackMethod
from onnx_lippa.attacks.fab import Fab
from onnx_lippa.attacks.lippa import Lippa
from onnx_lippa.attacks.pgd import Pgd
from onnx_lippa.attacks.stages.state import AttackStage
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import Norm, Problem
from onnx_lippa.state import Budget, InputState, begin_states
from onnx_lippa.witness import Result

_DEFAULT: Final = (Pgd(), Fab(), Lippa())


@final
@dataclass(frozen=True, init=False)
class Portfolio(AttackMethod):
    """Attacks in turn on each input, until one breaks it: ``Portfolio(Pgd(), Fab(), Lippa())``.

    Each does what it would do alone, and results say which one broke an input first. Where the
    distance is minimised all of them run, and the nearest witness counts. The time limit of an
    input is shared: each attack has an equal part of what the ones before it have left.

    Args:
        attacks: the attacks, in order.
        members: the same, as a sequence. Without any they are pgd, fab and lippa.

    Attributes:
        members: the attacks, in order.
    """

    members: tuple[AttackMethod, ...]

    name: ClassVar[str] = "portfolio"

    def __init__(self, *attacks: AttackMethod, members: Sequence[AttackMethod] = ()) -> None:
        given = (*attacks, *members) or _DEFAULT
        if any(not isinstance(one, AttackMethod) or isinstance(one, Portfolio) for one in given):
            raise InputError(
                "the members of a portfolio are attacks and no portfolios: give them as in "
                "Portfolio(Pgd(), Lippa())"
            )
        object.__setattr__(self, "members", given)

    @property
    @override
    def title(self) -> str:
        return f"portfolio of {', '.join(self.labels)}"

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the attacks, numbered where there are several of one name."""
        seen: Counter[str] = Counter()
        labels = []
        for member in self.members:
            seen[member.name] += 1
            number = f" {seen[member.name]}" if seen[member.name] > 1 else ""
            labels.append(member.name + number)
        return tuple(labels)

    @override
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        return tuple(
            stage for member in self.members for stage in member.schedule(problem, is_cheap)
        )

    @override
    def limit(self, restarts: int, lp_steps: int | None = None) -> Self:
        return replace(self, members=tuple(one.limit(restarts, lp_steps) for one in self.members))

    @override
    def escalate(self, restarts: int) -> AttackMethod | None:
        stronger = (member.escalate(restarts) for member in self.members)
        return next((one for one in stronger if one is not None), None)

    @override
    def check(self, norm: Norm, minimize: bool) -> None:
        for member in self.members:
            member.check(norm, minimize)

    @override
    def solve(self, model: Model, problems: Sequence[Problem], budget: Budget) -> Iterator[Result]:
        left = begin_states(model, problems, budget.time_limit) if problems else []
        for place, (label, member) in enumerate(zip(self.labels, self.members, strict=True)):
            for state in left:
                state.attack = label
                spent, sharers = state.effort.seconds, len(self.members) - place
                state.time_limit = spent + (budget.time_limit - spent) / sharers
            for _ in member.work(left, budget) if left else ():
                yield from (state.result() for state in left if _is_done(state))
                left = [state for state in left if not _is_done(state)]
                if not any(state.is_open for state in left):
                    break  # the others wait for the next attack
        for state in left:
            state.time_limit = budget.time_limit
            yield state.result()


def _is_done(state: InputState) -> bool:
    """Whether there is nothing left to do for any attack."""
    return state.is_decided or state.is_exhausted
