"""What all searches share: interface, limits, result, bounded rows and replayed candidates."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.bounds.dual.objectives import Objectives, Units
from onnx_lippa.bounds.proven import ProvenBounds
from onnx_lippa.bounds.reduced_network import ReducedNetwork, difference
from onnx_lippa.ending import (
    OUT_OF_MEMORY,
    OUT_OF_NODES,
    OUT_OF_TIME,
    TIE,
    Ending,
    Reason,
    StoppedError,
)
from onnx_lippa.lp.solver import Solver
from onnx_lippa.spec import Conjunction
from onnx_lippa.witness import Effort, Offer

_OFFERED: Final = 4
"""Candidates replayed per batch, those with the least margins."""
_EXACT: Final = 1e-12
"""Share of the outputs' sizes below which float64 does not tell a margin from 0."""
_TINY: Final = 1e-280
_NOISE: Final = 1e-6
"""Share of the outputs' sizes that a float32 model may be off by."""


@dataclass(frozen=True)
class SearchResult:
    """The result of a search.

    Attributes:
        found: whether a candidate was accepted.
        reason: why nothing was proven; None where no allowed input is unsafe.
        proven: (1,) lower bound of the margin over all inputs and disjuncts.
        effort: nodes bounded, linear programs and their seconds.
    """

    found: bool
    reason: Reason | None
    proven: ProvenBounds
    effort: Effort

    @property
    def ending(self) -> Ending:
        """PROVEN, UNSAFE, or why the search is open."""
        if self.found:
            return Ending.UNSAFE
        return Ending.PROVEN if self.reason is None else self.reason.ending

    @property
    def is_open(self) -> bool:
        """Whether neither a proof nor a witness was found."""
        return self.reason is not None and not self.found

    @property
    def bound(self) -> float:
        """The bound as a number."""
        return self.proven.value


@dataclass(frozen=True)
class Limits:
    """The limits of a search.

    Attributes:
        deadline: a time of ``time.monotonic()``.
        nodes: nodes bounded.
        memory: bytes of open nodes.
    """

    deadline: float
    nodes: float
    memory: float

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    def check(self, nodes: int, memory: float = 0.0) -> Reason | None:
        """The limit that the time, or so many nodes and bytes, have reached; None for none."""
        if self.seconds_left < 0:
            return OUT_OF_TIME
        if nodes >= self.nodes:
            return OUT_OF_NODES
        return OUT_OF_MEMORY if memory > self.memory else None


class Search(ABC):
    """A complete search, which is run once.

    Args:
        disjuncts: the unsafe outputs; each has at least one row.
        offer: replays candidates.
    """

    def __init__(self, disjuncts: Sequence[Conjunction], offer: Offer) -> None:
        self._disjuncts, self._offer = disjuncts, offer
        self._found, self._nodes = False, 0
        self._closed, self._in_work = ProvenBounds.of_empty(), ProvenBounds.vacuous()
        """Bounds of the nodes that are closed, and of those that are being split."""
        self._undecided: Reason | None = None
        """Why a node that cannot be split is open."""

    @final
    def run(self, limits: Limits) -> SearchResult:
        """Searches until all is proven, a candidate is accepted, or a limit is reached."""
        try:
            reason = self._explore(limits)
        except StoppedError as stopped:
            reason = stopped.reason
        except MemoryError:
            reason = OUT_OF_MEMORY
        proven = self._closed.concatenate(self._open_bounds()).least
        return SearchResult(self._found, reason or self._undecided, proven, self._effort())

    @abstractmethod
    def _explore(self, limits: Limits) -> Reason | None:
        """Searches, and returns the limit that ended the search, if one did."""

    def _open_bounds(self) -> ProvenBounds:
        """Bounds of all nodes that are not closed."""
        return self._in_work

    def _effort(self) -> Effort:
        """The work so far."""
        return Effort(nodes=self._nodes)

    def _close(self, proven: ProvenBounds) -> None:
        """Keeps the least bound of nodes that are closed."""
        self._closed = self._closed.concatenate(proven).least

    def _close_positive(self, proven: ProvenBounds) -> None:
        """Closes the nodes whose bound is positive."""
        self._close(proven.take(proven.bounds > 0))


class ReducedSearch(Search):
    """A search of one reduced network.

    Args:
        reduced: the network over the allowed inputs.
        disjuncts: the unsafe outputs; each has at least one row.
        offer: replays candidates.
    """

    def __init__(
        self, reduced: ReducedNetwork, disjuncts: Sequence[Conjunction], offer: Offer
    ) -> None:
        super().__init__(disjuncts, offer)
        self._reduced = reduced


def count_programs(solver: Solver) -> Effort:
    """The linear programs of a proof that a solver has solved, and their seconds."""
    return Effort(lps=solver.counts.solves, lp_seconds=solver.counts.seconds)


def choose_best_rows(bounds: Float64, counts: Integers) -> Integers:
    """The row with the largest bound of each disjunct, given the number of rows of each."""
    ends = np.cumsum(counts)
    parts = zip((ends - counts).tolist(), ends.tolist(), strict=True)
    return np.array([first + int(bounds[first:end].argmax()) for first, end in parts], np.int64)


