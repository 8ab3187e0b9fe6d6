"""Cuts: implications between the signs of pairs of units.

Two units of one block are functions of the same x and earlier z. Where their pre-activations
satisfy over the box

    ẑ_j / r_j - ẑ_i / r_i >= 0     i active makes j active        b_i <= b_j
    ẑ_j / r_j + ẑ_i / r_i <= 0     they are not both active       b_i + b_j <= 1
    ẑ_j / r_j + ẑ_i / r_i >= 0     they are not both inactive     b_i + b_j >= 1

with r half the width of a unit's range, the implication is a row of the program. In the first block
the ranges are exact; in later ones they come from interval arithmetic over x and earlier z.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, Integers
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.spec import Rows

_MOST_UNITS: Final = 512
"""Units paired in a block, those with the widest ranges: pairs cost the square of their number."""
_CERTAIN: Final = 1e-7
"""Distance from 0 that a sum or difference must keep, in half widths."""


@dataclass(frozen=True)
class Cuts:
    """Implications, the strongest first.

    Attributes:
        pairs: (cuts, 2) units i and j.
        signs: (cuts, 2) coefficients of b_i and b_j.
        most: (cuts,) upper bound of ``signs @ (b_i, b_j)``.
        strength: (cuts,) distance of the sum or difference from 0.
    """

    pairs: Integers
    signs: Float64
    most: Float64
    strength: Float64

    @property
    def count(self) -> int:
        """Number of implications."""
        return int(self.most.size)

    def take(self, chosen: Integers) -> Cuts:
        """The chosen implications, in this order."""
        return Cuts(*(part[chosen] for part in vars(self).values()))

    def among(self, free: Integers, limit: int) -> Cuts:
        """The strongest implications between free units, at most ``limit``."""
        both = np.isin(self.pairs, free).all(axis=1)
        return self.take(np.flatnonzero(both)[:limit])

    def rows(self, units: int) -> Rows:
        """The rows over the b of all units."""
        places = np.repeat(np.arange(self.count), 2), self.pairs.ravel()
        matrix = sp.csr_array((self.signs.ravel(), places), shape=(self.count, units))
        return Rows.at_most(matrix, self.most)


def find_cuts(reduced: ReducedNetwork) -> Cuts:
    """Finds the implications between units of one block, for all blocks."""
    z_lower, z_upper = np.maximum(reduced.unit_lower, 0), np.maximum(reduced.unit_upper, 0)
    lower, upper = np.append(reduced.lower, z_lower), np.append(reduced.upper, z_upper)
    both = np.hstack([reduced.on_input, reduced.on_units])
    middle, radius = lower / 2 + upper / 2, upper / 2 - lower / 2
    nothing = np.zeros((0, 2), np.int64)
    found = [Cuts(nothing, np.zeros((0, 2)), np.zeros(0), np.zeros(0))]
    for first, end in pairwise(reduced.starts):
        spread = np.abs(both[first:end]) @ radius
        units = first + np.sort(np.argsort(-spread, kind="stable")[:_MOST_UNITS])
        units = units[spread[units - first] > 0]
        rows, half = both[units], spread[units - first]
        center = (rows @ middle + reduced.offset[units]) / half
        off = reduced.error[units] / half
        found += _compare_block(units, center, rows * radius / half[:, None], off)
    parts = zip(*(vars(one).values() for one in found), strict=True)
    cuts = Cuts(*(np.concatenate(part) for part in parts))
    return cuts.take(np.argsort(-cuts.strength, kind="stable"))


def _compare_block(units: Integers, center: Float64, rows: Float64, off: Float64) -> Iterator[Cuts]:
    """Implications between units with normalised ẑ of ``center + rows e``, e between -1 and 1.

    They hold for every error of ẑ up to ``off``.
    """
    for place, i in enumerate(units[:-1]):
        after = slice(place + 1, None)
        others, c = units[after], center[place]
        apart = np.abs(rows[after] - rows[place]).sum(axis=1)
        together = np.abs(rows[after] + rows[place]).sum(axis=1)
        difference, total = center[after] - c, center[after] + c
        needed = _CERTAIN + off[after] + off[place]
        for clear, signs, most in (
            (difference - apart, (1.0, -1.0), 0.0),
            (-difference - apart, (-1.0, 1.0), 0.0),
            (-total - together, (1.0, 1.0), 1.0),
            (total - together, (-1.0, -1.0), -1.0),
        ):
            chosen = np.flatnonzero(clear > needed)
            pairs = np.column_stack([np.full(chosen.size, i), others[chosen]])
            coefficients = np.tile(signs, (chosen.size, 1))
            yield Cuts(pairs, coefficients, np.full(chosen.size, most), clear[chosen])
