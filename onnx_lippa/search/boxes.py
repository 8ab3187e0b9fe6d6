"""Branch and bound over the input box, for inputs of few features.

A node is a box of inputs. Pre-activations and margins are bounded anew in it, by
back-substitution. An open box is halved along the feature that the last linear function of the
margin depends on most. A handful of features is soon split so finely that most units are stable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Batch, Float64, Floats, Integers, States
from onnx_lippa.bounds.dual.back_substitution import ReluRelaxation
from onnx_lippa.bounds.dual.certificate import Boxes, prove
from onnx_lippa.bounds.dual.objectives import Objectives, Units
from onnx_lippa.bounds.proven import ProvenBounds
from onnx_lippa.bounds.reduced.reduction import decide_signs
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.clock import require_time
from onnx_lippa.ending import TIE, Ending, Reason
from onnx_lippa.ir.pattern import UNDECIDED
from onnx_lippa.search.base import Candidates, Limits, ReducedSearch, express_margins
from onnx_lippa.spec import Conjunction
from onnx_lippa.witness import Offer

_BATCH: Final = 64
"""Boxes halved per batch."""
_NARROWEST: Final = 1e-9
"""Share of the whole box below which a box is not halved."""
_WIDTH: Final = 1.0
"""Weight of a feature's width beside its part in the last linear function of the margin."""
_TINY: Final = 1e-300
_ROWS: Final = 1 << 12
_PRODUCTS: Final = 1e10
"""Rows per back-substitution: about a second of products."""


@dataclass(frozen=True)
class _Boxes(Batch):
    """Boxes relative to the whole one: ``x = middle + radius e`` with e in [-1, 1].

    Attributes:
        disjunct: (n,) the disjunct of each.
        low: (n, d) lower ends.
        high: (n, d) upper ends.
        proven: (n,) lower bound of the disjunct's margin.
        feature: (n,) the feature to halve.
        lower: (n, units) lower bounds of ẑ in each; float32, rounded outward.
        upper: (n, units) upper bounds.
    """

    disjunct: Integers
    low: Float64
    high: Float64
    proven: ProvenBounds
    feature: Integers
    lower: Floats
    upper: Floats

    @property
    def count(self) -> int:
        return len(self.disjunct)


