"""The abstract algebra: what a layer may do with its operands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np

from onnx_lippa.arrays import AnyArray, Float64, Integers, Shape

V = TypeVar("V")


@dataclass(frozen=True)
class ConvGeometry:
    """How a convolution's kernel moves, for any number of spatial axes.

    Attributes:
        kernel: extent of the kernel along each spatial axis.
        strides: step of the kernel along each spatial axis.
        dilations: distance between the kernel's taps along each spatial axis.
        pads: zeros added (before, after) along each spatial axis; never negative.
        groups: number of groups the channels are divided into.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    groups: int = 1

    def output_extents(self, extents: tuple[int, ...]) -> tuple[int, ...]:
        """Spatial extents of the output for an input of these spatial extents."""
        return tuple(room // stride + 1 for room, stride in self._rooms(extents))

    def leftover(self, extents: tuple[int, ...]) -> tuple[int, ...]:
        """Trailing (padded) input positions that the kernel never reaches, per spatial axis."""
        return tuple(room % stride for room, stride in self._rooms(extents))

    def _rooms(self, extents: tuple[int, ...]) -> Iterator[tuple[int, int]]:
        """How far the kernel can move from its first place, and its stride, per spatial axis."""
        for extent, (before, after), span, stride in zip(
            extents, self.pads, self.spans, self.strides, strict=True
        ):
            yield extent + before + after - span, stride

    @property
    def spans(self) -> tuple[int, ...]:
        """Extent of the dilated kernel along each spatial axis."""
        return tuple(d * (k - 1) + 1 for d, k in zip(self.dilations, self.kernel, strict=True))

    def without_pads(self) -> ConvGeometry:
        """The same movement over an input that is padded already."""
        return replace(self, pads=((0, 0),) * len(self.kernel))


def broadcast_axes(source: Shape, shape: Shape) -> tuple[int, ...]:
    """The axes, batch included, along which samples ``shape`` are broadcast to ``source``."""
    padded = (1,) * (len(source) - len(shape)) + shape
    return tuple(i + 1 for i, (s, t) in enumerate(zip(source, padded, strict=True)) if t == 1 != s)


def place_numbers(shape: Shape, axis: int) -> AnyArray:
    """The numbers 0, 1, ... along one axis of samples of this shape; int32."""
    return np.arange(shape[axis], dtype=np.int32).reshape(-1, *(1,) * (len(shape) - axis - 1))


class Algebra(ABC, Generic[V]):
    """Operations on batches of samples; ``V`` is an array or the name of one in a graph.

    Every operand has a leading batch axis. Shapes and axes in arguments count from the axis
    behind it, as those of one sample. Constants are float64 arrays without a batch axis.
    """

    @abstractmethod
    def add(self, left: V, right: V) -> V:
        """Sum of two operands of the same shape."""

    def subtract(self, left: V, right: V) -> V:
        """Difference of two operands of the same shape."""
        return self.add(left, self.negate(right))

    def negate(self, x: V) -> V:
        """``-x``."""
        return self.scale(x, np.array(-1.0))

    @abstractmethod
    def add_constant(self, x: V, constant: Float64) -> V:
        """``x + constant``, the constant broadcast to the sample shape of the result."""

    @abstractmethod
    def scale(self, x: V, constant: Float64) -> V:
        """``x * constant``, the constant broadcast to the sample shape of the result."""

    @abstractmethod
    def matmul(self, x: V, weight: Float64) -> V:
        """``x @ weight`` over the last axis; weight of shape (..., inputs, outputs).

        A weight of more than two axes has at most as many as a sample, and broadcasts with it.
        """

    @abstractmethod
    def left_matmul(self, weight: Float64, x: V) -> V:
        """``weight @ x`` over the last but one axis of samples of rank two or more.

        The weight has at most as many axes as a sample, and broadcasts with it.
        """

    @abstractmethod
    def conv(self, x: V, weight: Float64, geometry: ConvGeometry) -> V:
        """Cross-correlation; x (channels, *extents), weight (maps, channels/groups, *kernel)."""

    @abstractmethod
    def conv_transpose(
        self, u: V, weight: Float64, geometry: ConvGeometry, extents: tuple[int, ...]
    ) -> V:
        """The transpose of :meth:`conv` for inputs of the given spatial extents."""

    @abstractmethod
    def reshape(self, x: V, shape: Shape) -> V:
        """The same elements in row-major order under another sample shape."""

    @abstractmethod
    def permute(self, x: V, axes: tuple[int, ...]) -> V:
        """Axes of the sample in another order."""

    @abstractmethod
    def take(self, x: V, axis: int, source: Shape, indices: Integers) -> V:
        """Entries of an axis of samples of this shape by position; 0 where a position is -1."""

    @abstractmethod
    def concatenate(self, parts: Sequence[V], axis: int) -> V:
        """Operands concatenated along an axis."""

    @abstractmethod
    def broadcast(self, x: V, shape: Shape) -> V:
        """Repeats a sample along its axes of extent 1; ``shape`` has the same rank."""

    @abstractmethod
    def sum_to(self, u: V, source: Shape, shape: Shape) -> V:
        """The transpose of broadcasting ``shape`` to ``source``: sums over repeated axes."""

    @abstractmethod
    def relu(self, x: V) -> V:
        """``max(x, 0)``."""

    @abstractmethod
    def maximum(self, x: V, axis: int) -> V:
        """The largest entry along an axis, which is dropped."""

    @abstractmethod
    def at_least(self, x: V, threshold: Float64) -> V:
        """``x >= threshold``, elementwise; the threshold broadcasts to x."""

    @abstractmethod
    def argmax(self, x: V, axis: int) -> V:
        """Position of the largest entry along an axis, the first one in a tie."""

    @abstractmethod
    def one_hot(self, positions: V, shape: Shape, axis: int) -> V:
        """``positions == j`` along a new axis, for j below its extent.

        The sample shape is that of the result, the new axis included.
        """

    @abstractmethod
    def where(self, condition: V, if_true: V, if_false: V) -> V:
        """Elementwise choice between two operands of the same shape."""

    @abstractmethod
    def mask(self, condition: V, x: V) -> V:
        """``x`` where the condition holds, 0 elsewhere; the two broadcast together."""
