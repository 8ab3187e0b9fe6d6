"""How a window moves over an input: the attributes that convolutions and pools share."""

from __future__ import annotations

from onnx_lippa.ir.algebra import ConvGeometry
from onnx_lippa.ir.layers.node import NodeView, Unsupported


def window_geometry(
    node: NodeView, kernel: tuple[int, ...], extents: tuple[int, ...], groups: int = 1
) -> ConvGeometry:
    """Strides, dilations and pads of a convolution, ``auto_pad`` resolved for these extents.

    Raises:
        Unsupported: an attribute of the wrong length or sign.
    """
    strides, dilations = steps(node, kernel)
    mode = node.text("auto_pad", "NOTSET")
    if mode.startswith("SAME") and max(dilations) > 1:
        raise Unsupported(
            f"ONNX Runtime does not take dilations with auto_pad {mode}: export explicit pads"
        )
    pads = resolved_pads(node, kernel, extents, strides)
    return ConvGeometry(kernel, strides, dilations, pads, groups)


def steps(node: NodeView, kernel: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Strides and dilations of a node with a kernel of these extents."""
    spatial = len(kernel)
    strides = node.integers("strides", (1,) * spatial)
    dilations = node.integers("dilations", (1,) * spatial)
    for name, values in (("strides", strides), ("dilations", dilations), ("kernel", kernel)):
        if len(values) != spatial or min(values) < 1:
            raise Unsupported(f"its {name} {list(values)} do not fit {spatial} spatial axes")
    return strides, dilations


def resolved_pads(
    node: NodeView, kernel: tuple[int, ...], extents: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    """Pads (before, after) of every spatial axis, ``auto_pad`` resolved for these extents."""
    spatial = len(kernel)
    mode = node.text("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        return tuple(
            _same(extent, size, stride, mode == "SAME_UPPER")
            for extent, size, stride in zip(extents, kernel, strides, strict=True)
        )
    if mode == "VALID":
        return ((0, 0),) * spatial
    if mode == "NOTSET":
        flat = node.integers("pads", (0,) * (2 * spatial))
        if len(flat) != 2 * spatial or min(flat) < 0:
            raise Unsupported(f"its pads {list(flat)} do not fit {spatial} spatial axes")
        return tuple(zip(flat[:spatial], flat[spatial:], strict=True))
    raise Unsupported(f"its auto_pad '{mode}' is unknown")


def _same(extent: int, kernel: int, stride: int, more_behind: bool) -> tuple[int, int]:
    """Pads that give ``ceil(extent / stride)`` places."""
    places = -(-extent // stride)
    total = max(0, (places - 1) * stride + kernel - extent)
    less, more = total // 2, total - total // 2
    return (less, more) if more_behind else (more, less)
