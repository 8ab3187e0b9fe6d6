"""Branch and bound over the signs of units.

A node fixes the signs of some units. It is closed where its dual bound is positive; otherwise a
unit is split and both children are bounded, many nodes per batch. The minimiser of each bound is
a candidate, which only a replay accepts. A node whose signs are all fixed is one linear region,
which a linear program decides.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Integers
from onnx_lippa.bounds.dual.ascent import Ascent, DualBounds
from onnx_lippa.bounds.dual.back_substitution import ReluRelaxation
from onnx_lippa.bounds.dual.objectives import Objectives, Units
from onnx_lippa.bounds.dual.weighted import WeightedRows
from onnx_lippa.bounds.proven import ProvenBounds
from onnx_lippa.bounds.reduced.reduction import decide_signs, relax_units
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ending import OUT_OF_TIME, TIE, Ending, Reason
from onnx_lippa.ir.pattern import ACTIVE, INACTIVE
from onnx_lippa.search.base import (
    Candidates,
    Limits,
    ReducedSearch,
    choose_best_rows,
    express_margins,
    express_relations,
)
from onnx_lippa.search.branching import Branching
from onnx_lippa.search.frontier import Frontier, Nodes
from onnx_lippa.search.leaves import LeafAnswer, Leaves
from onnx_lippa.search.refinement import Refinement
from onnx_lippa.spec import Conjunction
from onnx_lippa.witness import Effort, Offer

_BATCH: Final = 128
_PRODUCTS: Final = 7e8
"""Nodes per batch, fewer where one step of all of them takes more products: a batch takes about a
second, so that limits hold."""
_ROOT_STEPS: Final = 30
_STEPS: Final = 5
"""Steps of ascent at the root, and at a child, which starts from its parent's multipliers."""
_MORE_STEPS: Final = 20
"""Further steps for a child bounded no better than its parent."""
_LEAF_STEPS: Final = 50
"""Steps of ascent where all signs are fixed, before the linear program."""
_UNIT_STEPS: Final = 10
"""Steps for each unit of a later block at the root."""
_REFINED: Final = 32
_FEWEST_REFINED: Final = 8
_ROW_UNITS: Final = 16_000
"""Units of each later block bounded anew in a child, those of the greatest worth; fewer in large
networks, where each takes longer."""