def express_margins(
    reduced: ReducedNetwork, disjuncts: Sequence[Conjunction], units: Units | None = None
) -> Objectives:
    """The margins ``A f(x) - b`` of all rows of all disjuncts as objectives.

    Args:
        reduced: the reduced network.
        disjuncts: the unsafe outputs.
        units: its units, if known.
    """
    units = Units.of(reduced) if units is None else units
    matrix = np.concatenate([disjunct.matrix for disjunct in disjuncts])
    bound = np.concatenate([disjunct.bound for disjunct in disjuncts])
    on_input, on_units, offset, error = reduced.functions(matrix)
    return Objectives.of(units, on_input, on_units, *difference(offset, bound, error))


def express_relations(reduced: ReducedNetwork, units: Units) -> Objectives | None:
    """The affine rows of the inputs as functions that are at most 0; None without rows.

    Upper sides come first, then lower ones.
    """
    rows = reduced.domain.all_rows
    if rows is None:
        return None
    on_input = np.concatenate([rows.matrix.toarray(), -rows.matrix.toarray()])
    offset = np.concatenate([-rows.upper, rows.lower])
    return Objectives.of(units, on_input, np.zeros((offset.size, reduced.units)), offset)


def relates_inputs(reduced: ReducedNetwork, disjuncts: Sequence[Conjunction]) -> bool:
    """Whether a conjunction has rows over inputs alone beside rows over units."""
    if reduced.units == 0:
        return False
    for disjunct in disjuncts:
        seen = np.any(disjunct.matrix @ reduced.outputs_on_units != 0, axis=1)
        if seen.any() and not seen.all():
            return True
    return False


@final
class Candidates:
    """Offers the candidates of one search, and keeps the least margins met.

    Args:
        reduced: the reduced network.
        disjuncts: the unsafe outputs.
        offer: replays candidates.
    """

    def __init__(
        self, reduced: ReducedNetwork, disjuncts: Sequence[Conjunction], offer: Offer
    ) -> None:
        self._reduced, self._disjuncts, self._offer = reduced, disjuncts, offer
        self._least = np.full(len(disjuncts), np.inf)
        self._sizes = np.zeros(len(disjuncts))
        s = reduced
        terms = s.sizes(s.outputs_on_input, s.outputs_on_units, s.outputs_offset)
        self._largest = max(
            float((np.abs(one.matrix) @ terms).max() + np.abs(one.bound).max()) for one in disjuncts
        )

    def accept(self, disjunct: Integers, points: Floats) -> bool:
        """Offers the best of some candidates; True where one is accepted.

        Args:
            disjunct: (n,) the disjunct of each point.
            points: (n, d) the candidates e.
        """
        x = self._reduced.domain.at(points)
        margins = self._margins(disjunct, x)
        best = np.argsort(margins, kind="stable")[:_OFFERED]
        return any(self._offer(one) for one in self._reduced.embed(x[best[margins[best] <= 0]]))

    def accept_leaf(self, disjunct: int, x: Float64) -> bool:
        """Offers the minimiser x (d,) of a linear region; True where it is accepted."""
        self._margins(np.array([disjunct]), x[None])
        return self._offer(self._reduced.embed(x[None])[0])

    def are_tied(self, least_open: float) -> bool:
        """Whether some margin is 0 and none is far below it, so that searching on is of no use.

        A point with a margin of 0 rules out a positive bound, and what may lie below it is within
        the rounding of the model.

        Args:
            least_open: proven lower bound of the margins of all open nodes.
        """
        if not self._reduced.exact:  # its points need not be outputs of the network
            return False
        hopeless = self._least <= _EXACT * self._sizes
        return bool(np.any(hopeless)) and least_open >= -self._noise(self._sizes.max())

    def explain(self, disjunct: int, bound: float, margin: float) -> Reason:
        """Why a linear region with this bound and this margin at its minimiser stays open."""
        if self._reduced.jumps is not None:
            return Reason(
                Ending.LOOSE_BOUNDS,
                "a comparison that may go both ways is not told apart by signs of units",
            )
        noise = self._noise(self._sizes[disjunct])
        if abs(margin) <= noise and bound >= -noise:
            return TIE
        if margin < 0:
            return Reason(
                Ending.REFUSED,
                f"a margin of {margin:.3g} was found that ONNX Runtime does not confirm",
            )
        return Reason(
            Ending.LOOSE_BOUNDS,
            f"a linear region was bounded by {bound:.3g} only; its least margin is {margin:.3g}",
        )

    def _noise(self, size: float) -> float:
        """The rounding of margins of outputs of this size."""
        return _NOISE * size + _EXACT * self._largest + _TINY

    def _margins(self, disjunct: Integers, x: Float64) -> Float64:
        """The margin (n,) of each point's disjunct; the least ones are kept."""
        outputs, margins = self._reduced.forward(x), np.empty(len(x))
        for j in np.unique(disjunct).tolist():
            one, mine = self._disjuncts[j], disjunct == j
            margins[mine] = one.margins(outputs[mine])
            sizes = np.abs(outputs[mine]) @ np.abs(one.matrix).T + np.abs(one.bound)
            self._least[j] = min(self._least[j], float(margins[mine].min()))
            self._sizes[j] = max(self._sizes[j], float(sizes.max(initial=0.0)))
        return margins
