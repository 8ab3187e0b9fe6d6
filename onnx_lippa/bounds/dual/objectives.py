"""Linear functions of a reduced network in coordinates of the unit box, and their grouping.

Inputs are ``x = middle + radius e`` with e in [-1, 1]^d. :class:`Units` holds ``ẑ = A e + L z + c``
and :class:`Objectives` the functions ``a e + m z + γ``, both with bounds of their errors.

An objective that depends on few units and features, as those of a convolution do, is bounded over
these alone. :func:`group_objectives` collects objectives with common dependences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np

from onnx_lippa.arrays import Batch, Float64, Floats, Integers
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.proven import EPSILON, ROOM
from onnx_lippa.bounds.reduced_network import ReducedNetwork

_MOST_SHARE: Final = 0.01
"""Sums of larger relative error are not bounded."""
_UNIT_ROUNDINGS: Final = 8
"""Roundings of a unit's own multiplier: casts, products and lines."""


@dataclass(frozen=True)
class Rounding:
    """Rounding of a back-substitution, as ``certificate.py`` derives it.

    Attributes:
        share: relative to the sum of the absolute values of all terms.
        each: (units,) for a multiplier of 1 of each unit, the error of its ẑ included.
        floor: of numbers that underflow.
    """

    share: float
    each: Floats
    floor: float


@dataclass(frozen=True)
class Units:
    """The units of a reduced network, or of its first blocks, over ``x = middle + radius e``.

    For every input ``|ẑ - (A e + L z + c)| <= error`` and ``z <= most``.

    Attributes:
        domain: the inputs.
        on_input: A, (units, d), for e.
        on_units: L, (units, units).
        offset: c, (units,).
        starts: first unit of each block, and the number of units.
        most: (units,) proven upper bounds of z; float64.
        error: (units,) bounds of the error of ẑ; float64.
    """

    domain: InputDomain
    on_input: Floats
    on_units: Floats
    offset: Floats
    starts: tuple[int, ...]
    most: Float64
    error: Float64

    @classmethod
    def of(cls, reduced: ReducedNetwork, blocks: int | None = None) -> Units:
        """The units of the first blocks of a reduced network, of all blocks for None."""
        starts = reduced.starts if blocks is None else reduced.starts[: blocks + 1]
        end, domain = starts[-1], reduced.domain
        on_input, offset, error = over_unit_box(
            domain, reduced.on_input[:end], reduced.offset[:end], reduced.error[:end]
        )
        most = np.maximum(reduced.unit_upper[:end], 0.0)
        return cls(domain, on_input, reduced.on_units[:end, :end], offset, starts, most, error)

    def astype(self, dtype: type[np.floating]) -> Units:
        """The same in another floating-point type; the rounding adds to the error."""
        with np.errstate(over="ignore"):
            return replace(
                self,
                on_input=self.on_input.astype(dtype),
                on_units=self.on_units.astype(dtype),
                offset=self.offset.astype(dtype),
                error=self.error + _cast_error(self.sizes, dtype) + _least(dtype) * self.span,
            )

    def only(self, units: Integers, features: Integers) -> Units:
        """Some units, in order, over some features of a box."""
        return Units(
            self.domain.only(features),
            self.on_input[np.ix_(units, features)],
            self.on_units[np.ix_(units, units)],
            self.offset[units],
            tuple(int(n) for n in np.searchsorted(units, self.starts)),
            self.most[units],
            self.error[units],
        )

    def first(self, blocks: int) -> Units:
        """The units of the first blocks."""
        end = self.starts[blocks]
        return Units(
            self.domain, self.on_input[:end], self.on_units[:end, :end], self.offset[:end],
            self.starts[: blocks + 1], self.most[:end], self.error[:end],
        )  # fmt: skip

    @cached_property
    def sizes(self) -> Float64:
        """(units,) bounds of the sums of the absolute values of the terms of ẑ; float64."""
        return _sizes(self.on_input, self.on_units, self.offset, self.most)

    @cached_property
    def rounding(self) -> Rounding:
        """Rounding of a back-substitution in the type of these units."""
        info, count = np.finfo(self.offset.dtype), self.starts[-1]
        unit = float(info.eps) / 2
        share = (count + len(self.starts) + _UNIT_ROUNDINGS) * unit
        if share > _MOST_SHARE:
            share = np.inf
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            each = share * self.sizes + _UNIT_ROUNDINGS * unit * self.most + self.error
            rounded = each.astype(info.dtype)
            up = np.nextafter(rounded, info.dtype.type(np.inf))
            reached = self.sizes.sum() + self.most.sum() + self.span
            floor = 4 * float(info.tiny) * (count + 2) * float(reached)
        return Rounding(share, up, floor)

    @cached_property
    def span(self) -> float:
        """The largest change of a function whose coefficients all change by 1."""
        return float(1 + self.on_input.shape[1] + self.most.sum())

    @property
    def blocks(self) -> tuple[slice, ...]:
        """The units of each block."""
        return tuple(slice(f, e) for f, e in zip(self.starts, self.starts[1:], strict=False))


