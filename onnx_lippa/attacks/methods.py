"""Methods of attack: values that hold their options. A name stands for the default value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar, Final, Self, final

from typing_extensions import override

from onnx_lippa.errors import InputError
from onnx_lippa.ir.network import Network
from onnx_lippa.lp.engine import RegionEngine
from onnx_lippa.lp.engines import make_engine
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.spec import Norm

_RESTARTS: Final = 8
_LP_STEPS: Final = 8
"""Restarts and LPSteps where no number is given."""


def _require_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise InputError(f"{name} is {value}: give a number of at least {least}")


@dataclass(frozen=True)
class AttackMethod(ABC):
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

    name: ClassVar[str]
    """The name on the command line."""

    def __post_init__(self) -> None:
        _require_least("restarts", self.rounds, 0)
        _require_least("gradient_steps", self.gradient_steps, 1)

    @property
    def rounds(self) -> int:
        """Rounds of PGD runs after the first one."""
        return _RESTARTS if self.restarts is None else self.restarts

    @property
    @abstractmethod
    def lps(self) -> LpMethod | None:
        """The method itself where it solves linear programs."""

    @property
    def free_neurons(self) -> int:
        """Free neurons of large neighbourhood search at first; 0 where there is none."""
        return 0

    def limit(self, restarts: int, lp_steps: int | None = None) -> Self:
        """The same method with at most so many restarts, and LPSteps of Algorithm 1."""
        del lp_steps
        return replace(self, restarts=min(self.rounds, restarts))

    def make_engine(self, network: Network, norm: Norm) -> RegionEngine:
        """The LP engine for a network, with the solver that suits the norm unless one is given.

        Raises:
            InputError: there is no such engine or solver.
        """
        return make_engine("auto", network, make_solver(norm.solver))


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
        _require_least("lp_steps", self.region_steps, 0)

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


@final
@dataclass(frozen=True)
class Pgd(AttackMethod):
    """PGD with restarts: LiPPA without linear programs, and so never stronger."""

    name: ClassVar[str] = "pgd"

    @property
    @override
    def lps(self) -> None:
        return None


@final
@dataclass(frozen=True)
class Lippa(LpMethod):
    """LiPPA: gradients explore, linear programs finish."""

    name: ClassVar[str] = "lippa"


@final
@dataclass(frozen=True)
class LippaMip(LpMethod):
    """LiPPA, then large neighbourhood search by mixed-integer programs, and so never weaker.

    Attributes:
        neurons: free neurons of the first program.
    """

    neurons: int = 120

    name: ClassVar[str] = "lippa+mip"

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_least("neurons", self.neurons, 1)

    @property
    @override
    def free_neurons(self) -> int:
        return self.neurons


ATTACK_METHODS: Final[Mapping[str, AttackMethod]] = MappingProxyType(
    {method.name: method for method in (Lippa(), LippaMip(), Pgd())}
)
"""The default method of each name."""


def attack_method_named(name: str) -> AttackMethod:
    """The default method of a name.

    Raises:
        InputError: there is no such method.
    """
    if name not in ATTACK_METHODS:
        names = ", ".join(ATTACK_METHODS)
        raise InputError(f"there is no method '{name}': choose one of {names}")
    return ATTACK_METHODS[name]
