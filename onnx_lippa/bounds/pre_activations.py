"""Bounds of all pre-activations over input sets, by intervals and by back-substitution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
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
from onnx_lippa.ir.layers import PiecewiseLayer
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
        lower, upper = zip(*((part.lower, part.upper) for part in parts), strict=True)
        return cls(
            tuple(np.concatenate(layer) for layer in zip(*lower, strict=True)),
            tuple(np.concatenate(layer) for layer in zip(*upper, strict=True)),
        )


class BoundsMethod(Enum):
    """How pre-activations and margins are bounded."""

    INTERVAL = "interval"
    """Interval bound propagation over the box around each input set."""
    LINEAR = "linear"
    """Back-substitution (CROWN) of what intervals leave unstable; never looser than intervals."""


def bound_pre_activations(
    network: Network,
    inputs: Sequence[StatedSet],
    method: BoundsMethod,
    known: Bounds | None = None,
    deadline: float = NEVER,
) -> Bounds:
    """Bounds of all pre-activations, layer by layer.

    Args:
        network: the network.
        inputs: n input sets with finite radii, all of one norm.
        method: by intervals, or by back-substitution.
        known: valid bounds to intersect with.
        deadline: ``time.monotonic()`` after which no step is begun.

    Raises:
        BoundsTooLargeError: not even those of one input fit into memory.
        OutOfTimeError: the deadline has passed.
    """
    parts = [Bounds.empty(network)]
    for run in split_batches(network, len(inputs)):
        sets = InputSets.of(inputs[run])
        own = None if known is None else known.take(run)
        with np.errstate(invalid="ignore", over="ignore"):
            parts.append(_bound_batch(network, sets, method, own, deadline))
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


def _bound_batch(
    network: Network,
    sets: InputSets,
    method: BoundsMethod,
    known: Bounds | None,
    deadline: float,
) -> Bounds:
    propagation = IntervalPropagation(network, sets, deadline)
    crown = Crown(network, sets, deadline) if method is BoundsMethod.LINEAR else None
    found: list[Interval] = []
    for number, step in enumerate(network.steps):
        layer = step.layer
        if not isinstance(layer, PiecewiseLayer):
            propagation.propagate(number)
            continue
        x, (source,) = propagation.operand(step), step.inputs
        if known is not None:
            x = x.intersect(known.interval(len(found)))
        if crown is not None:
            sizes = propagation.sizes(source)
            if not (sets.are_boxes and is_exact_in_intervals(network, source)):
                x = _bound_unstable(crown, source, sizes, x, find_unstable(layer, x))
            crown.set_relaxation(number + 1, relax(layer, x), sizes)
        found.append(x)
        propagation.propagate(number, x)
    return Bounds(tuple(x.lower for x in found), tuple(x.upper for x in found))


def _bound_unstable(
    crown: Crown, index: int, sizes: Float64, x: Interval, unstable: AnyArray
) -> Interval:
    """Bounds of a value, by back-substitution where they leave units unstable."""
    count, shape = len(unstable), unstable.shape[1:]
    lower, upper = (bound.reshape(count, -1).copy() for bound in (x.lower, x.upper))
    flat = unstable.reshape(count, -1)
    units = np.flatnonzero(flat.any(axis=0))
    for start in range(0, units.size, crown.rows_at_once):
        part = units[start : start + crown.rows_at_once]
        seeds = np.zeros((part.size, flat.shape[1]))
        seeds[np.arange(part.size), part] = 1.0
        functions = crown.expand(index, seeds.reshape(-1, *shape))
        owner, function = np.nonzero(flat[:, part])
        rows, columns = Pairs(function, owner), part[function]
        least = crown.lower(functions, rows, sizes)
        most = -crown.lower(functions, rows, sizes, -1.0)
        lower[owner, columns] = np.fmax(lower[owner, columns], least)
        upper[owner, columns] = np.fmin(upper[owner, columns], most)
    return Interval(lower.reshape(x.lower.shape), upper.reshape(x.upper.shape))