@dataclass(frozen=True)
class Objectives(Batch):
    """Linear functions ``on_input @ e + on_units @ z + offset``, one a row.

    Attributes:
        on_input: (n, d).
        on_units: (n, units).
        offset: (n,).
        error: (n,) bounds of the difference of the quantity meant and the function, apart from
            underflow; float64.
        sizes: (n,) bounds of the sums of the absolute values of the terms; float64.
    """

    on_input: Floats
    on_units: Floats
    offset: Floats
    error: Float64
    sizes: Float64

    @classmethod
    def of(
        cls,
        units: Units,
        on_input: Float64,
        on_units: Float64,
        offset: Float64,
        error: Float64 | None = None,
    ) -> Objectives:
        """From coefficients of x.

        Args:
            units: the units.
            on_input: (n, d) coefficients of x.
            on_units: (n, units) coefficients of z.
            offset: (n,) constants.
            error: (n,) bounds of the difference of quantity and function; None for 0.
        """
        error = np.zeros(len(offset)) if error is None else error
        parts = over_unit_box(units.domain, on_input, offset, error)
        return cls.within(units, parts[0], on_units, *parts[1:])

    @classmethod
    def within(
        cls,
        units: Units,
        on_input: Float64,
        on_units: Float64,
        offset: Float64,
        error: Float64 | None = None,
    ) -> Objectives:
        """From coefficients of e; the arguments are as in :meth:`of`."""
        error = np.zeros(len(offset)) if error is None else error
        sizes = _sizes(on_input, on_units, offset, units.most)
        return cls(on_input, on_units, offset, error, sizes)

    @classmethod
    def of_units(cls, units: Units, chosen: Integers, before: int, sign: float) -> Objectives:
        """ẑ or -ẑ of some units as functions of the units before a given one.

        Args:
            units: all units.
            chosen: (n,) which.
            before: number of units that they may depend on.
            sign: 1 or -1.
        """
        return cls(
            sign * units.on_input[chosen],
            sign * units.on_units[chosen, :before],
            sign * units.offset[chosen],
            units.error[chosen],
            units.sizes[chosen],
        )

    def astype(self, dtype: type[np.floating]) -> Objectives:
        """The same in another floating-point type; the rounding adds to the error."""
        with np.errstate(over="ignore"):
            return Objectives(
                self.on_input.astype(dtype),
                self.on_units.astype(dtype),
                self.offset.astype(dtype),
                self.error + _cast_error(self.sizes, dtype),
                self.sizes,
            )

    def only(self, rows: Integers, units: Integers, features: Integers) -> Objectives:
        """Some rows that depend on no other units and features than these."""
        return Objectives(
            self.on_input[np.ix_(rows, features)],
            self.on_units[np.ix_(rows, units)],
            self.offset[rows],
            self.error[rows],
            self.sizes[rows],
        )

    @property
    def count(self) -> int:
        """Number of rows n."""
        return len(self.offset)


