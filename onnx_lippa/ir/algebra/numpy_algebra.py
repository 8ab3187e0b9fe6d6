"""The algebra that computes: NumPy arrays in the precision it is given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onnx_lippa.arrays import AnyArray, Float64, Integers, Shape, size
from onnx_lippa.ir.algebra.base import Algebra, ConvGeometry
from onnx_lippa.ir.algebra.convolution import convolve, transposed


class NumpyAlgebra(Algebra[AnyArray]):
    """Evaluates in one floating-point type (float64 unless told otherwise)."""

    def __init__(self, dtype: type[np.floating] = np.float64) -> None:
        self._dtype = np.dtype(dtype)

    def _constant(self, constant: Float64) -> AnyArray:
        return constant.astype(self._dtype, copy=False)

    def add(self, left: AnyArray, right: AnyArray) -> AnyArray:
        """See :meth:`Algebra.add`."""
        return np.add(left, right)

    def add_constant(self, x: AnyArray, constant: Float64) -> AnyArray:
        """See :meth:`Algebra.add_constant`."""
        return np.add(*_aligned(x, self._constant(constant)))

    def scale(self, x: AnyArray, constant: Float64) -> AnyArray:
        """See :meth:`Algebra.scale`."""
        return np.multiply(*_aligned(x, self._constant(constant)))

    def matmul(self, x: AnyArray, weight: Float64) -> AnyArray:
        """See :meth:`Algebra.matmul`."""
        return np.matmul(x, self._constant(weight))

    def left_matmul(self, weight: Float64, x: AnyArray) -> AnyArray:
        """See :meth:`Algebra.left_matmul`."""
        return np.matmul(self._constant(weight), x)

    def conv(self, x: AnyArray, weight: Float64, geometry: ConvGeometry) -> AnyArray:
        """See :meth:`Algebra.conv`."""
        return convolve(x, self._constant(weight), geometry)

    def conv_transpose(
        self, u: AnyArray, weight: Float64, geometry: ConvGeometry, extents: tuple[int, ...]
    ) -> AnyArray:
        """See :meth:`Algebra.conv_transpose`."""
        return transposed(u, self._constant(weight), geometry, extents)

    def reshape(self, x: AnyArray, shape: Shape) -> AnyArray:
        """See :meth:`Algebra.reshape`."""
        return x.reshape(x.shape[0], *shape)

    def permute(self, x: AnyArray, axes: tuple[int, ...]) -> AnyArray:
        """See :meth:`Algebra.permute`."""
        return x.transpose(0, *(axis + 1 for axis in axes))

    def take(self, x: AnyArray, axis: int, source: Shape, indices: Integers) -> AnyArray:
        """See :meth:`Algebra.take`."""
        taken = np.take(x, np.maximum(indices, 0), axis=axis + 1)
        if np.any(indices < 0):
            taken[(slice(None),) * (axis + 1) + (indices < 0,)] = 0
        return taken

    def concatenate(self, parts: Sequence[AnyArray], axis: int) -> AnyArray:
        """See :meth:`Algebra.concatenate`."""
        return np.concatenate(parts, axis=axis + 1)

    def broadcast(self, x: AnyArray, shape: Shape) -> AnyArray:
        """See :meth:`Algebra.broadcast`."""
        return np.broadcast_to(x, (x.shape[0], *shape))

    def sum_to(self, u: AnyArray, source: Shape, shape: Shape) -> AnyArray:
        """See :meth:`Algebra.sum_to`."""
        padded = (1,) * (len(source) - len(shape)) + shape
        axes = tuple(
            i + 1 for i, (s, t) in enumerate(zip(source, padded, strict=True)) if t == 1 != s
        )
        total = u.sum(axis=axes, keepdims=True) if axes else u
        return total.reshape(u.shape[0], *shape)

    def relu(self, x: AnyArray) -> AnyArray:
        """See :meth:`Algebra.relu`."""
        return np.maximum(x, 0)

    def maximum(self, x: AnyArray, axis: int) -> AnyArray:
        """See :meth:`Algebra.maximum`."""
        return x.max(axis=axis + 1)

    def at_least(self, x: AnyArray, threshold: Float64) -> AnyArray:
        """See :meth:`Algebra.at_least`."""
        return x >= self._constant(threshold)

    def argmax(self, x: AnyArray, axis: int) -> AnyArray:
        """See :meth:`Algebra.argmax`."""
        return x.argmax(axis=axis + 1).astype(np.int32)

    def one_hot(self, positions: AnyArray, shape: Shape, axis: int) -> AnyArray:
        """See :meth:`Algebra.one_hot`."""
        places = np.arange(shape[axis], dtype=np.int32)
        column = places.reshape(-1, *(1,) * (len(shape) - axis - 1))
        return np.expand_dims(positions, axis + 1) == column

    def where(self, condition: AnyArray, if_true: AnyArray, if_false: AnyArray) -> AnyArray:
        """See :meth:`Algebra.where`."""
        return np.where(condition, if_true, if_false)

    def mask(self, condition: AnyArray, x: AnyArray) -> AnyArray:
        """See :meth:`Algebra.mask`."""
        return np.where(condition, x, x.dtype.type(0))


def _aligned(x: AnyArray, constant: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Gives x singleton axes behind its batch axis where the constant has the higher rank."""
    missing = constant.ndim - (x.ndim - 1)
    if missing > 0:
        x = x.reshape(x.shape[0], *(1,) * missing, *x.shape[1:])
    return x, constant


def identity_batch(shape: Shape) -> Float64:
    """One unit vector of the sample space per batch row: (size, *shape)."""
    return np.eye(size(shape)).reshape(size(shape), *shape)
