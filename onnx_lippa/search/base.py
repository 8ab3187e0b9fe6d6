"""What all searches share: interface, limits, result, bounded rows and replayed candidates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias, final

import numpy as np

from onnx_lippa.arrays import Float64, Floats, Integers
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
class SearchResult:
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
    def run(self, limits: Limits) -> SearchResult:
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


_OFFERED: Final = 4
"""Candidates of one batch that are replayed, those of the least margin."""
_EXACT: Final = 1e-12
"""Share of the outputs' sizes below which no bound in float64 tells a margin from 0."""
_TINY: Final = 1e-280
_NOISE: Final = 1e-6
"""Share of the outputs' sizes below which rounding decides what a model in float32 gives."""

TIE: Final = "its least margin is zero but for rounding"


@final
class Candidates:
    """What one search has looked at.

    Args:
        system: the system.
        disjuncts: the unsafe outputs.
        offer: judges points.
    """

    def __init__(
        self, system: RectifiedSystem, disjuncts: Sequence[Conjunction], offer: Offer
    ) -> None:
        self._system, self._disjuncts, self._offer = system, disjuncts, offer
        self._least = np.full(len(disjuncts), np.inf)
        self._sizes = np.zeros(len(disjuncts))
        self._largest = max(_largest(system, one) for one in disjuncts)

    def accept(self, asked: Integers, points: Floats) -> bool:
        """Offers the best of some candidates; True where one is accepted.

        Args:
            asked: (n,) the disjunct that each point is after.
            points: (n, d) the candidates e.
        """
        x = self._system.reach.at(points)
        margins = self._margins(asked, x)
        best = np.argsort(margins, kind="stable")[:_OFFERED]
        return any(self._offer(one) for one in self._system.whole(x[best[margins[best] <= 0]]))

    def accept_leaf(self, disjunct: int, x: Float64) -> bool:
        """Offers a minimiser x (d,) of a linear region; True where it is accepted."""
        self._margins(np.array([disjunct]), x[None])
        return self._offer(self._system.whole(x[None])[0])

    def are_tied(self, least_open: float) -> bool:
        """Whether a margin is 0 and none is far below it, so that more search is of no use.

        A point with a margin of 0 rules a positive bound out, and what may be below it is no
        more than the model's own rounding.

        Args:
            least_open: proven lower bound of the margins of all that is open.
        """
        if not self._system.exact:  # its points need not be outputs of the network
            return False
        hopeless = self._least <= _EXACT * self._sizes
        return bool(np.any(hopeless)) and least_open >= -self._noise(self._sizes.max())

    def reason(self, disjunct: int, bound: float, margin: float) -> str:
        """Why a linear region with this bound is open, at whose minimiser the margin is this."""
        if self._system.jumps is not None:
            return "a comparison that may go both ways is not told apart by signs of units"
        noise = self._noise(self._sizes[disjunct])
        if abs(margin) <= noise and bound >= -noise:
            return TIE
        if margin < 0:
            return f"a margin of {margin:.3g} was found that ONNX Runtime does not confirm"
        return f"a linear region was bounded by {bound:.3g} only; its least margin is {margin:.3g}"

    def _noise(self, size: float) -> float:
        """What rounding makes of margins of outputs of this size."""
        return _NOISE * size + _EXACT * self._largest + _TINY

    def _margins(self, asked: Integers, x: Float64) -> Float64:
        """The margin (n,) at each point of the disjunct it is after; the least ones are kept."""
        outputs, margins = self._system.outputs(x), np.empty(len(x))
        for j in np.unique(asked).tolist():
            one, mine = self._disjuncts[j], asked == j
            margins[mine] = one.margins(outputs[mine])
            sizes = np.abs(outputs[mine]) @ np.abs(one.matrix).T + np.abs(one.bound)
            self._least[j] = min(self._least[j], float(margins[mine].min()))
            self._sizes[j] = max(self._sizes[j], float(sizes.max(initial=0.0)))
        return margins


def _largest(system: RectifiedSystem, disjunct: Conjunction) -> float:
    """The sizes of the terms that the margins of a system are made of."""
    matrix = np.abs(disjunct.matrix)
    terms = np.abs(system.outputs_on_input) @ np.maximum(np.abs(system.lower), np.abs(system.upper))
    terms += np.abs(system.outputs_on_units) @ np.maximum(system.unit_upper, 0.0)
    return float(
        (matrix @ (terms + np.abs(system.outputs_offset))).max() + np.abs(disjunct.bound).max()
    )
