"""What searches share: their form, their limits, their answer, and the rows they bound."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.bounds.dual.dual import Objectives, Units
from onnx_lippa.bounds.proven import Proven
from onnx_lippa.bounds.reduced.system import RectifiedSystem, difference
from onnx_lippa.spec import Conjunction

Offer: TypeAlias = Callable[[Float64], bool]
"""Told an input (all features,) that should be unsafe; True where a replay accepts it."""


NODES_USED_UP: Final = "its nodes were used up"
MEMORY_USED_UP: Final = "its memory was used up"


class SearchStatus(Enum):
    """How a search ended."""

    PROVEN = "proven"
    UNSAFE = "unsafe"
    OPEN = "open"


@dataclass(frozen=True)
class Searched:
    """What a search found.

    Attributes:
        status: PROVEN: no input allowed is unsafe. UNSAFE: a candidate was accepted.
        proven: (1,) lower bound of the margin over all inputs and disjuncts.
        nodes: nodes bounded.
        lp_steps: linear programs solved at leaves.
        reason: why it is OPEN.
        is_tie: whether what is open are margins that are 0 but for rounding.
    """

    status: SearchStatus
    proven: Proven
    nodes: int
    lp_steps: int
    reason: str = ""
    is_tie: bool = False

    @property
    def bound(self) -> float:
        """The bound as a number."""
        return self.proven.value


@dataclass(frozen=True)
class Limits:
    """When a search gives up.

    Attributes:
        deadline: ``time.monotonic()`` at which it does.
        nodes: nodes bounded.
        memory: bytes for open nodes.
    """

    deadline: float
    nodes: float
    memory: float


class Search(ABC):
    """A complete search of one system.

    Args:
        system: the network over the inputs allowed.
        disjuncts: the unsafe outputs; each has at least one row.
        offer: judges candidates.
    """

    def __init__(
        self, system: RectifiedSystem, disjuncts: Sequence[Conjunction], offer: Offer
    ) -> None:
        self._system, self._disjuncts, self._offer = system, disjuncts, offer

    @abstractmethod
    def run(self, limits: Limits) -> Searched:
        """Searches until everything is proven, an input is accepted, or a limit is reached."""


def rows_of(
    system: RectifiedSystem, disjuncts: Sequence[Conjunction], units: Units | None = None
) -> Objectives:
    """The margins ``A f(x) - b`` of all rows of all disjuncts as objectives.

    Args:
        system: the system.
        disjuncts: the unsafe outputs.
        units: its units, where they are there already.
    """
    units = Units.of(system) if units is None else units
    matrix = np.concatenate([disjunct.matrix for disjunct in disjuncts])
    bound = np.concatenate([disjunct.bound for disjunct in disjuncts])
    on_input, on_units, offset, error = system.functions(matrix)
    return Objectives.of(units, on_input, on_units, *difference(offset, bound, error))


def relates_inputs(system: RectifiedSystem, disjuncts: Sequence[Conjunction]) -> bool:
    """Whether a conjunction has rows in which no unit has a part beside others: over inputs."""
    if system.units == 0:
        return False
    for disjunct in disjuncts:
        seen = np.any(disjunct.matrix @ system.outputs_on_units != 0, axis=1)
        if seen.any() and not seen.all():
            return True
    return False
