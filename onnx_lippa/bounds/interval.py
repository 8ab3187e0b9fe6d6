"""The algebra of intervals: what a value can be where its operands lie between bounds.

Affine operations map the middle of an interval with W and its radius with |W|, so the bounds of
an affine layer are its own ``forward`` evaluated in this algebra. What a comparison gives is an
interval of truth values: surely and possibly true.

Proven: a result contains what the operation gives in real arithmetic for any operands between
their bounds, and what float64 gives for them in any order of summation. An inner product of t
terms is off by less than t ε times the sum of their sizes (Higham, Accuracy and Stability of
Numerical Algorithms, section 3.1; ε = 2^-52 is twice the unit roundoff). That sum is |W| applied
to the operand's size, so the radius is given the share of ε before it is mapped, at no cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import AnyArray, Float64, Integers, Shape, size
from onnx_lippa.bounds.rounding import EPSILON, TINY
from onnx_lippa.ir.algebra import Algebra, ConvGeometry, NumpyAlgebra
from onnx_lippa.ir.layers import PiecewiseLayer
from onnx_lippa.ir.layers.activation import Activation
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.layers.select import Select

_FEW: Final = 4
"""Operations beside the sum itself, for which the share of ε leaves room."""


@final
@dataclass(frozen=True)
class Interval:
    """Bounds of a batch of values; not a number where nothing is known.

    Attributes:
        lower: (n, *shape) numbers, positions, or what is surely true.
        upper: (n, *shape) numbers, positions, or what is possibly true.
    """

    lower: AnyArray
    upper: AnyArray

    @property
    def size(self) -> Float64:
        """(n, *shape) the largest absolute value."""
        return np.maximum(np.abs(self.lower), np.abs(self.upper))

    def map(self, operate: Callable[[AnyArray], AnyArray]) -> Interval:
        """Both bounds through a function that does not decrease, without rounding."""
        return Interval(operate(self.lower), operate(self.upper))

    def widen(self, by: AnyArray) -> Interval:
        """Bounds moved outward by sizes (n, *shape)."""
        return Interval(self.lower - by, self.upper + by)

    def union(self, other: Interval) -> Interval:
        """What is in either."""
        lower = np.minimum(self.lower, other.lower)
        return Interval(lower, np.maximum(self.upper, other.upper))

    def intersect(self, other: Interval) -> Interval:
        """What is in both; bounds that are not a number are none."""
        return Interval(np.fmax(self.lower, other.lower), np.fmin(self.upper, other.upper))

    def known(self) -> Interval:
        """The same with infinite bounds where nothing is known."""
        lower = np.where(np.isnan(self.lower), -np.inf, self.lower)
        return Interval(lower, np.where(np.isnan(self.upper), np.inf, self.upper))


@final
class IntervalAlgebra(Algebra[Interval]):
    """Evaluates bounds in float64, rounded outward."""

    def __init__(self) -> None:
        self._at = NumpyAlgebra()

    def add(self, left: Interval, right: Interval) -> Interval:
        """See :meth:`Algebra.add`."""
        return _outward(Interval(left.lower + right.lower, left.upper + right.upper))

    def add_constant(self, x: Interval, constant: Float64) -> Interval:
        """See :meth:`Algebra.add_constant`."""
        return _outward(x.map(lambda bound: self._at.add_constant(bound, constant)))

    def scale(self, x: Interval, constant: Float64) -> Interval:
        """See :meth:`Algebra.scale`."""
        ends = x.map(lambda bound: self._at.scale(bound, constant))
        product = Interval(ends.lower, ends.lower).union(Interval(ends.upper, ends.upper))
        if np.all((constant == 0.0) | (np.abs(constant) == 1.0)):
            return product
        return product.widen(EPSILON * product.size + TINY)

    def matmul(self, x: Interval, weight: Float64) -> Interval:
        """See :meth:`Algebra.matmul`."""
        return _linear(x, weight, weight.shape[-2], self._at.matmul)

    def left_matmul(self, weight: Float64, x: Interval) -> Interval:
        """See :meth:`Algebra.left_matmul`."""
        return _linear(x, weight, weight.shape[-1], lambda v, w: self._at.left_matmul(w, v))

    def conv(self, x: Interval, weight: Float64, geometry: ConvGeometry) -> Interval:
        """See :meth:`Algebra.conv`."""
        terms = size(weight.shape[1:])
        return _linear(x, weight, terms, lambda v, w: self._at.conv(v, w, geometry))

    def conv_transpose(
        self, u: Interval, weight: Float64, geometry: ConvGeometry, extents: tuple[int, ...]
    ) -> Interval:
        """See :meth:`Algebra.conv_transpose`."""
        terms = weight.shape[0] * size(weight.shape[2:])
        return _linear(
            u, weight, terms, lambda v, w: self._at.conv_transpose(v, w, geometry, extents)
        )

    def reshape(self, x: Interval, shape: Shape) -> Interval:
        """See :meth:`Algebra.reshape`."""
        return x.map(lambda bound: self._at.reshape(bound, shape))

    def permute(self, x: Interval, axes: tuple[int, ...]) -> Interval:
        """See :meth:`Algebra.permute`."""
        return x.map(lambda bound: self._at.permute(bound, axes))

    def take(self, x: Interval, axis: int, source: Shape, indices: Integers) -> Interval:
        """See :meth:`Algebra.take`."""
        return x.map(lambda bound: self._at.take(bound, axis, source, indices))

    def concatenate(self, parts: Sequence[Interval], axis: int) -> Interval:
        """See :meth:`Algebra.concatenate`."""
        lower = self._at.concatenate([part.lower for part in parts], axis)
        return Interval(lower, self._at.concatenate([part.upper for part in parts], axis))

    def broadcast(self, x: Interval, shape: Shape) -> Interval:
        """See :meth:`Algebra.broadcast`."""
        return x.map(lambda bound: self._at.broadcast(bound, shape))

    def sum_to(self, u: Interval, source: Shape, shape: Shape) -> Interval:
        """See :meth:`Algebra.sum_to`."""
        total = u.map(lambda bound: self._at.sum_to(bound, source, shape))
        terms = size(source) // max(1, size(shape))
        if terms == 1:
            return total
        return total.widen(_share(terms) * self._at.sum_to(u.size, source, shape))

    def relu(self, x: Interval) -> Interval:
        """See :meth:`Algebra.relu`."""
        return x.map(self._at.relu)

    def maximum(self, x: Interval, axis: int) -> Interval:
        """See :meth:`Algebra.maximum`: the largest of the lower bounds, and of the upper ones."""
        return x.map(lambda bound: self._at.maximum(bound, axis))

    def at_least(self, x: Interval, threshold: Float64) -> Interval:
        """See :meth:`Algebra.at_least`; where nothing is known of x, it is possible."""
        return x.known().map(lambda bound: self._at.at_least(bound, threshold))

    def argmax(self, x: Interval, axis: int) -> Interval:
        """See :meth:`Algebra.argmax`: the first and the last place that may be the largest."""
        known, along = x.known(), axis + 1
        possible = known.upper >= known.lower.max(axis=along, keepdims=True)
        last = possible.shape[along] - 1 - np.flip(possible, along).argmax(axis=along)
        return Interval(possible.argmax(axis=along), last)

    def one_hot(self, positions: Interval, shape: Shape, axis: int) -> Interval:
        """See :meth:`Algebra.one_hot`: surely only where there is one possible position."""
        column = np.arange(shape[axis]).reshape(-1, *(1,) * (len(shape) - axis - 1))
        first, last = (
            np.expand_dims(bound, axis + 1) for bound in (positions.lower, positions.upper)
        )
        possibly = (first <= column) & (column <= last)
        return Interval(possibly & (first == last), possibly)

    def where(self, condition: Interval, if_true: Interval, if_false: Interval) -> Interval:
        """See :meth:`Algebra.where`: either of the two where the condition is not decided."""
        surely, possibly, either = condition.lower, condition.upper, if_true.union(if_false)
        return Interval(
            np.where(surely, if_true.lower, np.where(possibly, either.lower, if_false.lower)),
            np.where(surely, if_true.upper, np.where(possibly, either.upper, if_false.upper)),
        )

    def mask(self, condition: Interval, x: Interval) -> Interval:
        """See :meth:`Algebra.mask`."""
        shape = np.broadcast_shapes(condition.lower.shape, x.lower.shape)
        nothing = Interval(np.zeros(shape), np.zeros(shape))
        return self.where(condition, x, nothing)


def _linear(
    x: Interval,
    weight: Float64,
    terms: int,
    operate: Callable[[AnyArray, Float64], AnyArray],
) -> Interval:
    """An operation whose results are sums of so many terms, linear in operand and weight."""
    share = _share(terms)
    middle = x.lower / 2 + x.upper / 2
    radius = np.maximum(x.upper - middle, middle - x.lower)
    y = operate(middle, weight)
    spread = operate(radius + share * (np.abs(middle) + radius), np.abs(weight))
    spread = spread + share * spread + EPSILON * np.abs(y) + TINY
    return Interval(y - spread, y + spread)


def _share(terms: int) -> float:
    """How much a sum of so many terms may be off, relative to the sum of their sizes."""
    return (terms + _FEW) * EPSILON


def _outward(x: Interval) -> Interval:
    """Bounds that one addition each gave; a sum that underflows is exact."""
    return Interval(x.lower - EPSILON * np.abs(x.lower), x.upper + EPSILON * np.abs(x.upper))


_ALGEBRA: Final = IntervalAlgebra()
_OPERATIONS: Final = 4.0
"""Operations in which a kink's function is evaluated, with room."""


