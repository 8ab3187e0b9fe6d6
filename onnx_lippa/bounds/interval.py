"""Interval arithmetic: the algebra of intervals, and exact images of piecewise-linear layers.

An affine operation maps the middle of an interval by W and its radius by |W|, so the bounds of an
affine layer are its own ``forward`` evaluated in this algebra. A comparison gives an interval of
truth values: surely and possibly true. A maximum and a select are exact in the algebra, any other
layer is sound. A kink is not exact, since its input occurs twice, so its image is stated apart.

Theorem. A result contains what the operation gives in real arithmetic for any operands between
their bounds, and what float64 gives for them in any order of summation.

Proof. An inner product of t terms is off by less than ``t ε Σ |w_i| |x_i|`` (Higham, Accuracy and
Stability of Numerical Algorithms, section 3.1; ε = 2^-52 is twice the unit roundoff). The sum is
|W| applied to the largest absolute value of the operand, so the radius is increased by that share
before it is mapped, at no cost. ∎
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import AnyArray, Float64, Integers, Shape, size
from onnx_lippa.bounds.proven import EPSILON, TINY
from onnx_lippa.ir.algebra import Algebra, ConvGeometry, NumpyAlgebra
from onnx_lippa.ir.layers import PiecewiseLayer
from onnx_lippa.ir.layers.activation import Activation
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.layers.select import Select

_EXTRA_OPERATIONS: Final = 4
"""Operations beside the sum itself."""


@final
@dataclass(frozen=True)
class Interval:
    """Bounds of a batch of values; NaN where unbounded.

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
        """The image under a nondecreasing function that does not round."""
        return Interval(operate(self.lower), operate(self.upper))

    def widen(self, by: AnyArray) -> Interval:
        """Both bounds moved outward by ``by`` (n, *shape)."""
        return Interval(self.lower - by, self.upper + by)

    def union(self, other: Interval) -> Interval:
        """The smallest interval that contains both."""
        lower = np.minimum(self.lower, other.lower)
        return Interval(lower, np.maximum(self.upper, other.upper))

    def intersect(self, other: Interval) -> Interval:
        """Intersection; NaN means unbounded."""
        return Interval(np.fmax(self.lower, other.lower), np.fmin(self.upper, other.upper))

    def bounded(self) -> Interval:
        """The same with infinite bounds in place of NaN."""
        lower = np.where(np.isnan(self.lower), -np.inf, self.lower)
        return Interval(lower, np.where(np.isnan(self.upper), np.inf, self.upper))


@final
class IntervalAlgebra(Algebra[Interval]):
    """Evaluates bounds in float64, rounded outward."""

    def __init__(self) -> None:
        self._at = NumpyAlgebra()

    @override
    def add(self, left: Interval, right: Interval) -> Interval:
        return _outward(Interval(left.lower + right.lower, left.upper + right.upper))

    @override
    def add_constant(self, x: Interval, constant: Float64) -> Interval:
        return _outward(x.map(lambda bound: self._at.add_constant(bound, constant)))

    @override
    def scale(self, x: Interval, constant: Float64) -> Interval:
        ends = x.map(lambda bound: self._at.scale(bound, constant))
        product = Interval(ends.lower, ends.lower).union(Interval(ends.upper, ends.upper))
        if np.all((constant == 0.0) | (np.abs(constant) == 1.0)):
            return product
        return product.widen(EPSILON * product.size + TINY)

    @override
    def matmul(self, x: Interval, weight: Float64) -> Interval:
        return _linear(x, weight, weight.shape[-2], self._at.matmul)

    @override
    def left_matmul(self, weight: Float64, x: Interval) -> Interval:
        return _linear(x, weight, weight.shape[-1], lambda v, w: self._at.left_matmul(w, v))

    @override
    def conv(self, x: Interval, weight: Float64, geometry: ConvGeometry) -> Interval:
        terms = size(weight.shape[1:])
        return _linear(x, weight, terms, lambda v, w: self._at.conv(v, w, geometry))

    @override
    def conv_transpose(
        self, u: Interval, weight: Float64, geometry: ConvGeometry, extents: tuple[int, ...]
    ) -> Interval:
        terms = weight.shape[0] * size(weight.shape[2:])
        return _linear(
            u, weight, terms, lambda v, w: self._at.conv_transpose(v, w, geometry, extents)
        )

    @override
    def reshape(self, x: Interval, shape: Shape) -> Interval:
        return x.map(lambda bound: self._at.reshape(bound, shape))

    @override
    def permute(self, x: Interval, axes: tuple[int, ...]) -> Interval:
        return x.map(lambda bound: self._at.permute(bound, axes))

    @override
    def take(self, x: Interval, axis: int, source: Shape, indices: Integers) -> Interval:
        return x.map(lambda bound: self._at.take(bound, axis, source, indices))

    @override
    def concatenate(self, parts: Sequence[Interval], axis: int) -> Interval:
        lower = self._at.concatenate([part.lower for part in parts], axis)
        return Interval(lower, self._at.concatenate([part.upper for part in parts], axis))

    @override
    def broadcast(self, x: Interval, shape: Shape) -> Interval:
        return x.map(lambda bound: self._at.broadcast(bound, shape))

    @override
    def sum_to(self, u: Interval, source: Shape, shape: Shape) -> Interval:
        total = u.map(lambda bound: self._at.sum_to(bound, source, shape))
        terms = size(source) // max(1, size(shape))
        if terms == 1:
            return total
        return total.widen(_share(terms) * self._at.sum_to(u.size, source, shape))

    @override
    def relu(self, x: Interval) -> Interval:
        return x.map(self._at.relu)

    @override
    def maximum(self, x: Interval, axis: int) -> Interval:
        """The largest of the lower bounds, and of the upper ones."""
        return x.map(lambda bound: self._at.maximum(bound, axis))

    @override
    def at_least(self, x: Interval, threshold: Float64) -> Interval:
        """Where nothing is known of x, it is possible."""
        return x.bounded().map(lambda bound: self._at.at_least(bound, threshold))

    @override
    def argmax(self, x: Interval, axis: int) -> Interval:
        """The first and the last position that may be the largest."""
        x, along = x.bounded(), axis + 1
        possible = x.upper >= x.lower.max(axis=along, keepdims=True)
        last = possible.shape[along] - 1 - np.flip(possible, along).argmax(axis=along)
        return Interval(possible.argmax(axis=along), last)

    @override
    def one_hot(self, positions: Interval, shape: Shape, axis: int) -> Interval:
        """Surely only where there is one possible position."""
        column = np.arange(shape[axis]).reshape(-1, *(1,) * (len(shape) - axis - 1))
        first, last = (
            np.expand_dims(bound, axis + 1) for bound in (positions.lower, positions.upper)
        )
        possibly = (first <= column) & (column <= last)
        return Interval(possibly & (first == last), possibly)

    @override
    def where(self, condition: Interval, if_true: Interval, if_false: Interval) -> Interval:
        """Either of the two where the condition is not decided."""
        surely, possibly, either = condition.lower, condition.upper, if_true.union(if_false)
        return Interval(
            np.where(surely, if_true.lower, np.where(possibly, either.lower, if_false.lower)),
            np.where(surely, if_true.upper, np.where(possibly, either.upper, if_false.upper)),
        )

    @override
    def mask(self, condition: Interval, x: Interval) -> Interval:
        shape = np.broadcast_shapes(condition.lower.shape, x.lower.shape)
        nothing = Interval(np.zeros(shape), np.zeros(shape))
        return self.where(condition, x, nothing)


