"""Branch and bound over activation patterns: the complete search of one question.

A node fixes the signs of some units. Its bound is the dual one; where that is positive the node is
closed, and where it is not, a unit is split and both children are bounded, many nodes at a time.
The minimiser of each bound is a candidate, which nothing but a replay accepts. Where all signs are
fixed the node is one linear region, and its LPStep decides.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Integers
from onnx_lippa.bounds.dual.ascent import Ascended, Ascent
from onnx_lippa.bounds.dual.dual import Units
from onnx_lippa.bounds.dual.relaxed import Relaxed
from onnx_lippa.bounds.dual.weighted import WeightedRows
from onnx_lippa.bounds.proven import Proven
from onnx_lippa.bounds.reduced.folding import relaxed_by, states_by
from onnx_lippa.bounds.reduced.system import RectifiedSystem
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.search.base import (
    MEMORY_USED_UP,
    NODES_USED_UP,
    TIE,
    Candidates,
    Limits,
    Offer,
    Search,
    SearchResult,
    SearchStatus,
    rows_of,
)
from onnx_lippa.search.branching import Branching
from onnx_lippa.search.frontier import Frontier, Nodes
from onnx_lippa.search.leaves import LeafAnswer, Leaves
from onnx_lippa.search.refinement import Refinement
from onnx_lippa.spec import Conjunction

_BATCH: Final = 128
_PRODUCTS: Final = 7e8
"""Nodes split at once: fewer where each takes longer, by the products of numbers that all of
them take for one step, so that a batch takes a second or so and limits hold."""
_ROOT_STEPS: Final = 30
_STEPS: Final = 5
"""Steps of ascent at the root, and at each child, which starts from its parent's multipliers."""
_MORE_STEPS: Final = 20
"""Further steps for a child that is bounded no better than its parent."""
_LEAF_STEPS: Final = 50
"""Steps of ascent where all signs are fixed, before a linear program is solved."""
_UNIT_STEPS: Final = 10
"""Steps for each unit of a later block at the root; 30 made no tree smaller."""
_REFINED: Final = 32
_FEWEST_REFINED: Final = 8
_ROW_UNITS: Final = 16_000
"""Units of each later block that are bounded anew in a child, those of the greatest worth: fewer
where there are many units, since each of them then takes longer."""