def bound_output(layer: PiecewiseLayer, x: Interval) -> Interval:
    """Bounds (n, *shape) of the output for bounds (n, *source) of the input."""
    if isinstance(layer, Activation):
        return _kinked(layer, x).known()
    return layer.forward(_ALGEBRA, x).known()


def bound_states(layer: PiecewiseLayer, x: Interval) -> Interval:
    """The least and the largest state of every unit; equal where its piece is decided."""
    return layer.state(_ALGEBRA, x)


def undecided(layer: PiecewiseLayer, x: Interval) -> AnyArray:
    """Which entries (n, *source) of the input have bounds that leave the piece open.

    For a maximum these are the entries that may be the largest, where there are several; for a
    switch its condition, and both branches with it.
    """
    states = bound_states(layer, x)
    open_ = np.asarray(states.lower != states.upper)
    if isinstance(layer, Activation):
        return np.asarray(open_ & (layer.below != layer.above))
    if isinstance(layer, ReduceMax):
        along = layer.axis + 1
        least = x.lower.max(axis=along, keepdims=True)
        return np.asarray((x.upper >= least) & np.expand_dims(open_, along))
    if isinstance(layer, Select):
        return np.repeat(open_[:, None], 3, axis=1)
    return np.ones(x.lower.shape, bool)


