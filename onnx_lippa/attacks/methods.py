"""Methods of attack: values that hold their options. A name stands for the default value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, ClassVar, Final, TypedDict, Unpack, final

from typing_extensions import override

from onnx_lippa.attacks.base import AttackMethod, LpMethod, require_least
from onnx_lippa.attacks.schedule import make_schedule
from onnx_lippa.attacks.state import AttackStage
from onnx_lippa.errors import InputError
from onnx_lippa.spec import Problem


@final
@dataclass(frozen=True)
class Pgd(AttackMethod):
    """PGD with restarts: LiPPA without linear programs, and so never stronger."""

    name: ClassVar[str] = "pgd"

    @override
    def schedule(self, problem: Problem, is_cheap: bool) -> tuple[AttackStage, ...]:
        return make_schedule(self, problem, is_cheap)

    @property
    @override
    def lps(self) -> None:
        return None


@final
@dataclass(frozen=True)
class Lippa(LpMethod):
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
class LippaMip(LpMethod):
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


ATTACK_METHODS: Final[Mapping[str, AttackMethod]] = MappingProxyType(
    {method.name: method for method in (Lippa(), LippaMip(), Pgd())}
)
"""The default method of each name."""


class AttackOptions(TypedDict, total=False):
    """The options of all methods of attack."""

    restarts: int | None
    gradient_steps: int
    lp_steps: int | None
    engine: str
    solver: str | None
    neurons: int


_DEFAULTS: Final[Mapping[str, object]] = MappingProxyType(
    {field.name: field.default for field in fields(LippaMip)}
)


def make_attack(method: str | AttackMethod, **options: Unpack[AttackOptions]) -> AttackMethod:
    """A method as it is, or the one of a name with the options that are not at their default.

    Raises:
        InputError: there is no such method, or it has no such option, or cannot use its value.
    """
    given: dict[str, Any] = {
        name: value for name, value in options.items() if value != _DEFAULTS[name]
    }
    if isinstance(method, AttackMethod):
        for name in given:
            raise InputError(
                f"{name} is given beside the method {method}: give it to the method instead"
            )
        return method
    if method not in ATTACK_METHODS:
        names = ", ".join(ATTACK_METHODS)
        raise InputError(f"there is no method '{method}': choose one of {names}")
    default = ATTACK_METHODS[method]
    for name in given:
        if not hasattr(default, name):
            raise InputError(f"{name} is no option of the method '{method}': leave it out")
    return replace(default, **given)
