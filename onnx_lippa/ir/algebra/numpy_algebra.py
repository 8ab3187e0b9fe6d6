"""The algebra that computes: NumPy arrays in the precision it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import AnyArray, Float64, Integers, Shape
from onnx_lippa.ir.algebra.base import Algebra, ConvGeometry, broadcast_axes, place_numbers
from onnx_lippa.ir.algebra.convolution import convolve, convolve_transposed


@final
class NumpyAlgebra(Algebra[AnyArray]):
    """Evaluates in one type of numbers: a floating-point type, or Python integers as objects."""

    def __init__(self, dtype: type[np.floating | np.object_] = np.float64) -> None:
        self._dtype = np.dtype(dtype)

    def _constant(self, constant: Float64) -> AnyArray:
        return constant.astype(self._dtype, copy=False)

    @override
    def add(self, left: AnyArray, right: AnyArray) -> AnyArray:
        return np.add(left, right)

    @override
    def add_constant(self, x: AnyArray, constant: Float64) -> AnyArray:
        return np.add(*_align(x, self._constant(constant)))

    @override
    def scale(self, x: AnyArray, constant: Float64) -> AnyArray:
        return np.multiply(*_align(x, self._constant(constant)))

    @override
    def matmul(self, x: AnyArray, weight: Float64) -> AnyArray:
        return np.matmul(x, self._constant(weight))

    @override
    def left_matmul(self, weight: Float64, x: AnyArray) -> AnyArray:
        return np.matmul(self._constant(weight), x)

    @override
    def conv(self, x: AnyArray, weight: Float64, geometry: ConvGeometry) -> AnyArray:
        return convolve(x, self._constant(weight), geometry)

    @override
    def conv_transpose(
        self, u: AnyArray, weight: Float64, geometry: ConvGeometry, extents: tuple[int, ...]
    ) -> AnyArray:
        return convolve_transposed(u, self._constant(weight), geometry, extents)

    @override
    def reshape(self, x: AnyArray, shape: Shape) -> AnyArray:
        return x.reshape(x.shape[0], *shape)

    @override
    def permute(self, x: AnyArray, axes: tuple[int, ...]) -> AnyArray:
        return x.transpose(0, *(axis + 1 for axis in axes))

    @override
    def take(self, x: AnyArray, axis: int, source: Shape, indices: Integers) -> AnyArray:
        taken = np.take(x, np.maximum(indices, 0), axis=axis + 1)
        if np.any(indices < 0):
            taken[(slice(None),) * (axis + 1) + (indices < 0,)] = 0
        return taken

    @override
    def concatenate(self, parts: Sequence[AnyArray], axis: int) -> AnyArray:
        return np.concatenate(parts, axis=axis + 1)

    @override
    def broadcast(self, x: AnyArray, shape: Shape) -> AnyArray:
        return np.broadcast_to(x, (x.shape[0], *shape))

    @override
    def sum_to(self, u: AnyArray, source: Shape, shape: Shape) -> AnyArray:
        axes = broadcast_axes(source, shape)
        total = u.sum(axis=axes, keepdims=True) if axes else u
        return total.reshape(u.shape[0], *shape)

    @override
    def relu(self, x: AnyArray) -> AnyArray:
        return np.maximum(x, 0)

    @override
    def maximum(self, x: AnyArray, axis: int) -> AnyArray:
        return x.max(axis=axis + 1)

    @override
    def at_least(self, x: AnyArray, threshold: Float64) -> AnyArray:
        return x >= self._constant(threshold)

    @override
    def argmax(self, x: AnyArray, axis: int) -> AnyArray:
        return x.argmax(axis=axis + 1).astype(np.int32)

    @override
    def one_hot(self, positions: AnyArray, shape: Shape, axis: int) -> AnyArray:
        return np.expand_dims(positions, axis + 1) == place_numbers(shape, axis)

    @override
    def where(self, condition: AnyArray, if_true: AnyArray, if_false: AnyArray) -> AnyArray:
        return np.where(condition, if_true, if_false)

    @override
    def mask(self, condition: AnyArray, x: AnyArray) -> AnyArray:
        return np.where(condition, x, x.dtype.type(0))


def _align(x: AnyArray, constant: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Gives x singleton axes behind its batch axis where the constant has the higher rank."""
    missing = constant.ndim - (x.ndim - 1)
    if missing > 0:
        x = x.reshape(x.shape[0], *(1,) * missing, *x.shape[1:])
    return x, constant