def over_unit_box(
    domain: InputDomain, on_input: Float64, offset: Float64, error: Float64
) -> tuple[Float64, Float64, Float64]:
    """Functions (n) of x as functions of e: coefficients, constants, bounds of the error.

    Args:
        domain: the inputs, ``x = middle + radius e``.
        on_input: (n, d) coefficients of x.
        offset: (n,) constants.
        error: (n,) bounds of the error of the functions of x.
    """
    scaled = on_input * domain.radius
    sizes = np.abs(offset) + np.abs(on_input) @ (np.abs(domain.middle) + domain.radius)
    share = (on_input.shape[1] + _UNIT_ROUNDINGS) * EPSILON
    lost = float(np.finfo(np.float64).tiny) * (2 * on_input.shape[1] + 2)
    moved = offset + on_input @ domain.middle
    return scaled, moved, error + ROOM * share * sizes + lost


def _cast_error(sizes: Float64, dtype: type[np.floating]) -> Float64:
    """Bounds of the rounding of coefficients to a type, for terms of these sizes.

    Underflow is not included: each coefficient then changes by less than the least normal number.
    """
    epsilon = float(np.finfo(dtype).eps)
    return np.zeros(sizes.shape) if epsilon <= EPSILON else ROOM * epsilon * sizes


def _least(dtype: type[np.floating]) -> float:
    """The least normal number of a type."""
    return float(np.finfo(dtype).tiny)


def _sizes(on_input: Floats, on_units: Floats, offset: Floats, most: Float64) -> Float64:
    """(n,) ``|A| 1 + |c| + |L| u``."""
    total = np.abs(on_input).sum(axis=1, dtype=np.float64) + np.abs(offset.astype(np.float64))
    if on_units.shape[1]:
        total += np.abs(on_units) @ most
    return ROOM * total


_LEAST_ROWS: Final = 64
"""Least number of objectives of a group, to be worth the calls."""
_LARGEST_WORK: Final = 0.4
"""Largest share of the work of one call that groups may take."""


@dataclass(frozen=True)
class Group:
    """Objectives with the units and features that they depend on.

    Attributes:
        rows: which objectives.
        units: the units that any of them depends on, through later units too.
        features: the features that any of them or of these units depends on.
    """

    rows: Integers
    units: Integers
    features: Integers

    @property
    def work(self) -> int:
        """The cost of bounding them, up to a factor."""
        return self.rows.size * (self.units.size + 1) * (self.features.size + self.units.size + 1)


def group_objectives(units: Units, objectives: Objectives) -> list[Group]:
    """Partitions objectives; empty where that saves little, or where the domain is no box.

    Args:
        units: the units.
        objectives: the objectives over them.
    """
    if units.domain.ball is not None or objectives.count == 0 or not units.starts[-1]:
        return []
    seen = objectives.on_units != 0
    if seen.mean() > _LARGEST_WORK:
        return []
    see_through(units.on_units, units.starts, seen)
    if seen.mean() > _LARGEST_WORK:
        return []
    groups = [_make_group(units, objectives, seen, rows) for rows in _collect_rows(seen)]
    whole = Group(*(np.arange(n) for n in (*seen.shape, units.on_input.shape[1])))
    return groups if sum(group.work for group in groups) < _LARGEST_WORK * whole.work else []


def see_through(on_units: Floats, starts: Sequence[int], seen: np.ndarray) -> None:
    """Adds dependences through units of later blocks, in place.

    Args:
        on_units: L, (units, units).
        starts: first unit of each block, and the number of units.
        seen: (n, units) bool, the dependences.
    """
    for first, end in reversed(list(pairwise(starts))):
        if first:
            linked = (on_units[first:end, :first] != 0).astype(np.float32)
            seen[:, :first] |= seen[:, first:end].astype(np.float32) @ linked > 0


def _collect_rows(seen: np.ndarray) -> Iterator[Integers]:
    """Rows that depend on the same units, joined with their neighbours until there are enough."""
    _, of_row, count = np.unique(
        np.packbits(seen, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    rows, first = np.argsort(of_row.ravel(), kind="stable"), 0
    for end in np.cumsum(count):
        if end - first >= _LEAST_ROWS or end == rows.size:
            yield rows[first:end]
            first = int(end)


def _make_group(units: Units, objectives: Objectives, seen: np.ndarray, rows: Integers) -> Group:
    chosen = np.flatnonzero(seen[rows].any(axis=0))
    features = (objectives.on_input[rows] != 0).any(axis=0)
    features |= (units.on_input[chosen] != 0).any(axis=0)
    return Group(rows, chosen, np.flatnonzero(features))
