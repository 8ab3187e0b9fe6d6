"""Branch and bound over the switches that jump, by the signs of their conditions.

No ReLUs state a switch whose branches do not meet at d = 0, so no signs of units and no boxes tell
its branches apart. A node gives some of them a sign: it counts inputs with ``d >= 0`` or ``d <= 0``
only, where each of these is one of its branches, and the network is folded anew. What is proven
covers the closures of both sides, and so the side that d = 0 belongs to. Once no jump is left,
units are split as always. Switches of one comparison get their sign together: apart, they would all
be met at d = 0 in combinations that no input has.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Integers, States
from onnx_lippa.bounds.dual.ascent import Ascent
from onnx_lippa.bounds.dual.dual import Eliminated, Units
from onnx_lippa.bounds.dual.relaxed import Relaxed
from onnx_lippa.bounds.proven import Proven
from onnx_lippa.bounds.reduced.build import rectified
from onnx_lippa.bounds.reduced.conditions import shared_conditions
from onnx_lippa.bounds.reduced.domain import Reach
from onnx_lippa.bounds.reduced.folding import NoInputsError, Tightening, TooLargeError, relaxed_by
from onnx_lippa.bounds.reduced.system import RectifiedSystem
from onnx_lippa.clock import OutOfTimeError, require_time
from onnx_lippa.ir.network import Network
from onnx_lippa.search.base import (
    MEMORY_USED_UP,
    NODES_USED_UP,
    Limits,
    Offer,
    Search,
    SearchResult,
    SearchStatus,
    rows_of,
)
from onnx_lippa.search.leaves import Leaves
from onnx_lippa.search.signs import SignSearch
from onnx_lippa.spec import Conjunction

_STEPS: Final = 20
"""Steps of ascent for a node with jumps."""
_FEW_UNITS: Final = 300
"""Units and features over which a linear program is solved for each node with jumps."""
_INWARD: Final = (1e-6, 1e-4, 1e-2)
"""Shares of the range of d by which witnesses stay away from d = 0, where the branch is another."""
_WITNESS_NODES: Final = 64


@dataclass(frozen=True)
class _Node:
    """Some signs, and what is open under them.

    Attributes:
        signs: (scalar units,) the signs of switches; 0 where none is given.
        disjuncts: numbers of the disjuncts that are open.
        proven: (disjuncts,) lower bounds of their margins.
        switch: the switch whose sign is given next.
    """

    signs: States
    disjuncts: tuple[int, ...]
    proven: Proven
    switch: int


@final
class SwitchSearch:
    """The search for one network whose switches jump.

    Args:
        network: the network.
        reach: the inputs.
        tightening: what is done for the bounds of pre-activations in each node.
        disjuncts: the unsafe outputs; each has at least one row.
        offer: judges candidates.
        within: the search where no jump is left.
    """

    def __init__(
        self,
        network: Network,
        reach: Reach,
        tightening: Tightening,
        disjuncts: Sequence[Conjunction],
        offer: Offer,
        within: type[Search] = SignSearch,
    ) -> None:
        self._network, self._reach, self._tightening = network, reach, tightening
        self._disjuncts, self._offer, self._within = disjuncts, offer, within
        self._shared = shared_conditions(network)
        self._open: list[tuple[float, int, _Node]] = []
        self._nodes, self._programs, self._age = 0, 0, 0
        self._proven, self._found, self._undecided = Proven.of_empty(), False, ""

    def run(self, limits: Limits) -> SearchResult:
        """Searches until everything is proven, an input is accepted, or a limit is reached."""
        count, reason = len(self._disjuncts), ""
        signs, taken = np.zeros(self._network.units, np.int8), Proven.nothing()
        try:
            self._bound(signs, tuple(range(count)), Proven.nothing(count), limits)
            taken = Proven.of_empty()
            while self._open and not self._found and not reason:
                reason = self._limit(limits)
                if not reason:
                    *_, node = heapq.heappop(self._open)
                    taken = node.proven.least  # while it is split it is not among the open ones
                    for sign in (1, -1):
                        signs = node.signs.copy()
                        signs[self._shared == self._shared[node.switch]] = sign
                        self._bound(signs, node.disjuncts, node.proven, limits)
                    taken = Proven.of_empty()
        except (OutOfTimeError, TooLargeError) as error:
            reason = str(error)
        except MemoryError:
            reason = MEMORY_USED_UP
        reason = reason or self._undecided
        status = SearchStatus.OPEN if reason else SearchStatus.PROVEN
        if self._found:
            status, reason = SearchStatus.UNSAFE, ""
        proven = self._proven.both(taken)
        for *_, node in self._open:
            proven = proven.both(node.proven)
        return SearchResult(status, proven.least, self._nodes, self._programs, reason)

    def _limit(self, limits: Limits) -> str:
        """Which limit is reached, or nothing."""
        require_time(limits.deadline)
        each = self._network.units + 16 * len(self._disjuncts) + 200
        if len(self._open) * each > limits.memory:
            return MEMORY_USED_UP
        return NODES_USED_UP if self._nodes >= limits.nodes else ""

    def _bound(
        self, signs: States, disjuncts: tuple[int, ...], parent: Proven, limits: Limits
    ) -> None:
        """Bounds a node, offers candidates, and keeps what is not closed."""
        if self._found:
            return
        self._nodes += 1
        tightening = replace(self._tightening, deadline=limits.deadline)
        try:
            system = rectified(self._network, self._reach, tightening, signs)
        except NoInputsError:
            return
        if system.jumps is None:
            self._decide(system, disjuncts, parent, limits)
            return
        proven, part = self._bounds(system, disjuncts, parent, limits)
        self._proven = self._proven.both(proven.take(proven.bounds > 0)).least
        left = np.flatnonzero(proven.bounds <= 0)
        if left.size and not self._found:
            worst = int(proven.bounds.argmin())
            switch = int(system.jumps[part[worst].argmax()])
            kept, open_ = proven.take(left), tuple(disjuncts[i] for i in left.tolist())
            self._age += 1
            node = _Node(signs, open_, kept, switch)
            heapq.heappush(self._open, (kept.value, self._age, node))

    def _bounds(
        self, system: RectifiedSystem, disjuncts: tuple[int, ...], parent: Proven, limits: Limits
    ) -> tuple[Proven, Float64]:
        """Bounds of the margins of disjuncts, and (n, jumps) what each jump costs them."""
        asked = [self._disjuncts[number] for number in disjuncts]
        units = Units.of(system)
        rows, relaxed = rows_of(system, asked, units), relaxed_by(system)
        found = Ascent(units, limits.deadline).run(rows, relaxed, _STEPS, goal=0.0)
        counts = [len(one.bound) for one in asked]
        ends = np.cumsum(counts)
        best = np.array([
            end - count + int(found.bounds[end - count : end].argmax())
            for end, count in zip(ends.tolist(), counts, strict=True)
        ])  # fmt: skip
        # What holds for a node holds for those below it.
        proven = found.proven.take(best).better(parent)
        points = system.whole(system.reach.at(found.points[best]))
        part = _parts(system, found.left, relaxed, best)
        finite = np.isfinite(system.unit_lower).all() and np.isfinite(system.unit_upper).all()
        if finite and system.units + system.inputs <= _FEW_UNITS:
            leaves = Leaves(system)
            for place in np.flatnonzero(proven.bounds <= 0).tolist():
                require_time(limits.deadline)
                answer = leaves.decide(
                    asked[place], system.unit_lower, system.unit_upper, relaxed.state[0],
                    limits.deadline - time.monotonic(),
                )  # fmt: skip
                one = np.array([place])
                proven = proven.replaced(one, proven.take(one).better(answer.proven))
                if answer.x is not None:
                    points[place] = system.whole(answer.x[None])[0]
            self._programs += leaves.solved
        open_ = np.flatnonzero(proven.bounds <= 0)
        self._found = any(self._offer(points[place]) for place in open_.tolist())
        return proven, part

    def _decide(
        self, system: RectifiedSystem, disjuncts: tuple[int, ...], parent: Proven, limits: Limits
    ) -> None:
        """A node without jumps."""
        asked = [self._disjuncts[number] for number in disjuncts]
        left = replace(limits, nodes=max(limits.nodes - self._nodes, 1))
        found = self._searched(system, asked, left)
        self._found = found.status is SearchStatus.UNSAFE
        self._proven = self._proven.both(found.proven.better(parent.least)).least
        if found.status is SearchStatus.OPEN:
            self._undecided = found.reason
            if not self._limit(limits):
                self._look_inside(system, asked, limits)

    def _searched(
        self, system: RectifiedSystem, asked: Sequence[Conjunction], limits: Limits
    ) -> SearchResult:
        found = self._within(system, asked, self._offer).run(limits)
        self._nodes += found.nodes
        self._programs += found.lp_steps
        return found

    def _look_inside(
        self, system: RectifiedSystem, asked: Sequence[Conjunction], limits: Limits
    ) -> None:
        """Looks for witnesses away from d = 0, where minimisers lie and the other branch may hold.

        Nothing that is bounded on the way is a proof.
        """
        lower, upper = system.unit_lower, system.unit_upper
        known = (lower >= 0).astype(float) - ((upper <= 0) & (lower < 0))
        few = replace(limits, nodes=_WITNESS_NODES)
        for share in _INWARD:
            if self._found or not np.any(known):
                return
            inward = known * share * np.maximum(upper, -lower)
            moved = replace(system, offset=system.offset - inward)
            self._found = self._searched(moved, asked, few).status is SearchStatus.UNSAFE


def _parts(system: RectifiedSystem, left: Eliminated, relaxed: Relaxed, rows: Integers) -> Float64:
    """(n, jumps) what the bounds of some rows lose by each jump, and by the kink beside it."""
    jumps = np.zeros(0, np.int64) if system.jumps is None else system.jumps
    parts = np.abs(left.rows[rows, system.reach.free.size :]).astype(np.float64)
    kinks = np.maximum(-left.coefficients[rows], 0) * relaxed.height
    beside: Float64 = kinks @ (system.origin[:, None] == jumps)
    return parts + beside
