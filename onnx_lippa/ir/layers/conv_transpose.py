"""ConvTranspose: the transpose of a convolution, with a bias behind it."""

from __future__ import annotations

from typing import TypeVar, final

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.ir.algebra import Algebra, ConvGeometry
from onnx_lippa.ir.layers.base import AffineLayer
from onnx_lippa.ir.layers.node import Computed, Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.windows import steps

V = TypeVar("V")


@final
class ConvTransposed(AffineLayer):
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
    def shape(self) -> Shape:
        """See :attr:`Layer.shape`."""
        return self._shape

    @property
    def parameters(self) -> int:
        """See :attr:`Layer.parameters`."""
        return self._weight.size + (0 if self._bias is None else self._bias.size)

    def linear(self, algebra: Algebra[V], *inputs: V) -> V:
        """See :meth:`AffineLayer.linear`."""
        return algebra.conv_transpose(inputs[0], self._weight, self._geometry, self._extents)

    def offset(self) -> Float64 | None:
        """See :meth:`AffineLayer.offset`."""
        return self._bias

    def transpose(self, algebra: Algebra[V], u: V) -> tuple[V, ...]:
        """See :meth:`AffineLayer.transpose`."""
        return (algebra.conv(u, self._weight, self._geometry),)


@converts("ConvTranspose")
def convert(node: NodeView) -> Converted:
    """ConvTranspose in one to three dimensions."""
    x = node.sample()
    weight = node.known(1, "kernel").weight
    groups = node.integer("group", 1)
    spatial = len(x.shape) - 1
    if spatial not in (1, 2, 3) or weight.ndim != spatial + 2:
        raise Unsupported(
            f"its kernel of shape {weight.shape} does not fit samples of shape {x.shape}"
        )
    if groups < 1 or weight.shape[0] != x.shape[0] or x.shape[0] % groups:
        raise Unsupported(
            f"its kernel of shape {weight.shape} in {groups} groups does not fit "
            f"{x.shape[0]} channels"
        )
    kernel = node.integers("kernel_shape", weight.shape[2:])
    if kernel != weight.shape[2:]:
        raise Unsupported(f"its kernel_shape {kernel} differs from its kernel {weight.shape[2:]}")
    bias, maps = None, weight.shape[1] * groups
    if node.operand(2) is not None:
        bias = node.known(2, "bias").weight
        if bias.shape != (maps,):
            raise Unsupported(f"its bias of shape {bias.shape} does not fit {maps} maps")
    geometry, extents = _reach(node, x, kernel, groups)
    return Converted((ConvTransposed(weight, bias, geometry, extents),))


def _reach(
    node: NodeView, x: Computed, kernel: tuple[int, ...], groups: int
) -> tuple[ConvGeometry, tuple[int, ...]]:
    """The geometry of the convolution that is transposed, and the extents of the result."""
    spatial = len(kernel)
    strides, dilations = steps(node, kernel)
    mode = node.text("auto_pad", "NOTSET")
    if mode not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise Unsupported(f"its auto_pad '{mode}' is unknown")
    extra = node.integers("output_padding", (0,) * spatial)
    flat = node.integers("pads", (0,) * (2 * spatial)) if mode == "NOTSET" else (0,) * 2 * spatial
    wanted = node.integers("output_shape", ())
    for name, values, count in (
        ("output_padding", extra, spatial),
        ("pads", flat, 2 * spatial),
        ("output_shape", wanted, len(wanted) and spatial),
    ):
        if len(values) != count or min(values, default=0) < 0:
            raise Unsupported(f"its {name} {list(values)} does not fit {spatial} spatial axes")
    pads, extents = [], []
    for axis, places in enumerate(x.shape[1:]):
        span = dilations[axis] * (kernel[axis] - 1) + 1
        natural = strides[axis] * (places - 1) + span + extra[axis]
        if wanted or mode.startswith("SAME"):
            extent = wanted[axis] if wanted else min(natural, strides[axis] * places)
            total = max(0, natural - extent)
            less, more = total // 2, total - total // 2
            pad = (less, more) if mode == "SAME_UPPER" else (more, less)
        else:
            pad = (flat[axis], flat[axis + spatial])
            extent = natural - sum(pad)
        pads.append(pad)
        extents.append(extent)
    geometry = ConvGeometry(kernel, strides, dilations, tuple(pads), groups)
    if min(extents) < 1 or geometry.output_extents(tuple(extents)) != x.shape[1:]:
        raise Unsupported(
            f"its result of extents {extents} is not what a convolution with strides "
            f"{list(strides)} would take to {list(x.shape[1:])}"
        )
    return geometry, tuple(extents)
