"""Convolutions, their transposes, and depthwise convolutions."""

from __future__ import annotations

from typing import TypeVar, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Shape, size
from onnx_lippa.ir.algebra import Algebra, ConvGeometry
from onnx_lippa.ir.layers.base import AffineLayer

V = TypeVar("V")


@final
class Conv(AffineLayer):
    """Cross-correlation of samples (channels, *extents).

    Args:
        source: sample shape of the input.
        weight: (maps, channels / groups, *kernel).
        bias: (maps,) or None.
        geometry: how the kernel moves.
    """

    def __init__(
        self, source: Shape, weight: Float64, bias: Float64 | None, geometry: ConvGeometry
    ) -> None:
        self._weight, self._geometry, self._extents = weight, geometry, source[1:]
        self._bias = None if bias is None else bias.reshape(-1, *(1,) * len(self._extents))
        self._shape = (weight.shape[0], *geometry.output_extents(self._extents))

    @property
    @override
    def shape(self) -> Shape:
        return self._shape

    @property
    @override
    def parameters(self) -> int:
        return self._weight.size + (0 if self._bias is None else self._bias.size)

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        return algebra.conv(inputs[0], self._weight, self._geometry)

    @override
    def offset(self) -> Float64 | None:
        return self._bias

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        return (algebra.conv_transpose(u, self._weight, self._geometry, self._extents),)


@final
class ConvTranspose(AffineLayer):
    """The transpose of a convolution from (channels, *extents) to (maps, *places), and a bias.

    Args:
        weight: (maps, channels / groups, *kernel), that of the convolution.
        bias: (channels,) or None.
        geometry: how the convolution's kernel moves.
        extents: the spatial extents it is given, and this layer gives.
    """

    def __init__(
        self,
        weight: Float64,
        bias: Float64 | None,
        geometry: ConvGeometry,
        extents: tuple[int, ...],
    ) -> None:
        self._weight, self._geometry, self._extents = weight, geometry, extents
        self._bias = None if bias is None else bias.reshape(-1, *(1,) * len(extents))
        self._shape: Shape = (weight.shape[1] * geometry.groups, *extents)

    @property
    @override
    def shape(self) -> Shape:
        return self._shape

    @property
    @override
    def parameters(self) -> int:
        return self._weight.size + (0 if self._bias is None else self._bias.size)

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        return algebra.conv_transpose(inputs[0], self._weight, self._geometry, self._extents)

    @override
    def offset(self) -> Float64 | None:
        return self._bias

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        return (algebra.conv(u, self._weight, self._geometry),)


@final
class DepthwiseConv(AffineLayer):
    """Sums over windows, weighted by each of m kernels, channel by channel.

    It is a convolution with one group for each channel, the fastest form in runtimes, whether
    windows overlap or not.

    Args:
        source: sample shape (channels, *extents).
        kernels: (m, *kernel); the result is (channels * m, *places).
        geometry: how the window moves; its groups are ignored.
        factor: (*places) by which the sums are multiplied, or None.
    """

    def __init__(
        self,
        source: Shape,
        kernels: Float64,
        geometry: ConvGeometry,
        factor: Float64 | None = None,
    ) -> None:
        channels, self._extents = source[0], source[1:]
        self._geometry = ConvGeometry(
            geometry.kernel, geometry.strides, geometry.dilations, geometry.pads, channels
        )
        self._weight = np.tile(kernels[:, None], (channels, *(1,) * kernels.ndim))
        self._factor = factor
        places = geometry.output_extents(self._extents)
        self._shape: Shape = (channels * len(kernels), *places)

    @property
    @override
    def shape(self) -> Shape:
        return self._shape

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        sums = algebra.conv(inputs[0], self._weight, self._geometry)
        return sums if self._factor is None else algebra.scale(sums, self._factor)

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        if self._factor is not None:
            u = algebra.scale(u, self._factor)
        return (algebra.conv_transpose(u, self._weight, self._geometry, self._extents),)


def one_tap_kernels(kernel: tuple[int, ...]) -> Float64:
    """Kernels of one tap each: kernel t selects tap t of the window."""
    return np.eye(size(kernel)).reshape(-1, *kernel)
