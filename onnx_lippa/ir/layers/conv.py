"""Conv, with any number of spatial axes the runtime takes."""

from __future__ import annotations

from typing import TypeVar, final

import numpy as np

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.ir.algebra import Algebra, ConvGeometry
from onnx_lippa.ir.layers.base import AffineLayer
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.windows import window_geometry

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
    def shape(self) -> Shape:
        """See :attr:`Layer.shape`."""
        return self._shape

    @property
    def parameters(self) -> int:
        """See :attr:`Layer.parameters`."""
        return self._weight.size + (0 if self._bias is None else self._bias.size)

    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        """See :meth:`AffineLayer.linear`."""
        return algebra.conv(inputs[0], self._weight, self._geometry)

    def offset(self) -> Float64 | None:
        """See :meth:`AffineLayer.offset`."""
        return self._bias

    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        """See :meth:`AffineLayer.transpose`."""
        return (algebra.conv_transpose(u, self._weight, self._geometry, self._extents),)


@converts("Conv")
def convert(node: NodeView) -> Converted:
    """Conv in one to three dimensions."""
    x = node.sample()
    weight = node.known(1, "kernel").weight
    groups = node.integer("group", 1)
    spatial = len(x.shape) - 1
    if spatial not in (1, 2, 3) or weight.ndim != spatial + 2:
        raise Unsupported(
            f"its kernel of shape {weight.shape} does not fit samples of shape {x.shape}"
        )
    if groups < 1 or weight.shape[1] * groups != x.shape[0] or weight.shape[0] % groups:
        raise Unsupported(
            f"its kernel of shape {weight.shape} in {groups} groups does not fit "
            f"{x.shape[0]} channels"
        )
    kernel = node.integers("kernel_shape", weight.shape[2:])
    if kernel != weight.shape[2:]:
        raise Unsupported(f"its kernel_shape {kernel} differs from its kernel {weight.shape[2:]}")
    bias = None
    if node.operand(2) is not None:
        bias = node.known(2, "bias").weight
        if bias.shape != (weight.shape[0],):
            raise Unsupported(f"its bias of shape {bias.shape} does not fit {weight.shape[0]} maps")
    geometry = window_geometry(node, kernel, x.shape[1:], groups)
    if np.any(np.array(geometry.output_extents(x.shape[1:])) < 1):
        raise Unsupported(f"its kernel {kernel} is larger than the padded input {x.shape[1:]}")
    return Converted((Conv(x.shape, weight, bias, geometry),))