@final
class SignSearch(Search):
    """Branch and bound over signs of units."""

    def __init__(
        self, system: RectifiedSystem, disjuncts: Sequence[Conjunction], offer: Offer
    ) -> None:
        super().__init__(system, disjuncts, offer)
        self._candidates = Candidates(system, disjuncts, offer)
        self._counts = np.array([len(disjunct.bound) for disjunct in disjuncts])
        self._units = Units.of(system)
        work = system.units * (system.units + system.inputs)
        self._batch = int(np.clip(_PRODUCTS / max(work, 1), 1, _BATCH))
        self._frontier: Frontier | None = None
        self._nodes, self._proven = 0, Proven.of_empty()
        self._least_open, self._least_taken = Proven.nothing(), Proven.of_empty()
        """The least bound of the nodes that are being split: they are not in the frontier."""
        self._leaves = Leaves(system)
        self._undecided, self._found = "", False

    def run(self, limits: Limits) -> SearchResult:
        """Searches until everything is proven, an input is accepted, or a limit is reached.

        Where nodes were used up it may be called again with more, and goes on.
        """
        self._ascent = Ascent(self._units, limits.deadline)
        try:
            reason = self._explore(limits)
        except MemoryError:
            reason = MEMORY_USED_UP
        except OutOfTimeError as error:
            reason = str(error)
        reason = reason or self._undecided
        status = SearchStatus.PROVEN if not reason else SearchStatus.OPEN
        if self._found:
            status, reason = SearchStatus.UNSAFE, ""
        proven = self._proven.both(self._least_open).both(self._least_taken)
        if self._frontier is not None:
            proven = proven.both(self._frontier.least)
        return SearchResult(
            status, proven.least, self._nodes, self._leaves.solved, reason, reason == TIE
        )

    def _explore(self, limits: Limits) -> str:
        """The whole search; which limit ended it, or nothing."""
        if self._frontier is None:
            open_, best = self._first()
            if open_.size == 0 or self._found:
                return ""
            if reason := self._limit(limits, self._least_open.value):
                return reason
            frontier = Frontier(self._system.units, limits.memory, int(self._counts.max()))
            self._root(frontier, open_, best, limits.deadline)
            self._frontier = frontier
        frontier = self._frontier
        while frontier.count and not self._found:
            if reason := self._limit(limits, frontier.least.value):
                return reason
            self._found = self._step(frontier, limits.deadline)
            self._least_taken = Proven.of_empty()
        return ""

    def _limit(self, limits: Limits, least: float) -> str:
        """Why nothing more is split, or nothing; the least bound of what is open is given."""
        if time.monotonic() > limits.deadline:
            return "its time was used up"
        if self._candidates.are_tied(least):
            return TIE
        return NODES_USED_UP if self._nodes >= limits.nodes else ""

    def _first(self) -> tuple[Integers, Integers]:
        """Bounds all rows with nothing split.

        Returns:
            The disjuncts of which no row is positive everywhere, and the best row of each.
        """
        rows = rows_of(self._system, self._disjuncts, self._units)
        first = self._ascent.run(rows, relaxed_by(self._system), _ROOT_STEPS, goal=0.0)
        self._nodes += rows.count
        best = self._best_rows(first.bounds)
        self._close(first.proven.take(best))
        left = np.flatnonzero(first.bounds[best] <= 0)
        self._least_open = first.proven.take(best[left]).least
        if left.size:
            self._found = self._candidates.accept(left, first.points[best[left]])
        spans = np.abs(first.left.rows).sum(axis=1)
        self._rows = WeightedRows.of(rows, self._counts, spans)
        self._branching = Branching(self._units, self._rows)
        return left, best[left]

    def _root(self, frontier: Frontier, left: Integers, best: Integers, deadline: float) -> None:
        """Makes nodes of disjuncts, with better bounds of later units."""
        self._refiner = Refinement(self._system, _UNIT_STEPS, deadline)
        lower, upper = (
            np.repeat(side[None], left.size, axis=0)
            for side in (self._refiner.lower, self._refiner.upper)
        )
        state = states_by(lower, upper)
        rows, relaxed = self._rows.take(left), Relaxed.of(lower, upper, state)
        weights = rows.only(best)
        found = self._ascent.run(rows.below(weights), relaxed, _ROOT_STEPS, goal=0.0)
        if not rows.is_single:
            first = replace(found.multipliers, weights=weights)
            found = self._ascent.weigh(rows, relaxed, _ROOT_STEPS, first, goal=0.0)
            self._found = self._candidates.accept(left, found.points)
        self._keep(frontier, left, found, lower, upper, state)
        self._least_open = Proven.of_empty()  # what is open is in the frontier

    def _step(self, frontier: Frontier, deadline: float) -> bool:
        """Splits a batch of nodes; True where a candidate is accepted."""
        parents = frontier.pop(self._batch, worst_first=not frontier.is_full)
        self._least_taken = parents.proven.least
        choice = self._branching.choose(parents)
        if self._decide_all(parents.take(np.flatnonzero(choice.unit < 0)), deadline):
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
        beta = choice.first_beta(parents, children, owner)
        children = replace(children, multipliers=replace(children.multipliers, beta=beta))
        found = self._ascended(children)
        if self._candidates.accept(children.disjunct, found.points):
            return True
        self._keep(
            frontier, children.disjunct, found, children.lower, children.upper, children.state
        )
        return False

    def _ascended(self, children: Nodes) -> Ascended:
        """Bounds children, those for longer that are no better than their parents at first.

        Where few steps do not suffice, bounds would fall behind from one generation to the next.
        """
        found = self._bounded(children, _STEPS)
        behind = np.flatnonzero(found.bounds <= children.proven.bounds)
        if behind.size:
            begun = replace(children.take(behind), multipliers=found.multipliers.take(behind))
            found = found.with_rows(behind, self._bounded(begun, _MORE_STEPS))
        # What holds for a node holds for its children.
        return replace(found, proven=found.proven.better(children.proven))

    def _refine(self, children: Nodes, split: Integers, worth: np.ndarray) -> None:
        """New bounds of later units in the children whose split tells of them; in place."""
        if self._refiner.is_idle:
            return
        told = np.flatnonzero(split < self._system.starts[-2])
        lower, upper = children.lower[told], children.upper[told]
        state = children.state[told]
        most = max(_FEWEST_REFINED, min(_REFINED, _ROW_UNITS // self._system.units))
        self._refiner.run(split[told], lower, upper, state, worth[told], most)
        children.lower[told], children.upper[told], children.state[told] = lower, upper, state

    def _bounded(self, nodes: Nodes, steps: int) -> Ascended:
        """Bounds nodes from their own multipliers on."""
        relaxed = Relaxed.of(nodes.lower, nodes.upper, nodes.state)
        rows = self._rows.take(nodes.disjunct)
        return self._ascent.weigh(rows, relaxed, steps, nodes.multipliers, goal=0.0)

    def _keep(
        self,
        frontier: Frontier,
        disjunct: Integers,
        found: Ascended,
        lower: Float64,
        upper: Float64,
        state: np.ndarray,
    ) -> None:
        """Adds what is not closed to the frontier."""
        self._close(found.proven)
        nodes = Nodes(disjunct, found.proven, lower, upper, state, found.multipliers)
        frontier.add(nodes.take(np.flatnonzero(found.bounds <= 0)))

    def _best_rows(self, bounds: Float64) -> Integers:
        """The row of the largest bound of each disjunct."""
        first = np.cumsum(self._counts) - self._counts
        return np.array(
            [
                start + int(np.argmax(bounds[start : start + count]))
                for start, count in zip(first.tolist(), self._counts.tolist(), strict=True)
            ],
            dtype=np.int64,
        )

    def _decide_all(self, leaves: Nodes, deadline: float) -> bool:
        """Nodes whose signs are all fixed; True where one gives a witness.

        A longer ascent closes nearly all of them, hundreds in the time of one linear program.
        """
        if leaves.count == 0:
            return False
        found = self._bounded(leaves, _LEAF_STEPS)
        self._close(found.proven)
        left = leaves.take(np.flatnonzero(found.bounds <= 0))
        for place in range(left.count):
            if time.monotonic() > deadline:
                self._undecided = "its time was used up"
                self._close(left.proven.take(np.arange(place, left.count)), final_word=True)
                return False
            if self._decide(left.take(np.array([place])), deadline):
                return True
        return False

    def _decide(self, node: Nodes, deadline: float) -> bool:
        """A node whose signs are all fixed, by its LPStep; True where it gives a witness."""
        number = int(node.disjunct[0])
        answer = self._leaves.decide(
            self._disjuncts[number],
            node.lower[0],
            node.upper[0],
            node.state[0],
            deadline - time.monotonic(),
        )
        if answer.x is not None and self._candidates.accept_leaf(number, answer.x):
            return True
        if answer.bound > 0:
            self._close(answer.proven)
        else:
            proven = answer.proven.better(node.proven)
            self._close(proven, final_word=True)
            self._undecided = self._undecided or self._why(number, answer, proven.value)
        return False

    def _why(self, disjunct: int, answer: LeafAnswer, bound: float) -> str:
        """Why a node whose signs are all fixed stays open."""
        if answer.x is None:
            return "no solver finished the program of a linear region"
        return self._candidates.reason(disjunct, bound, answer.margin)

    def _close(self, proven: Proven, final_word: bool = False) -> None:
        """Remembers the least bound of what is closed."""
        closed = proven if final_word else proven.take(proven.bounds > 0)
        self._proven = self._proven.both(closed).least


def _split(parents: Nodes, unit: Integers) -> Nodes:
    """Both children of each node: those with the unit active, then those with it inactive."""
    children = parents.take(np.tile(np.arange(parents.count), 2))
    active = np.arange(parents.count)
    inactive = parents.count + active
    children.state[active, unit], children.state[inactive, unit] = 1, -1
    children.lower[active, unit] = np.maximum(children.lower[active, unit], 0.0)
    children.upper[inactive, unit] = np.minimum(children.upper[inactive, unit], 0.0)
    return children
