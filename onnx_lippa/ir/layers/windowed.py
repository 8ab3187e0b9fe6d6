"""The same small kernels on every channel: sums over windows, and windows taken apart."""

from __future__ import annotations

from typing import TypeVar, final

import numpy as np

from onnx_lippa.arrays import Float64, Shape, size
from onnx_lippa.ir.algebra import Algebra, ConvGeometry
from onnx_lippa.ir.layers.base import AffineLayer

V = TypeVar("V")


@final
class Windowed(AffineLayer):
    """Sums of what a window sees, weighted by each of m kernels, channel by channel.

    It is a convolution with one group for each channel: that is what runtimes are fastest at,
    for windows that overlap and for those that do not.

    Args:
        source: sample shape (channels, *extents).
        kernels: (m, *kernel); the result is (channels * m, *places).
        geometry: how the window moves (its groups are left aside).
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
    def shape(self) -> Shape:
        """See :attr:`Layer.shape`."""
        return self._shape

    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        """See :meth:`AffineLayer.linear`."""
        sums = algebra.conv(inputs[0], self._weight, self._geometry)
        return sums if self._factor is None else algebra.scale(sums, self._factor)

    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        """See :meth:`AffineLayer.transpose`."""
        if self._factor is not None:
            u = algebra.scale(u, self._factor)
        return (algebra.conv_transpose(u, self._weight, self._geometry, self._extents),)


def one_tap_each(kernel: tuple[int, ...]) -> Float64:
    """The kernels that take a window apart: kernel t sees tap t alone."""
    return np.eye(size(kernel)).reshape(-1, *kernel)