def kinked_at(layer: Activation, x: AnyArray) -> Float64:
    """The function at points (n, *shape), but for the rounding of :func:`kinked_rounding`."""
    if _is_relu(layer):
        return np.maximum(x, 0.0)
    slope = np.where(x >= layer.kink, layer.above, layer.below)
    return layer.value + slope * (x - layer.kink)


def kinked_rounding(layer: Activation, largest: AnyArray) -> Float64:
    """How much rounding may change the function at points of at most ``largest``."""
    if _is_exact(layer):
        return np.zeros(1)
    steepest = np.maximum(np.abs(layer.below), np.abs(layer.above))
    sizes = np.abs(layer.value) + steepest * (np.abs(layer.kink) + largest)
    return _OPERATIONS * EPSILON * sizes + TINY


def _kinked(layer: Activation, x: Interval) -> Interval:
    """The ends, and the kink where it lies between them."""
    ends = x.map(lambda bound: kinked_at(layer, bound))
    z = Interval(ends.lower, ends.lower).union(Interval(ends.upper, ends.upper))
    inside = (x.lower < layer.kink) & (x.upper > layer.kink)
    at_kink = np.where(inside, layer.value, ends.lower)
    z = z.union(Interval(at_kink, at_kink))
    return z if _is_exact(layer) else z.widen(kinked_rounding(layer, x.size))


def _is_exact(layer: Activation) -> bool:
    """Whether the function is 0, x or -x on its pieces, so that nothing is rounded."""
    if np.any(layer.kink) or np.any(layer.value):
        return False
    return all(
        bool(np.all((slope == 0.0) | (np.abs(slope) == 1.0)))
        for slope in (layer.below, layer.above)
    )


def _is_relu(layer: Activation) -> bool:
    """Whether it is ``max(x, 0)``."""
    return _is_exact(layer) and not np.any(layer.below) and bool(np.all(layer.above == 1.0))
