"""Bounds of all pre-activations over input sets: by intervals, and by backward substitution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from onnx_lippa.arrays import AnyArray, Float64, size
from onnx_lippa.bounds.crown import (
    LARGEST,
    BoundsTooLargeError,
    Crown,
    Rows,
    is_exact_in_intervals,
    shape_of,
)
from onnx_lippa.bounds.interval import Interval, undecided
from onnx_lippa.bounds.propagation import InputSets, IntervalPropagation
from onnx_lippa.bounds.relaxation import relax
from onnx_lippa.clock import NEVER
from onnx_lippa.ir.layers import AffineLayer, PiecewiseLayer
from onnx_lippa.ir.network import Network
from onnx_lippa.spec import StatedSet

_NUMBERS_KEPT = 12
"""Numbers kept for each value of an input: bounds, sizes, lines."""


@final
@dataclass(frozen=True)
class Bounds:
    """Proven bounds of what the piecewise-linear layers of a network take.

    They hold in real arithmetic for every input of the set, and for float64 passes as well.

    Attributes:
        lower: for each such layer in network order, (n, *source) lower bounds.
        upper: for each, (n, *source) upper bounds.
    """

    lower: tuple[Float64, ...]
    upper: tuple[Float64, ...]

    def interval(self, layer: int) -> Interval:
        """The bounds of one layer."""
        return Interval(self.lower[layer], self.upper[layer])

    def take(self, rows: slice) -> Bounds:
        """Those of some of the input sets."""
        return Bounds(
            tuple(bound[rows] for bound in self.lower), tuple(bound[rows] for bound in self.upper)
        )

    @classmethod
    def empty(cls, network: Network) -> Bounds:
        """Those of no input sets at all."""
        shapes = [
            shape_of(network, step.inputs[0])
            for step in network.steps
            if isinstance(step.layer, PiecewiseLayer)
        ]
        nothing = tuple(np.zeros((0, *shape)) for shape in shapes)
        return cls(nothing, nothing)

    @classmethod
    def joined(cls, parts: Sequence[Bounds]) -> Bounds:
        """Those of all input sets, from runs of them; at least one."""
        return cls(
            tuple(np.concatenate(bounds) for bounds in zip(*(p.lower for p in parts), strict=True)),
            tuple(np.concatenate(bounds) for bounds in zip(*(p.upper for p in parts), strict=True)),
        )


def interval_bounds(
    network: Network, inputs: Sequence[StatedSet], deadline: float = NEVER
) -> Bounds:
    """Bounds by interval arithmetic over the box of each input set.

    Args:
        network: the network.
        inputs: n input sets with finite radii.
        deadline: ``time.monotonic()`` from which on no more is begun.

    Raises:
        BoundsTooLargeError: they do not fit into memory.
        OutOfTimeError: the deadline has passed.
    """
    if not inputs:
        return Bounds.empty(network)
    parts = []
    for run in split_batches(network, len(inputs)):
        walk = IntervalPropagation(network, InputSets.of(inputs[run]), deadline)
        found: list[Interval] = []
        with np.errstate(invalid="ignore", over="ignore"):
            for place, step in enumerate(network.steps):
                if isinstance(step.layer, AffineLayer):
                    walk.pass_affine(place)
                else:
                    found.append(walk.operand(step))
                    walk.pass_piecewise(place, found[-1])
        parts.append(_as_bounds(found))
    return Bounds.joined(parts)


def linear_bounds(
    network: Network,
    inputs: Sequence[StatedSet],
    known: Bounds | None = None,
    deadline: float = NEVER,
) -> Bounds:
    """Bounds by backward substitution, layer by layer, where intervals leave a piece open.

    But for rounding never looser than those of :func:`interval_bounds`, nor than the known ones.

    Args:
        network: the network.
        inputs: n input sets with finite radii, all of one norm.
        known: valid bounds to start from.
        deadline: ``time.monotonic()`` from which on no more is begun.

    Raises:
        BoundsTooLargeError: not even those of one input fit into memory.
        OutOfTimeError: the deadline has passed.
    """
    if not inputs:
        return Bounds.empty(network)
    parts = []
    for run in split_batches(network, len(inputs)):
        sets = InputSets.of(inputs[run])
        own = None if known is None else known.take(run)
        with np.errstate(invalid="ignore", over="ignore"):
            parts.append(_as_bounds(_linear(network, sets, own, deadline)))
    return Bounds.joined(parts)


def split_batches(network: Network, count: int) -> Iterator[slice]:
    """Runs of inputs whose bounds fit into memory together.

    Raises:
        BoundsTooLargeError: those of a single input do not.
    """
    values = sum(size(shape_of(network, i)) for i in range(len(network.steps) + 1))
    each = 8.0 * _NUMBERS_KEPT * values
    if each > LARGEST:
        raise BoundsTooLargeError(
            f"bounds of one input take {each / 1e9:.1f} GB, more than the "
            f"{LARGEST / 1e9:.1f} GB allowed: the network has {values:,} values"
        )
    most = int(LARGEST / each)
    for start in range(0, count, most):
        yield slice(start, min(start + most, count))


def _linear(
    network: Network, sets: InputSets, known: Bounds | None, deadline: float
) -> list[Interval]:
    walk = IntervalPropagation(network, sets, deadline)
    substitution = Crown(network, sets, deadline)
    found: list[Interval] = []
    for place, step in enumerate(network.steps):
        layer = step.layer
        if not isinstance(layer, PiecewiseLayer):
            walk.pass_affine(place)
            continue
        x, (source,) = walk.operand(step), step.inputs
        if known is not None:
            x = x.intersect(known.interval(len(found)))
        sizes = walk.sizes(source)
        if not (sets.are_boxes and is_exact_in_intervals(network, source)):
            x = _tightened(substitution, source, sizes, x, undecided(layer, x))
        found.append(x)
        substitution.relax(place + 1, relax(layer, x), sizes)
        walk.pass_piecewise(place, x)
    return found


def _tightened(
    substitution: Crown, index: int, sizes: Float64, x: Interval, open_: AnyArray
) -> Interval:
    """Bounds of a value, by substitution where they are open."""
    count, shape = len(open_), open_.shape[1:]
    lower, upper = (bound.reshape(count, -1).copy() for bound in (x.lower, x.upper))
    flat = open_.reshape(count, -1)
    units = np.flatnonzero(flat.any(axis=0))
    for start in range(0, units.size, substitution.rows_at_once):
        chosen = units[start : start + substitution.rows_at_once]
        seeds = np.zeros((chosen.size, flat.shape[1]))
        seeds[np.arange(chosen.size), chosen] = 1.0
        form = substitution.form(index, seeds.reshape(-1, *shape))
        owner, function = np.nonzero(flat[:, chosen])
        rows, columns = Rows(function, owner), chosen[function]
        least = substitution.lower(form, rows, sizes)
        most = -substitution.lower(form, rows, sizes, -1.0)
        lower[owner, columns] = np.fmax(lower[owner, columns], least)
        upper[owner, columns] = np.fmin(upper[owner, columns], most)
    return Interval(lower.reshape(x.lower.shape), upper.reshape(x.upper.shape))


def _as_bounds(found: Sequence[Interval]) -> Bounds:
    return Bounds(tuple(x.lower for x in found), tuple(x.upper for x in found))
