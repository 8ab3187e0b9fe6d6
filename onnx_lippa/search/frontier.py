"""The open nodes of a search, in arrays of a fixed number of bytes per node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Batch, Float64, Integers, States
from onnx_lippa.bounds.dual.ascent import Multipliers
from onnx_lippa.bounds.dual.objectives import Objectives
from onnx_lippa.bounds.dual.weighted import WeightedRows
from onnx_lippa.bounds.proven import ProvenBounds

_FIRST_ROOM: Final = 256
_LARGEST_BETA: Final = 6e4
"""The largest β that float16 holds; a smaller β is as valid."""


@dataclass(frozen=True)
class Nodes(Batch):
    """Nodes: a disjunct of the unsafe set, and signs of some units.

    Attributes:
        disjunct: (n,) the disjunct whose margin is bounded.
        proven: (n,) its lower bound.
        lower: (n, units) lower bounds of ẑ under the node's signs.
        upper: (n, units) upper bounds of ẑ.
        signs: (n, units) the signs, by choice or by the bounds.
        multipliers: the multipliers of the bound, with weights of the disjunct's rows.
    """

    disjunct: Integers
    proven: ProvenBounds
    lower: Float64
    upper: Float64
    signs: States
    multipliers: Multipliers

    @property
    def count(self) -> int:
        """Number of nodes."""
        return len(self.disjunct)

    def objectives(self, rows: WeightedRows) -> Objectives:
        """The weighted sums of the disjuncts' rows that the nodes bound, in the rows' type."""
        mine, weights = rows.take(self.disjunct), self.multipliers.weights
        return mine.combine(mine.equal_weights() if weights is None else weights)


@final
class Frontier:
    """The open nodes of one search.

    Bounds of ẑ are kept in float32, rounded outward, multipliers in float16: all are valid.

    Args:
        units: number of units.
        memory: bytes that may be taken.
        rows: number of rows of the largest disjunct.
    """

    def __init__(self, units: int, memory: float, rows: int = 1) -> None:
        fields = [
            ("disjunct", np.int64), ("bound", np.float64),
            ("lower", np.float32, (units,)), ("upper", np.float32, (units,)),
            ("signs", np.int8, (units,)),
            ("alpha", np.float16, (units,)), ("beta", np.float16, (units,)),
            ("weights", np.float32, (rows,)),
        ]  # fmt: skip
        self._stored = np.zeros(0, fields)
        self._most = max(_FIRST_ROOM, int(memory / self._stored.itemsize))
        self._open = np.zeros(0, np.int64)

    @property
    def count(self) -> int:
        """Number of open nodes."""
        return int(self._open.size)

    @property
    def is_full(self) -> bool:
        """Whether three quarters of the memory are taken."""
        return 4 * self.count > 3 * self._most

    @property
    def least(self) -> ProvenBounds:
        """The least bound of an open node; infinite without any."""
        return ProvenBounds(self._stored["bound"][self._open]).least

    def add(self, nodes: Nodes) -> None:
        """Adds open nodes.

        Raises:
            MemoryError: there is no room left for them.
        """
        slots, stored = self._slots(nodes.count), self._stored
        infinite, multipliers = np.float32(np.inf), nodes.multipliers
        low, high = nodes.lower.astype(np.float32), nodes.upper.astype(np.float32)
        stored["disjunct"][slots] = nodes.disjunct
        stored["bound"][slots] = nodes.proven.bounds
        stored["lower"][slots] = np.where(low > nodes.lower, np.nextafter(low, -infinite), low)
        stored["upper"][slots] = np.where(high < nodes.upper, np.nextafter(high, infinite), high)
        stored["signs"][slots] = nodes.signs
        stored["alpha"][slots] = multipliers.alpha
        stored["beta"][slots] = np.minimum(multipliers.beta, _LARGEST_BETA)
        stored["weights"][slots] = 1.0 if multipliers.weights is None else multipliers.weights
        self._open = np.concatenate([self._open, slots])

    def pop(self, count: int, worst_first: bool = True) -> Nodes:
        """Removes the nodes with the least bounds, or with the largest, and returns them."""
        bounds = self._stored["bound"][self._open]
        order = bounds if worst_first else -bounds
        if count < order.size:
            chosen = np.argpartition(order, count - 1)[:count]
        else:
            chosen = np.arange(order.size)
        # argpartition leaves the order open; a batch must not depend on it.
        chosen = chosen[np.argsort(order[chosen], kind="stable")]
        slots = self._open[chosen]
        kept = np.ones(self._open.size, bool)
        kept[chosen] = False
        self._open = self._open[kept]
        taken = self._stored[slots]
        alpha, beta = (taken[name].astype(np.float32) for name in ("alpha", "beta"))
        return Nodes(
            taken["disjunct"], ProvenBounds(taken["bound"]), taken["lower"].astype(np.float64),
            taken["upper"].astype(np.float64), taken["signs"],
            Multipliers(alpha, beta, taken["weights"]),
        )  # fmt: skip

    def _slots(self, count: int) -> Integers:
        needed = self.count + count
        if needed > self._most:
            raise MemoryError("there is no room for more nodes")
        room = len(self._stored)
        if needed > room:
            room = min(self._most, max(2 * room, needed, _FIRST_ROOM))
            more = np.zeros(room, self._stored.dtype)
            more[: len(self._stored)] = self._stored
            self._stored = more
        taken = np.zeros(room, bool)
        taken[self._open] = True
        return np.flatnonzero(~taken)[:count]