def _linear(
    x: Interval,
    weight: Float64,
    terms: int,
    operate: Callable[[AnyArray, Float64], AnyArray],
) -> Interval:
    """An operation linear in operand and weight, whose results are sums of so many terms."""
    share = _share(terms)
    middle = x.lower / 2 + x.upper / 2
    radius = np.maximum(x.upper - middle, middle - x.lower)
    y = operate(middle, weight)
    spread = operate(radius + share * (np.abs(middle) + radius), np.abs(weight))
    spread = spread + share * spread + EPSILON * np.abs(y) + TINY
    return Interval(y - spread, y + spread)


def _share(terms: int) -> float:
    """Relative rounding of a sum of so many terms."""
    return (terms + _EXTRA_OPERATIONS) * EPSILON


def _outward(x: Interval) -> Interval:
    """Bounds rounded outward after one addition each; a sum that underflows is exact."""
    return Interval(x.lower - EPSILON * np.abs(x.lower), x.upper + EPSILON * np.abs(x.upper))


_ALGEBRA: Final = IntervalAlgebra()
_OPERATIONS: Final = 4.0
"""Operations in the evaluation of a kink, with room."""


def bound_output(layer: PiecewiseLayer, x: Interval) -> Interval:
    """Bounds (n, *shape) of the output for bounds (n, *source) of the input."""
    if isinstance(layer, Activation):
        return _bound_kink(layer, x).bounded()
    return layer.forward(_ALGEBRA, x).bounded()


def bound_states(layer: PiecewiseLayer, x: Interval) -> Interval:
    """The least and the largest state of every unit; equal where the unit is stable."""
    return layer.state(_ALGEBRA, x)


def find_unstable(layer: PiecewiseLayer, x: Interval) -> AnyArray:
    """(n, *source) which entries of the input belong to unstable units.

    Of a maximum these are the entries that may be the largest, where there are several; of a
    select its condition and both branches.
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


def evaluate_kink(layer: Activation, x: AnyArray) -> Float64:
    """The function at points (n, *shape), up to :func:`round_kink`."""
    if _is_relu(layer):
        return np.maximum(x, 0.0)
    slope = np.where(x >= layer.kink, layer.above, layer.below)
    return layer.kink + slope * (x - layer.kink)


def round_kink(layer: Activation, largest: AnyArray) -> Float64:
    """Bounds on the rounding of :func:`evaluate_kink` where ``|x| <= largest``."""
    if _is_exact(layer):
        return np.zeros(1)
    steepest = np.maximum(np.abs(layer.below), np.abs(layer.above))
    sizes = np.abs(layer.kink) + steepest * (np.abs(layer.kink) + largest)
    return _OPERATIONS * EPSILON * sizes + TINY


def _bound_kink(layer: Activation, x: Interval) -> Interval:
    """The values at the ends, and at the kink where it lies between them."""
    ends = x.map(lambda bound: evaluate_kink(layer, bound))
    z = Interval(ends.lower, ends.lower).union(Interval(ends.upper, ends.upper))
    inside = (x.lower < layer.kink) & (x.upper > layer.kink)
    at_kink = np.where(inside, layer.kink, ends.lower)
    z = z.union(Interval(at_kink, at_kink))
    return z if _is_exact(layer) else z.widen(round_kink(layer, x.size))


def _is_exact(layer: Activation) -> bool:
    """Whether each piece is 0, x or -x, so that nothing is rounded."""
    if np.any(layer.kink):
        return False
    return all(
        bool(np.all((slope == 0.0) | (np.abs(slope) == 1.0)))
        for slope in (layer.below, layer.above)
    )


def _is_relu(layer: Activation) -> bool:
    """Whether it is ``max(x, 0)``."""
    return _is_exact(layer) and not np.any(layer.below) and bool(np.all(layer.above == 1.0))