@final
class BoxSearch(ReducedSearch):
    """Branch and bound over the input box of a reduced network without another ball."""

    def __init__(
        self, reduced: ReducedNetwork, disjuncts: Sequence[Conjunction], offer: Offer
    ) -> None:
        super().__init__(reduced, disjuncts, offer)
        self._candidates = Candidates(reduced, disjuncts, offer)
        self._units = Units.of(reduced)
        self._rows = express_margins(reduced, disjuncts, self._units)
        counts = [len(disjunct.bound) for disjunct in disjuncts]
        self._first_row = np.concatenate([[0], np.cumsum(counts)])
        self._earlier = [
            (self._units.first(number), block) for number, block in enumerate(self._units.blocks)
        ]
        self._open = self._root()
        work = reduced.units * (reduced.units + reduced.inputs)
        self._rows_at_once = int(np.clip(_PRODUCTS / max(work, 1), 1, _ROWS))

    @override
    def _open_bounds(self) -> ProvenBounds:
        return self._open.proven

    @override
    def _explore(self, limits: Limits) -> Reason | None:
        self._deadline = limits.deadline
        self._open = self._bound(self._open)
        while self._open.count and not self._found:
            if reason := self._stop(limits):
                return reason
            # Where time runs out, the boxes that were being halved are still among the open ones.
            chosen, rest = _pop_worst(self._open)
            self._open = rest.concatenate(self._bound(_halve(chosen)))
        return None

    def _root(self) -> _Boxes:
        """The whole box, once for each disjunct."""
        s, count = self._reduced, len(self._disjuncts)
        ends, infinite = np.ones((count, s.inputs)), np.float32(np.inf)
        lower, upper = s.unit_lower.astype(np.float32), s.unit_upper.astype(np.float32)
        return _Boxes(
            np.arange(count), -ends, ends, ProvenBounds.vacuous(count), np.zeros(count, np.int64),
            np.repeat(np.nextafter(lower, -infinite)[None], count, axis=0),
            np.repeat(np.nextafter(upper, infinite)[None], count, axis=0),
        )  # fmt: skip

    def _stop(self, limits: Limits) -> Reason | None:
        """Why no further box is halved; None to go on."""
        open_, each = self._open, 16 * self._reduced.inputs + 8 * self._reduced.units + 24
        if reason := limits.check(self._nodes, open_.count * each):
            return reason
        if self._candidates.are_tied(open_.proven.value):
            return TIE
        worst = int(np.argmin(open_.proven.bounds))
        if (open_.high[worst] - open_.low[worst]).max(initial=0.0) >= 2 * _NARROWEST:
            return None
        detail = "a comparison that may go both ways is not told apart by boxes"
        if self._reduced.exact:
            bound = float(open_.proven.bounds[worst])
            detail = f"its boxes became too narrow to halve, with a bound of {bound:.3g}"
        return Reason(Ending.LOOSE_BOUNDS, detail)

    def _bound(self, boxes: _Boxes) -> _Boxes:
        """Bounds boxes, offers candidates, and keeps the open boxes."""
        self._nodes += boxes.count
        middle, radius = (boxes.low + boxes.high) / 2, (boxes.high - boxes.low) / 2
        reached = Boxes(middle, radius)
        signs = self._refine(boxes, reached)
        feature, points = boxes.feature.copy(), middle.copy()
        best = ProvenBounds.vacuous(boxes.count)
        for disjunct in np.unique(boxes.disjunct).tolist():
            require_time(self._deadline)
            mine = np.flatnonzero(boxes.disjunct == disjunct)
            lower, upper = (b[mine].astype(np.float64) for b in (boxes.lower, boxes.upper))
            relaxed = ReluRelaxation.of(lower, upper, signs[mine])
            inside = reached.take(mine)
            for row in range(self._first_row[disjunct], self._first_row[disjunct + 1]):
                objectives = self._rows.take(np.full(mine.size, row))
                proven, left = prove(
                    self._units, objectives, relaxed, relaxed.adaptive(), None, inside
                )
                chosen = np.flatnonzero(proven.bounds >= best.bounds[mine])
                better = mine[chosen]
                share = np.abs(left.rows[chosen]) * radius[better]
                best = best.put(better, proven.take(chosen))
                feature[better] = _choose_feature(share, radius[better])
                points[better] = middle[better] - np.copysign(radius[better], left.rows[chosen])
        # What holds for a box holds for its halves.
        best = best.maximum(boxes.proven)
        empty = np.flatnonzero(np.any(boxes.lower > boxes.upper, axis=1))
        best = best.put(empty, ProvenBounds.of_empty(empty.size))
        self._close_positive(best)
        kept = np.flatnonzero(best.bounds <= 0)
        tried = np.concatenate([points[kept], middle[kept]])
        self._found = self._candidates.accept(np.tile(boxes.disjunct[kept], 2), tried)
        return replace(boxes, proven=best, feature=feature).take(kept)

    def _refine(self, boxes: _Boxes, reached: Boxes) -> States:
        """Bounds the unstable units of each box anew, in place, block by block.

        Returns:
            (n, units) the states under the new bounds.
        """
        signs = decide_signs(boxes.lower, boxes.upper)
        for units, block in self._earlier:
            nodes, places = np.nonzero(signs[:, block] == UNDECIDED)
            for first in range(0, nodes.size, self._rows_at_once):
                require_time(self._deadline)
                part = slice(first, first + self._rows_at_once)
                chosen = nodes[part], block.start + places[part]
                self._bound_units(units, boxes, reached, signs, *chosen)
            signs[:, block] = decide_signs(boxes.lower[:, block], boxes.upper[:, block])
        return signs

    def _bound_units(
        self,
        units: Units,
        boxes: _Boxes,
        reached: Boxes,
        signs: States,
        nodes: Integers,
        places: Integers,
    ) -> None:
        """Bounds units, given by box and number, over the units of earlier blocks."""
        before = slice(0, units.starts[-1])
        lower, upper = (b[nodes, before].astype(np.float64) for b in (boxes.lower, boxes.upper))
        relaxed = ReluRelaxation.of(lower, upper, signs[nodes, before])
        alpha, inside = relaxed.adaptive(), reached.take(nodes)
        for sign in (1.0, -1.0):
            objectives = Objectives.of_units(self._units, places, before.stop, sign)
            proven, _ = prove(units, objectives, relaxed, alpha, None, inside)
            with np.errstate(over="ignore"):
                nearest = (sign * proven.bounds).astype(np.float32)
            found = np.nextafter(nearest, np.float32(-sign * np.inf))
            if sign > 0:
                boxes.lower[nodes, places] = np.maximum(boxes.lower[nodes, places], found)
            else:
                boxes.upper[nodes, places] = np.minimum(boxes.upper[nodes, places], found)


def _choose_feature(part: Float64, radius: Float64) -> Integers:
    """The feature to halve: one that the last linear function depends on, or a wide one.

    That function does not show features that only bounds of units depend on; by it alone some
    properties take 100 times as many boxes. Without features the choice is 0, and not used.
    """
    if part.shape[1] == 0:
        return np.zeros(len(part), np.int64)
    share = part / np.maximum(part.sum(axis=1, keepdims=True), _TINY)
    width = radius / np.maximum(radius.sum(axis=1, keepdims=True), _TINY)
    chosen: Integers = (share + _WIDTH * width).argmax(axis=1)
    return chosen


def _pop_worst(boxes: _Boxes) -> tuple[_Boxes, _Boxes]:
    """The boxes with the least bounds, and the rest."""
    order = np.argsort(boxes.proven.bounds, kind="stable")
    return boxes.take(order[:_BATCH]), boxes.take(order[_BATCH:])


def _halve(boxes: _Boxes) -> _Boxes:
    """Both halves of each box."""
    n = boxes.count
    halves = boxes.take(np.tile(np.arange(n), 2))
    rows, feature = np.arange(n), boxes.feature
    middle = (boxes.low[rows, feature] + boxes.high[rows, feature]) / 2
    halves.high[rows, feature] = middle
    halves.low[n + rows, feature] = middle
    return halves
