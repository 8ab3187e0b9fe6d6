"""Bounds of all pre-activations over input sets, by intervals and by back-substitution."""

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
    Pairs,
    is_exact_in_intervals,
)
from onnx_lippa.bounds.interval import Interval, find_unstable
from onnx_lippa.bounds.propagation import InputSets, IntervalPropagation
from onnx_lippa.bounds.relaxation import relax
from onnx_lippa.clock import NEVER
from onnx_lippa.ir.layers import AffineLayer, PiecewiseLayer
from onnx_lippa.ir.network import Network
from onnx_lippa.spec import StatedSet

_NUMBERS_KEPT = 12
"""Numbers kept for each value of an input: bounds, sizes, relaxations."""


@final
@dataclass(frozen=True)
class Bounds:
    """Proven bounds of the operands of all piecewise-linear layers, for n input sets.

    They hold for every input of the set, in real arithmetic and in float64.

    Attributes:
        lower: for each such layer in network order, (n, *source) lower bounds.
        upper: for each, (n, *source) upper bounds.
    """

    lower: tuple[Float64, ...]
    upper: tuple[Float64, ...]

    def interval(self, layer: int) -> Interval:
        """Bounds of the operand of one layer."""
        return Interval(self.lower[layer], self.upper[layer])

    def take(self, rows: slice) -> Bounds:
        """Bounds for some of the input sets."""
        return Bounds(
            tuple(bound[rows] for bound in self.lower), tuple(bound[rows] for bound in self.upper)
        )

    @classmethod
    def empty(cls, network: Network) -> Bounds:
        """Bounds for no input sets."""
        shapes = [
            network.shape_of(step.inputs[0])
            for step in network.steps
            if isinstance(step.layer, PiecewiseLayer)
        ]
        nothing = tuple(np.zeros((0, *shape)) for shape in shapes)
        return cls(nothing, nothing)

    @classmethod
    def concatenate(cls, parts: Sequence[Bounds]) -> Bounds:
        """Bounds for several batches of input sets; at least one."""
        return cls(
            tuple(np.concatenate(bounds) for bounds in zip(*(p.lower for p in parts), strict=True)),
            tuple(np.concatenate(bounds) for bounds in zip(*(p.upper for p in parts), strict=True)),
        )


def interval_bounds(
    network: Network, inputs: Sequence[StatedSet], deadline: float = NEVER
) -> Bounds:
    """Interval bound propagation over the box around each input set.

    Args:
        network: the network.
        inputs: n input sets with finite radii.
        deadline: ``time.monotonic()`` after which no step is begun.

    Raises:
        BoundsTooLargeError: they do not fit into memory.
        OutOfTimeError: the deadline has passed.
    """
    if not inputs:
        return Bounds.empty(network)
    parts = []
    for run in split_batches(network, len(inputs)):
        propagation = IntervalPropagation(network, InputSets.of(inputs[run]), deadline)
        found: list[Interval] = []
        with np.errstate(invalid="ignore", over="ignore"):
            for place, step in enumerate(network.steps):
                if isinstance(step.layer, AffineLayer):
                    propagation.propagate_affine(place)
                else:
                    found.append(propagation.operand(step))
                    propagation.propagate_piecewise(place, found[-1])
        parts.append(_as_bounds(found))
    return Bounds.concatenate(parts)


def linear_bounds(
    network: Network,
    inputs: Sequence[StatedSet],
    known: Bounds | None = None,
    deadline: float = NEVER,
) -> Bounds:
    """Bounds by back-substitution, layer by layer, of units that intervals leave unstable.

    Up to rounding they are at least as tight as those of :func:`interval_bounds` and as the known
    ones.

    Args:
        network: the network.
        inputs: n input sets with finite radii, all of one norm.
        known: valid bounds to intersect with.
        deadline: ``time.monotonic()`` after which no step is begun.

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
            parts.append(_as_bounds(_bound_linearly(network, sets, own, deadline)))
    return Bounds.concatenate(parts)


def split_batches(network: Network, count: int) -> Iterator[slice]:
    """Batches of inputs whose bounds fit into memory together.

    Raises:
        BoundsTooLargeError: those of a single input do not.
    """
    values = sum(size(network.shape_of(i)) for i in range(len(network.steps) + 1))
    each = 8.0 * _NUMBERS_KEPT * values
    if each > LARGEST:
        raise BoundsTooLargeError(
            f"bounds of one input take {each / 1e9:.1f} GB, more than the "
            f"{LARGEST / 1e9:.1f} GB allowed: the network has {values:,} values"
        )
    most = int(LARGEST / each)
    for start in range(0, count, most):
        yield slice(start, min(start + most, count))


def _bound_linearly(
    network: Network, sets: InputSets, known: Bounds | None, deadline: float
) -> list[Interval]:
    propagation = IntervalPropagation(network, sets, deadline)
    crown = Crown(network, sets, deadline)
    found: list[Interval] = []
    for place, step in enumerate(network.steps):
        layer = step.layer
        if not isinstance(layer, PiecewiseLayer):
            propagation.propagate_affine(place)
            continue
        x, (source,) = propagation.operand(step), step.inputs
        if known is not None:
            x = x.intersect(known.interval(len(found)))
        sizes = propagation.sizes(source)
        if not (sets.are_boxes and is_exact_in_intervals(network, source)):
            x = _tighten(crown, source, sizes, x, find_unstable(layer, x))
        found.append(x)
        crown.set_relaxation(place + 1, relax(layer, x), sizes)
        propagation.propagate_piecewise(place, x)
    return found


def _tighten(crown: Crown, index: int, sizes: Float64, x: Interval, unstable: AnyArray) -> Interval:
    """Bounds of a value, by back-substitution where they leave units unstable."""
    count, shape = len(unstable), unstable.shape[1:]
    lower, upper = (bound.reshape(count, -1).copy() for bound in (x.lower, x.upper))
    flat = unstable.reshape(count, -1)
    units = np.flatnonzero(flat.any(axis=0))
    for start in range(0, units.size, crown.rows_at_once):
        chosen = units[start : start + crown.rows_at_once]
        seeds = np.zeros((chosen.size, flat.shape[1]))
        seeds[np.arange(chosen.size), chosen] = 1.0
        functions = crown.expand(index, seeds.reshape(-1, *shape))
        owner, function = np.nonzero(flat[:, chosen])
        rows, columns = Pairs(function, owner), chosen[function]
        least = crown.lower(functions, rows, sizes)
        most = -crown.lower(functions, rows, sizes, -1.0)
        lower[owner, columns] = np.fmax(lower[owner, columns], least)
        upper[owner, columns] = np.fmin(upper[owner, columns], most)
    return Interval(lower.reshape(x.lower.shape), upper.reshape(x.upper.shape))


def _as_bounds(found: Sequence[Interval]) -> Bounds:
    return Bounds(tuple(x.lower for x in found), tuple(x.upper for x in found))