@final
class SignSearch(ReducedSearch):
    """Branch and bound over signs of units."""

    def __init__(
        self, reduced: ReducedNetwork, disjuncts: Sequence[Conjunction], offer: Offer
    ) -> None:
        super().__init__(reduced, disjuncts, offer)
        self._candidates = Candidates(reduced, disjuncts, offer)
        self._counts = np.array([len(disjunct.bound) for disjunct in disjuncts])
        self._units = Units.of(reduced)
        self._relations = express_relations(reduced, self._units)
        if self._relations is not None:
            self._counts = self._counts + self._relations.count
        work = reduced.units * (reduced.units + reduced.inputs)
        self._batch = int(np.clip(_PRODUCTS / max(work, 1), 1, _BATCH))
        self._frontier: Frontier | None = None
        self._leaves = Leaves(reduced)

    @override
    def _open_bounds(self) -> ProvenBounds:
        if self._frontier is None:
            return self._in_work
        return self._in_work.concatenate(self._frontier.least)

    @override
    def _effort(self) -> Effort:
        return super()._effort() + self._leaves.effort

    @override
    def _explore(self, limits: Limits) -> Reason | None:
        self._ascent, self._deadline = Ascent(self._units, limits.deadline), limits.deadline
        open_, best = self._bound_rows()
        if open_.size == 0 or self._found:
            return None
        if reason := self._stop(limits, self._in_work):
            return reason
        frontier = Frontier(self._reduced.units, limits.memory, int(self._counts.max()))
        self._open_roots(frontier, open_, best)
        self._frontier, self._in_work = frontier, ProvenBounds.of_empty()
        while frontier.count and not self._found:
            if reason := self._stop(limits, frontier.least):
                return reason
            self._found = self._step(frontier)
            self._in_work = ProvenBounds.of_empty()
        return None

    def _stop(self, limits: Limits, least: ProvenBounds) -> Reason | None:
        """Why no further node is split, given the least open bound; None to go on."""
        if limits.seconds_left >= 0 and self._candidates.are_tied(least.value):
            return TIE
        return limits.check(self._nodes)

    def _bound_rows(self) -> tuple[Integers, Integers]:
        """Bounds all rows without a split.

        Returns:
            The disjuncts without a row that is positive everywhere, and the best row of each.
        """
        rows = self._express_rows()
        first = self._ascent.run(rows, relax_units(self._reduced), _ROOT_STEPS, goal=0.0)
        self._nodes += rows.count
        best = choose_best_rows(first.bounds, self._counts)
        self._close_positive(first.proven.take(best))
        left = np.flatnonzero(first.bounds[best] <= 0)
        self._in_work = first.proven.take(best[left]).least
        if left.size:
            self._found = self._candidates.accept(left, first.points[best[left]])
        spans = np.abs(first.residual.rows).sum(axis=1)
        self._rows = WeightedRows.of(rows, self._counts, spans)
        self._branching = Branching(self._units, self._rows)
        return left, best[left]

    def _express_rows(self) -> Objectives:
        """The margins of all disjuncts; behind those of each the relations of the inputs."""
        relations = self._relations
        if relations is None:
            return express_margins(self._reduced, self._disjuncts, self._units)
        parts = [express_margins(self._reduced, [one], self._units) for one in self._disjuncts]
        both = [one for part in parts for one in (part, relations)]
        return reduce(Objectives.concatenate, both)

    def _open_roots(self, frontier: Frontier, left: Integers, best: Integers) -> None:
        """Makes one node of each open disjunct, with better bounds of later units."""
        self._refiner = Refinement(self._reduced, _UNIT_STEPS, self._deadline)
        lower, upper = (
            np.repeat(side[None], left.size, axis=0)
            for side in (self._refiner.lower, self._refiner.upper)
        )
        signs = decide_signs(lower, upper)
        rows, relaxed = self._rows.take(left), ReluRelaxation.of(lower, upper, signs)
        weights = rows.only(best)
        found = self._ascent.run(rows.below(weights), relaxed, _ROOT_STEPS, goal=0.0)
        if not rows.is_single:
            first = replace(found.multipliers, weights=weights)
            found = self._ascent.weigh(rows, relaxed, _ROOT_STEPS, first, goal=0.0)
            self._found = self._candidates.accept(left, found.points)
        nodes = Nodes(left, found.proven, lower, upper, signs, found.multipliers)
        self._keep(frontier, nodes, found)

    def _step(self, frontier: Frontier) -> bool:
        """Splits a batch of nodes; True where a candidate is accepted."""
        parents = frontier.pop(self._batch, worst_first=not frontier.is_full)
        self._in_work = parents.proven.least
        choice = self._branching.choose(parents)
        if self._decide_leaves(parents.take(np.flatnonzero(choice.unit < 0))):
            return True
        inner = np.flatnonzero(choice.unit >= 0)
        if inner.size == 0:
            return False
        owner, split = np.tile(inner, 2), np.tile(choice.unit[inner], 2)
        children = _split(parents.take(inner), choice.unit[inner])
        self._refine(children, split, choice.worth[owner])
        self._nodes += children.count
        possible = np.flatnonzero(np.all(children.lower <= children.upper, axis=1))
        if possible.size == 0:
            return False
        children, owner = children.take(possible), owner[possible]
        beta = choice.choose_beta(parents, children, owner)
        children = replace(children, multipliers=replace(children.multipliers, beta=beta))
        found = self._ascend(children)
        if self._candidates.accept(children.disjunct, found.points):
            return True
        self._keep(frontier, children, found)
        return False

    def _ascend(self, children: Nodes) -> DualBounds:
        """Bounds children, with further steps for those no better than their parents.

        Without them, bounds would fall behind from one generation to the next.
        """
        found = self._bound(children, _STEPS)
        behind = np.flatnonzero(found.bounds <= children.proven.bounds)
        if behind.size:
            begun = replace(children.take(behind), multipliers=found.multipliers.take(behind))
            found = found.put(behind, self._bound(begun, _MORE_STEPS))
        # A bound of a node holds for its children.
        return replace(found, proven=found.proven.maximum(children.proven))

    def _refine(self, children: Nodes, split: Integers, worth: np.ndarray) -> None:
        """Bounds later units anew in the children whose split affects them; in place."""
        affected = np.flatnonzero(split < self._reduced.starts[-2])
        lower, upper = children.lower[affected], children.upper[affected]
        signs = children.signs[affected]
        most = max(_FEWEST_REFINED, min(_REFINED, _ROW_UNITS // self._reduced.units))
        self._refiner.run(split[affected], lower, upper, signs, worth[affected], most)
        children.lower[affected], children.upper[affected] = lower, upper
        children.signs[affected] = signs

    def _bound(self, nodes: Nodes, steps: int) -> DualBounds:
        """Bounds nodes, starting from their own multipliers."""
        relaxed = ReluRelaxation.of(nodes.lower, nodes.upper, nodes.signs)
        rows = self._rows.take(nodes.disjunct)
        return self._ascent.weigh(rows, relaxed, steps, nodes.multipliers, goal=0.0)

    def _keep(self, frontier: Frontier, nodes: Nodes, found: DualBounds) -> None:
        """Closes nodes with these bounds or adds them to the frontier."""
        self._close_positive(found.proven)
        nodes = replace(nodes, proven=found.proven, multipliers=found.multipliers)
        frontier.add(nodes.take(np.flatnonzero(found.bounds <= 0)))

    def _decide_leaves(self, leaves: Nodes) -> bool:
        """Decides nodes whose signs are all fixed; True where one gives a witness.

        A longer ascent closes nearly all of them, hundreds in the time of one linear program.
        """
        if leaves.count == 0:
            return False
        found = self._bound(leaves, _LEAF_STEPS)
        self._close_positive(found.proven)
        left = leaves.take(np.flatnonzero(found.bounds <= 0))
        for place in range(left.count):
            if time.monotonic() > self._deadline:
                self._undecided = OUT_OF_TIME
                self._close(left.proven.take(np.arange(place, left.count)))
                return False
            if self._decide_leaf(left.take(np.array([place]))):
                return True
        return False

    def _decide_leaf(self, node: Nodes) -> bool:
        """Decides such a node by a linear program; True where it gives a witness."""
        number = int(node.disjunct[0])
        answer = self._leaves.decide(
            self._disjuncts[number], node.lower[0], node.upper[0], node.signs[0], self._deadline
        )
        if answer.x is not None and self._candidates.accept_leaf(number, answer.x):
            return True
        proven = answer.proven
        if not proven.value > 0:
            proven = proven.maximum(node.proven)
            self._undecided = self._undecided or self._explain(number, answer, proven.value)
        self._close(proven)
        return False

    def _explain(self, disjunct: int, answer: LeafAnswer, bound: float) -> Reason:
        """Why a node whose signs are all fixed stays open."""
        if answer.x is None:
            return Reason(Ending.FAILED, "no solver finished the program of a linear region")
        return self._candidates.explain(disjunct, bound, answer.margin)


def _split(parents: Nodes, unit: Integers) -> Nodes:
    """The children of all nodes: first with the unit active, then with it inactive."""
    children = parents.take(np.tile(np.arange(parents.count), 2))
    active = np.arange(parents.count)
    inactive = parents.count + active
    children.signs[active, unit], children.signs[inactive, unit] = ACTIVE, INACTIVE
    children.lower[active, unit] = np.maximum(children.lower[active, unit], 0.0)
    children.upper[inactive, unit] = np.minimum(children.upper[inactive, unit], 0.0)
    return children
