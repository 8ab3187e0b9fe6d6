"""The abstract algebra: what a layer may do with its operands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

from onnx_lippa.arrays import Float64, Shape

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
        return tuple(
            (extent + before + after - (dilation * (kernel - 1) + 1)) // stride + 1
            for extent, (before, after), dilation, kernel, stride in zip(
                extents, self.pads, self.dilations, self.kernel, self.strides, strict=True
            )
        )

    def leftover(self, extents: tuple[int, ...]) -> tuple[int, ...]:
        """Trailing (padded) input positions that the kernel never reaches, per spatial axis."""
        return tuple(
            (extent + before + after - (dilation * (kernel - 1) + 1)) % stride
            for extent, (before, after), dilation, kernel, stride in zip(
                extents, self.pads, self.dilations, self.kernel, self.strides, strict=True
            )
        )


class Algebra(ABC, Generic[V]):
    """Operations on batches of samples; ``V`` is an array or the name of one in a graph.

    Every operand has a leading batch axis. Shapes and axes in arguments count from the axis
    behind it, as those of one sample. Constants are float64 arrays without a batch axis.
    """

    @abstractmethod
    def add(self, left: V, right: V) -> V:
        """Sum of two operands of the same shape."""

    @abstractmethod
    def add_constant(self, x: V, constant: Float64) -> V:
        """``x + constant``, the constant broadcast to the sample shape of the result."""

    @abstractmethod
    def scale(self, x: V, constant: Float64) -> V:
        """``x * constant``, the constant broadcast to the sample shape of the result."""

    @abstractmethod
    def matmul(self, x: V, weight: Float64) -> V:
        """``x @ weight`` over the last axis; weight of shape (inputs, outputs)."""

    @abstractmethod
    def left_matmul(self, weight: Float64, x: V) -> V:
        """``weight @ x`` over the last but one axis of samples of rank two or more."""

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
    def sum_to(self, u: V, source: Shape, shape: Shape) -> V:
        """The transpose of broadcasting ``shape`` to ``source``: sums what was repeated."""

    @abstractmethod
    def relu(self, x: V) -> V:
        """``max(x, 0)``."""

    @abstractmethod
    def at_least(self, x: V, threshold: float) -> V:
        """The truth of ``x >= threshold``, elementwise."""

    @abstractmethod
    def where(self, condition: V, if_true: V, if_false: V) -> V:
        """Elementwise choice between two operands of the same shape."""

    @abstractmethod
    def mask(self, condition: V, x: V) -> V:
        """``x`` where the condition holds, 0 elsewhere."""
