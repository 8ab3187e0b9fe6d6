"""Pairs of units that hardly differ, as in two runs of one network on related inputs.

Relaxed one by one, the ReLUs of such a pair may be anywhere in their triangles, and their outputs
may differ by the height of one. Where ``Δ = ẑ_j - ẑ_k`` lies between l <= 0 <= u for all inputs
that meet the relations, the difference of the outputs lies between min(Δ, 0) and max(Δ, 0), and
so between the lines from (l, l) to (u, 0) and from (l, 0) to (u, u) (interleaving twin networks:
Wang et al., 2022). These lines are further rows over x and z in the linear programs of a
conjunction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Integers, States
from onnx_lippa.bounds.dual.ascent import Ascent
from onnx_lippa.bounds.dual.objectives import Objectives
from onnx_lippa.bounds.dual.weighted import WeightedRows
from onnx_lippa.bounds.proven import EPSILON
from onnx_lippa.bounds.reduced.reduction import decide_signs, relax_units
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ir.pattern import UNDECIDED

_POINTS: Final = 128
_ROUNDS: Final = 30
"""Rounds of projections of points onto the relations."""
_ALIKE: Final = 0.6
"""Units are paired whose difference varies by at most this share of the less varying unit, or whose
lines are at most this share as high: in a monotone network differences keep one sign."""
_SPREAD: Final = 1e-3
"""Weight of the size of a difference, where several differences keep one sign."""
_MOST: Final = 256
"""Pairs of units in one block, the most alike ones."""
_STEPS: Final = 150
_NO_PAIRS: Final = np.zeros((0, 2), np.int64)
_TINY: Final = 1e-290


@final
@dataclass(frozen=True)
class Differences:
    """Constraints of pairs of units under some relations of inputs.

    Attributes:
        rows: functions that are at most 0 under the relations.
        pairs: (n, 2) units of the same block.
        low: (n,) lower bounds of ẑ of the first unit less ẑ of the second, at most 0.
        high: (n,) upper bounds, at least 0.
    """

    rows: Objectives
    pairs: Integers
    low: Float64
    high: Float64

    @classmethod
    def of(cls, reduced: ReducedNetwork, relations: Objectives, ascent: Ascent) -> Differences:
        """Pairs the units that are most alike, block by block.

        Args:
            reduced: the reduced network.
            relations: rows over inputs alone; met where they are at most 0.
            ascent: the ascent of the reduced network's units.
        """
        z_hat = reduced.pre_activations(reduced.domain.at(_sample(reduced, relations)))
        known, found = relations, [(_NO_PAIRS, np.zeros(0), np.zeros(0))]
        for block in ascent.exact.blocks:
            pairs = _pair(z_hat[:, block], block.start)
            if len(pairs):
                lines, low, high = _bound(reduced, pairs, known, ascent)
                known = known.concatenate(lines)
                found.append((pairs, low, high))
        rows = known.take(np.arange(relations.count, known.count))
        return cls(rows, *(np.concatenate(part) for part in zip(*found, strict=True)))

    def refine(self, lower: Float64, upper: Float64, signs: States) -> None:
        """Tightens bounds and states (n, units) by the other unit of each pair, in place."""
        for (a, b), low, high in zip(self.pairs.tolist(), self.low, self.high, strict=True):
            for unit, from_, down, up in ((b, a, high, low), (a, b, -low, -high)):
                least = np.nextafter(lower[:, from_] - down, -np.inf)
                most = np.nextafter(upper[:, from_] - up, np.inf)
                lower[:, unit] = np.maximum(lower[:, unit], least)
                upper[:, unit] = np.minimum(upper[:, unit], most)
        decided = decide_signs(lower, upper)
        np.copyto(signs, decided, where=signs == UNDECIDED)


def _sample(reduced: ReducedNetwork, relations: Objectives) -> Float64:
    """Points e (n, d) that meet the relations, or nearly."""
    e = np.random.default_rng(0).uniform(-1, 1, (_POINTS, reduced.inputs))
    norms = np.maximum((relations.on_input**2).sum(axis=1), _TINY)
    for _ in range(_ROUNDS):
        for row, offset, norm in zip(relations.on_input, relations.offset, norms, strict=True):
            e -= np.maximum(e @ row + offset, 0.0)[:, None] / norm * row
        e = np.clip(e, -1, 1)
    return e


def _height(values: Float64, axis: int) -> Float64:
    """The height at 0 of the line from (l, 0) to (u, u); 0 where values keep one sign."""
    high, low = np.maximum(values.max(axis=axis), 0), np.maximum(-values.min(axis=axis), 0)
    height: Float64 = high * low / np.maximum(high + low, _TINY)
    return height


def _pair(z_hat: Float64, first: int) -> Integers:
    """Pairs (n, 2) of each unit of a block and the one that is most like it."""
    if z_hat.shape[1] < 2:
        return _NO_PAIRS
    apart, unit = z_hat[:, :, None] - z_hat[:, None, :], np.arange(z_hat.shape[1])
    found = []
    for measure in (np.ptp, _height):
        varies, differs = measure(z_hat, axis=0), measure(apart, axis=0)
        differs += _SPREAD * np.ptp(apart, axis=0)
        differs[unit, unit] = np.inf
        partner = differs.argmin(axis=1)
        share = differs[unit, partner] / np.maximum(np.minimum(varies, varies[partner]), _TINY)
        order = np.argsort(share, kind="stable")
        chosen = order[share[order] < _ALIKE][:_MOST]
        found.append(np.sort(np.stack([chosen, partner[chosen]], axis=1), axis=1))
    return first + np.unique(np.concatenate(found), axis=0).reshape(-1, 2)


def _bound(
    reduced: ReducedNetwork, pairs: Integers, known: Objectives, ascent: Ascent
) -> tuple[Objectives, Float64, Float64]:
    """The two lines of each pair, and bounds of the differences."""
    units, count, (one, other) = ascent.exact, len(pairs), pairs.T
    on_input = units.on_input[one] - units.on_input[other]
    on_units = units.on_units[one] - units.on_units[other]
    offset = units.offset[one] - units.offset[other]
    error = units.error[one] + units.error[other]
    error += 4 * EPSILON * (units.sizes[one] + units.sizes[other])
    both = Objectives.within(units, on_input, on_units, offset, error)
    minus = Objectives.within(units, -on_input, -on_units, -offset, error)
    rows, relaxed = WeightedRows.under(both.concatenate(minus), known), relax_units(reduced)
    multipliers = ascent.weigh(rows, relaxed, _STEPS, None).multipliers
    weights = rows.equal_weights() if multipliers.weights is None else multipliers.weights
    weights[:, 0] = 1.0  # a bound of the sum is one of the row itself
    bounds = ascent.run(rows.below(weights), relaxed, 0, multipliers).bounds
    low, high = np.minimum(bounds[:count], 0), np.maximum(-bounds[count:], 0)
    slope = high / np.maximum(high - low, _TINY)
    # Whatever the rounding of the slope, the lines lie beyond the kinks at both ends.
    beyond = np.maximum(-slope * low, (1 - slope) * high) * (1 + 8 * EPSILON) + _TINY
    apart, place = np.zeros(on_units.shape), np.arange(count)
    apart[place, one], apart[place, other] = 1.0, -1.0
    error += 8 * EPSILON * (both.sizes + beyond)
    s, t = slope[:, None], 1 - slope[:, None]
    upper = -s * on_input, apart - s * on_units, -slope * offset - beyond
    lower = t * on_input, t * on_units - apart, (1 - slope) * offset - beyond
    lines = Objectives.within(units, *upper, error).concatenate(
        Objectives.within(units, *lower, error)
    )
    return lines, low, high
