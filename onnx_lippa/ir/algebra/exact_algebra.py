"""The algebra of exact numbers: integers times a power of two, without rounding.

Every float is such a number, and so are sums and products of them. A network of piecewise-linear
layers is therefore evaluated exactly. This is slow, and meant for few samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import AnyArray, Float64, Integers, Shape
from onnx_lippa.ir.algebra.base import Algebra, ConvGeometry
from onnx_lippa.ir.algebra.numpy_algebra import NumpyAlgebra

_PRODUCTS: Final = 4_000_000
"""Products of integers in one evaluation, some seconds of work."""


class TooManyProductsError(Exception):
    """An evaluation that would take too long in exact numbers."""


@final
@dataclass(frozen=True)
class Exact:
    """A batch of numbers ``whole * 2 ** exponent``; or of truth values or positions.

    Attributes:
        whole: (n, *shape) Python integers, as objects.
        exponent: the exponent of two.
    """

    whole: AnyArray
    exponent: int = 0

    @classmethod
    def of(cls, values: Float64) -> Exact:
        """Floats as they are.

        Raises:
            TooManyProductsError: one of them is not finite, or their sizes are too far apart.
        """
        if not np.all(np.isfinite(values)):
            raise TooManyProductsError("numbers that are not finite are not exact")
        fractions, exponents = np.frexp(values.astype(np.float64))
        used = exponents[values != 0] - 53
        least = int(used.min(initial=0)) if used.size else 0
        mantissas = np.ldexp(fractions, 53).astype(np.int64).astype(object)
        shifts = np.where(values != 0, exponents - 53 - least, 0).astype(object)
        return cls(np.asarray(np.left_shift(mantissas, shifts), dtype=object), least)

    def fractions(self) -> list[Fraction]:
        """All numbers in order."""
        scale = Fraction(2) ** self.exponent
        return [Fraction(int(value)) * scale for value in self.whole.ravel().tolist()]

    def align(self, exponent: int) -> AnyArray:
        """The integers for a smaller exponent."""
        shift = self.exponent - exponent
        return self.whole if shift == 0 else np.asarray(self.whole * (1 << shift), dtype=object)


@final
class ExactAlgebra(Algebra[Exact]):
    """Evaluates without rounding, up to a limit of products.

    Args:
        products: the most products of numbers.
    """

    def __init__(self, products: int = _PRODUCTS) -> None:
        self._at, self._left = NumpyAlgebra(np.object_), products  # arrays of Python integers

    def _spend(self, products: int) -> None:
        self._left -= products
        if self._left < 0:
            raise TooManyProductsError("the network is too large for exact numbers")

    def _pair(self, left: Exact, right: Exact) -> tuple[AnyArray, AnyArray, int]:
        exponent = min(left.exponent, right.exponent)
        return left.align(exponent), right.align(exponent), exponent

    def _product(
        self,
        x: Exact,
        weight: Float64,
        products: int,
        operate: Callable[[AnyArray, AnyArray], AnyArray],
    ) -> Exact:
        self._spend(products)
        constant = Exact.of(weight)
        return Exact(operate(x.whole, constant.whole), x.exponent + constant.exponent)

    @override
    def add(self, left: Exact, right: Exact) -> Exact:
        a, b, exponent = self._pair(left, right)
        return Exact(a + b, exponent)

    @override
    def add_constant(self, x: Exact, constant: Float64) -> Exact:
        a, b, exponent = self._pair(x, Exact.of(constant))
        return Exact(self._at.add_constant(a, b), exponent)

    @override
    def scale(self, x: Exact, constant: Float64) -> Exact:
        return self._product(x, constant, max(x.whole.size, constant.size), self._at.scale)

    @override
    def matmul(self, x: Exact, weight: Float64) -> Exact:
        products = x.whole.size * weight.shape[-1]
        return self._product(x, weight, products, self._at.matmul)

    @override
    def left_matmul(self, weight: Float64, x: Exact) -> Exact:
        products = x.whole.size * weight.shape[-2]
        return self._product(x, weight, products, lambda v, w: self._at.left_matmul(w, v))

    @override
    def conv(self, x: Exact, weight: Float64, geometry: ConvGeometry) -> Exact:
        places = prod(geometry.output_extents(x.whole.shape[2:]))
        products = len(x.whole) * places * weight.size
        return self._product(x, weight, products, lambda v, w: self._at.conv(v, w, geometry))

    @override
    def conv_transpose(
        self, u: Exact, weight: Float64, geometry: ConvGeometry, extents: tuple[int, ...]
    ) -> Exact:
        products = len(u.whole) * prod(u.whole.shape[2:]) * weight.size
        return self._product(
            u, weight, products, lambda v, w: self._at.conv_transpose(v, w, geometry, extents)
        )

    @override
    def reshape(self, x: Exact, shape: Shape) -> Exact:
        return Exact(self._at.reshape(x.whole, shape), x.exponent)

    @override
    def permute(self, x: Exact, axes: tuple[int, ...]) -> Exact:
        return Exact(self._at.permute(x.whole, axes), x.exponent)

    @override
    def take(self, x: Exact, axis: int, source: Shape, indices: Integers) -> Exact:
        return Exact(self._at.take(x.whole, axis, source, indices), x.exponent)

    @override
    def concatenate(self, parts: Sequence[Exact], axis: int) -> Exact:
        exponent = min(part.exponent for part in parts)
        whole = self._at.concatenate([part.align(exponent) for part in parts], axis)
        return Exact(whole, exponent)

    @override
    def broadcast(self, x: Exact, shape: Shape) -> Exact:
        return Exact(self._at.broadcast(x.whole, shape), x.exponent)

    @override
    def sum_to(self, u: Exact, source: Shape, shape: Shape) -> Exact:
        return Exact(self._at.sum_to(u.whole, source, shape), u.exponent)

    @override
    def relu(self, x: Exact) -> Exact:
        return Exact(self._at.relu(x.whole), x.exponent)

    @override
    def maximum(self, x: Exact, axis: int) -> Exact:
        return Exact(self._at.maximum(x.whole, axis), x.exponent)

    @override
    def at_least(self, x: Exact, threshold: Float64) -> Exact:
        a, b, _ = self._pair(x, Exact.of(threshold))
        return Exact(np.asarray(a >= b, dtype=bool))

    @override
    def argmax(self, x: Exact, axis: int) -> Exact:
        largest = x.whole.max(axis=axis + 1, keepdims=True)
        return Exact(np.asarray(x.whole == largest, dtype=bool).argmax(axis=axis + 1))

    @override
    def one_hot(self, positions: Exact, shape: Shape, axis: int) -> Exact:
        return Exact(self._at.one_hot(positions.whole, shape, axis))

    @override
    def where(self, condition: Exact, if_true: Exact, if_false: Exact) -> Exact:
        a, b, exponent = self._pair(if_true, if_false)
        return Exact(self._at.where(condition.whole.astype(bool), a, b), exponent)

    @override
    def mask(self, condition: Exact, x: Exact) -> Exact:
        return Exact(np.where(condition.whole.astype(bool), x.whole, 0), x.exponent)
