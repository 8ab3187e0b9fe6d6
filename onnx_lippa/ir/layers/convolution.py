"""Convolutions, depthwise ones among them."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Shape, size
from onnx_lippa.ir.algebra import Algebra, ConvGeometry, V
from onnx_lippa.ir.layers.base import AffineLayer


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
        offset = None if bias is None else bias.reshape(-1, *(1,) * len(self._extents))
        shape = (weight.shape[0], *geometry.output_extents(self._extents))
        super().__init__(shape, weight, bias, offset=offset)

    @override
    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        return algebra.conv(inputs[0], self._weight, self._geometry)

    @override
    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        return (algebra.conv_transpose(u, self._weight, self._geometry, self._extents),)


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
        self._geometry = replace(geometry, groups=channels)
        self._weight = np.tile(kernels[:, None], (channels, *(1,) * kernels.ndim))
        self._factor = factor
        super().__init__((channels * len(kernels), *geometry.output_extents(self._extents)))

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
