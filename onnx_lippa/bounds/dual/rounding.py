"""How far an affine layer's coefficients may be off: the algebra of sizes and errors.

Every number of a value stands for many, the coefficients of one affine expression. With X_j the
largest size of what coefficient j multiplies, its *size* is at least ``Σ_j X_j |c_j|`` and its
*error* bounds how far the expression may be from what it stands for. An operation with weights W
takes the size to ``|W| size`` and the error to ``|W| error``, and the rounding of its own sums adds
a share of ``|W| size`` for the number of their terms (as in ``bounds/interval.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NoReturn, final

import numpy as np

from onnx_lippa.arrays import Float64, Integers, Shape, size
from onnx_lippa.bounds.rounding import EPSILON, UNDERFLOW
from onnx_lippa.ir.algebra import Algebra, ConvGeometry, NumpyAlgebra

_FEW: Final = 6
"""Operations beside the sum itself, those of sizes and errors included."""


@final
class RoundingAlgebra(Algebra[Float64]):
    """Evaluates pairs (size, error), the two samples of a batch; for affine operations alone."""

    def __init__(self) -> None:
        self._at = NumpyAlgebra()

    def add(self, left: Float64, right: Float64) -> Float64:
        """See :meth:`Algebra.add`."""
        return _rounded(left + right, 1)

    def add_constant(self, x: Float64, constant: Float64) -> Float64:
        """See :meth:`Algebra.add_constant`."""
        both = np.stack([np.abs(constant), np.zeros(constant.shape)])
        missing = constant.ndim - (x.ndim - 1)
        wide = x.reshape(2, *(1,) * max(0, missing), *x.shape[1:])
        return _rounded(wide + both.reshape(2, *(1,) * max(0, -missing), *constant.shape), 1)

    def scale(self, x: Float64, constant: Float64) -> Float64:
        """See :meth:`Algebra.scale`."""
        scaled = self._at.scale(x, np.abs(constant))
        exact = np.all((constant == 0.0) | (np.abs(constant) == 1.0))
        return scaled if exact else _rounded(scaled, 1)

    def matmul(self, x: Float64, weight: Float64) -> Float64:
        """See :meth:`Algebra.matmul`."""
        return _summed(weight, weight.shape[-2], lambda w: self._at.matmul(x, w))

    def left_matmul(self, weight: Float64, x: Float64) -> Float64:
        """See :meth:`Algebra.left_matmul`."""
        return _summed(weight, weight.shape[-1], lambda w: self._at.left_matmul(w, x))

    def conv(self, x: Float64, weight: Float64, geometry: ConvGeometry) -> Float64:
        """See :meth:`Algebra.conv`."""
        terms = size(weight.shape[1:])
        return _summed(weight, terms, lambda w: self._at.conv(x, w, geometry))

    def conv_transpose(
        self, u: Float64, weight: Float64, geometry: ConvGeometry, extents: tuple[int, ...]
    ) -> Float64:
        """See :meth:`Algebra.conv_transpose`."""
        terms = weight.shape[0] * size(weight.shape[2:])
        return _summed(weight, terms, lambda w: self._at.conv_transpose(u, w, geometry, extents))

    def reshape(self, x: Float64, shape: Shape) -> Float64:
        """See :meth:`Algebra.reshape`."""
        return self._at.reshape(x, shape)

    def permute(self, x: Float64, axes: tuple[int, ...]) -> Float64:
        """See :meth:`Algebra.permute`."""
        return self._at.permute(x, axes)

    def take(self, x: Float64, axis: int, source: Shape, indices: Integers) -> Float64:
        """See :meth:`Algebra.take`."""
        return self._at.take(x, axis, source, indices)

    def concatenate(self, parts: Sequence[Float64], axis: int) -> Float64:
        """See :meth:`Algebra.concatenate`."""
        return self._at.concatenate(parts, axis)

    def broadcast(self, x: Float64, shape: Shape) -> Float64:
        """See :meth:`Algebra.broadcast`."""
        return self._at.broadcast(x, shape)

    def sum_to(self, u: Float64, source: Shape, shape: Shape) -> Float64:
        """See :meth:`Algebra.sum_to`."""
        terms = size(source) // max(1, size(shape))
        total = self._at.sum_to(u, source, shape)
        return total if terms == 1 else _rounded(total, terms)

    def relu(self, x: Float64) -> NoReturn:
        """Not affine."""
        raise _NOT_AFFINE

    def maximum(self, x: Float64, axis: int) -> NoReturn:
        """Not affine."""
        raise _NOT_AFFINE

    def at_least(self, x: Float64, threshold: Float64) -> NoReturn:
        """Not affine."""
        raise _NOT_AFFINE

    def argmax(self, x: Float64, axis: int) -> NoReturn:
        """Not affine."""
        raise _NOT_AFFINE

    def one_hot(self, positions: Float64, shape: Shape, axis: int) -> NoReturn:
        """Not affine."""
        raise _NOT_AFFINE

    def where(self, condition: Float64, if_true: Float64, if_false: Float64) -> NoReturn:
        """Not affine."""
        raise _NOT_AFFINE

    def mask(self, condition: Float64, x: Float64) -> NoReturn:
        """Not affine."""
        raise _NOT_AFFINE


_NOT_AFFINE: Final = TypeError("an affine layer uses an operation that is not affine")


def _summed(weight: Float64, terms: int, operate: Callable[[Float64], Float64]) -> Float64:
    """An operation whose results are sums of so many terms."""
    return _rounded(operate(np.abs(weight)), terms)


def _rounded(pair: Float64, terms: int) -> Float64:
    """Adds what sums of so many terms are off, those of the pair itself included."""
    share = (terms + _FEW) * EPSILON
    sizes, errors = pair[0] * (1 + share), pair[1] * (1 + share)
    return np.stack([sizes, errors + share * sizes + UNDERFLOW])
