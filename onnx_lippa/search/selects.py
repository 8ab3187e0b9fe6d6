"""Branch and bound over discontinuous selects, by the signs of their conditions.

A select whose branches differ at d = 0 is no sum of ReLUs, so neither signs of units nor boxes
separate its branches. A node gives some selects a sign: it holds the inputs with ``d >= 0`` or
``d <= 0``, where each such select is one of its branches, and the network is reduced anew. A proof
covers the closures of both sides, and so the side that d = 0 belongs to. Once no jump is left,
units are split. The selects of one comparison get their sign together; apart, they would meet at
d = 0 in combinations that no input has.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Integers, States
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.dual.ascent import Ascent
from onnx_lippa.bounds.dual.back_substitution import BackSubstitution, ReluRelaxation
from onnx_lippa.bounds.dual.objectives import Units
from onnx_lippa.bounds.proven import ProvenBounds
from onnx_lippa.bounds.reduced.build import find_shared_conditions, reduce_network
from onnx_lippa.bounds.reduced.reduction import ContradictorySignsError, Tightening, relax_units
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.clock import require_time
from onnx_lippa.ending import Reason
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.pattern import ACTIVE, INACTIVE
from onnx_lippa.search.base import (
    Limits,
    ReducedSearch,
    Search,
    SearchResult,
    choose_best_rows,
    express_margins,
)
from onnx_lippa.search.leaves import Leaves
from onnx_lippa.search.signs import SignSearch
from onnx_lippa.spec import Conjunction
from onnx_lippa.witness import Effort, Offer

_STEPS: Final = 20
"""Steps of ascent for a node with jumps."""
_FEW_UNITS: Final = 300
"""Units and features up to which each node with jumps is bounded by a linear program too."""
_INWARD: Final = (1e-6, 1e-4, 1e-2)
"""Shares of the range of d by which candidates keep away from d = 0, where the branch changes."""
_WITNESS_NODES: Final = 64


@dataclass(frozen=True)
class _Node:
    """Signs of some selects, and the disjuncts that are open under them.

    Attributes:
        signs: (scalar units,) the signs of selects; 0 where none is given.
        disjuncts: indices of the open disjuncts.
        proven: (disjuncts,) lower bounds of their margins.
        select: the select to split.
    """

    signs: States
    disjuncts: tuple[int, ...]
    proven: ProvenBounds
    select: int


@final
class SelectSearch(Search):
    """The search of one network with discontinuous selects.

    Args:
        network: the network.
        domain: the inputs.
        tightening: how pre-activations are bounded in each node.
        disjuncts: the unsafe outputs; each has at least one row.
        offer: replays candidates.
        within: the search of nodes without jumps.
    """

    def __init__(
        self,
        network: Network,
        domain: InputDomain,
        tightening: Tightening,
        disjuncts: Sequence[Conjunction],
        offer: Offer,
        within: type[ReducedSearch] = SignSearch,
    ) -> None:
        super().__init__(disjuncts, offer)
        self._network, self._domain, self._tightening = network, domain, tightening
        self._within, self._shared = within, find_shared_conditions(network)
        self._open: list[tuple[float, int, _Node]] = []
        self._inner_effort = Effort()

    @override
    def _open_bounds(self) -> ProvenBounds:
        proven = self._in_work
        for *_, node in self._open:
            proven = proven.concatenate(node.proven)
        return proven

    @override
    def _effort(self) -> Effort:
        return super()._effort() + self._inner_effort

    @override
    def _explore(self, limits: Limits) -> Reason | None:
        count = len(self._disjuncts)
        signs = np.zeros(self._network.units, np.int8)
        self._bound(signs, tuple(range(count)), ProvenBounds.vacuous(count), limits)
        self._in_work = ProvenBounds.of_empty()
        while self._open and not self._found:
            if reason := self._stop(limits):
                return reason
            *_, node = heapq.heappop(self._open)
            self._in_work = node.proven.least
            for sign in (ACTIVE, INACTIVE):
                signs = node.signs.copy()
                signs[self._shared == self._shared[node.select]] = sign
                self._bound(signs, node.disjuncts, node.proven, limits)
            self._in_work = ProvenBounds.of_empty()
        return None

    def _stop(self, limits: Limits) -> Reason | None:
        """Why no further node is split; None to go on."""
        each = self._network.units + 16 * len(self._disjuncts) + 200
        return limits.check(self._effort().nodes, len(self._open) * each)

    def _bound(
        self, signs: States, disjuncts: tuple[int, ...], parent: ProvenBounds, limits: Limits
    ) -> None:
        """Bounds a node, offers candidates, and keeps the node where it is open."""
        if self._found:
            return
        self._nodes += 1
        tightening = replace(self._tightening, deadline=limits.deadline)
        try:
            reduced = reduce_network(self._network, self._domain, tightening, signs)
        except ContradictorySignsError:
            return
        if reduced.jumps is None:
            self._decide(reduced, disjuncts, parent, limits)
            return
        proven, part = self._bound_margins(reduced, disjuncts, parent, limits)
        self._close_positive(proven)
        left = np.flatnonzero(proven.bounds <= 0)
        if left.size and not self._found:
            worst = int(proven.bounds.argmin())
            select = int(reduced.jumps[part[worst].argmax()])
            kept, open_ = proven.take(left), tuple(disjuncts[i] for i in left.tolist())
            node = _Node(signs, open_, kept, select)
            heapq.heappush(self._open, (kept.value, self._nodes, node))

    def _bound_margins(
        self,
        reduced: ReducedNetwork,
        disjuncts: tuple[int, ...],
        parent: ProvenBounds,
        limits: Limits,
    ) -> tuple[ProvenBounds, Float64]:
        """Bounds of the margins of disjuncts, and (n, jumps) the cost of each jump."""
        conjunctions = [self._disjuncts[number] for number in disjuncts]
        units = Units.of(reduced)
        rows, relaxed = express_margins(reduced, conjunctions, units), relax_units(reduced)
        found = Ascent(units, limits.deadline).run(rows, relaxed, _STEPS, goal=0.0)
        best = choose_best_rows(found.bounds, np.array([len(one.bound) for one in conjunctions]))
        # A bound of a node holds for its children.
        proven = found.proven.take(best).maximum(parent)
        points = reduced.embed(reduced.domain.at(found.points[best]))
        part = _jump_costs(reduced, found.residual, relaxed, best)
        finite = np.isfinite(reduced.unit_lower).all() and np.isfinite(reduced.unit_upper).all()
        if finite and reduced.units + reduced.inputs <= _FEW_UNITS:
            leaves = Leaves(reduced)
            for place in np.flatnonzero(proven.bounds <= 0).tolist():
                require_time(limits.deadline)
                answer = leaves.decide(
                    conjunctions[place], reduced.unit_lower, reduced.unit_upper, relaxed.signs[0],
                    limits.deadline,
                )  # fmt: skip
                one = np.array([place])
                proven = proven.put(one, proven.take(one).maximum(answer.proven))
                if answer.x is not None:
                    points[place] = reduced.embed(answer.x[None])[0]
            self._inner_effort += leaves.effort
        open_ = np.flatnonzero(proven.bounds <= 0)
        self._found = any(self._offer(points[place]) for place in open_.tolist())
        return proven, part

    def _decide(
        self,
        reduced: ReducedNetwork,
        disjuncts: tuple[int, ...],
        parent: ProvenBounds,
        limits: Limits,
    ) -> None:
        """Decides a node without jumps."""
        conjunctions = [self._disjuncts[number] for number in disjuncts]
        left = replace(limits, nodes=max(limits.nodes - self._effort().nodes, 1))
        found = self._search(reduced, conjunctions, left)
        self._found = found.found
        self._close(found.proven.maximum(parent.least))
        if found.is_open:
            self._undecided = found.reason
            if self._stop(limits) is None:
                self._look_inside(reduced, conjunctions, limits)

    def _search(
        self, reduced: ReducedNetwork, conjunctions: Sequence[Conjunction], limits: Limits
    ) -> SearchResult:
        found = self._within(reduced, conjunctions, self._offer).run(limits)
        self._inner_effort += found.effort
        return found

    def _look_inside(
        self, reduced: ReducedNetwork, conjunctions: Sequence[Conjunction], limits: Limits
    ) -> None:
        """Looks for witnesses away from d = 0, where minimisers lie and the other branch may hold.

        The moved system proves nothing.
        """
        lower, upper = reduced.unit_lower, reduced.unit_upper
        known = (lower >= 0).astype(float) - ((upper <= 0) & (lower < 0))
        few = replace(limits, nodes=_WITNESS_NODES)
        for share in _INWARD:
            if self._found or not np.any(known):
                return
            inward = known * share * np.maximum(upper, -lower)
            moved = replace(reduced, offset=reduced.offset - inward)
            self._found = self._search(moved, conjunctions, few).found


def _jump_costs(
    reduced: ReducedNetwork, left: BackSubstitution, relaxed: ReluRelaxation, rows: Integers
) -> Float64:
    """(n, jumps) the cost of each jump, and of the kink beside it, to the bounds of some rows."""
    jumps = np.zeros(0, np.int64) if reduced.jumps is None else reduced.jumps
    parts = np.abs(left.rows[rows, reduced.domain.free.size :]).astype(np.float64)
    kinks = np.maximum(-left.coefficients[rows], 0) * relaxed.intercept
    beside: Float64 = kinks @ (reduced.origin[:, None] == jumps)
    return parts + beside
