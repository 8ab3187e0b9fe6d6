"""Conv and ConvTranspose."""

from __future__ import annotations

from onnx_lippa.arrays import Float64
from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.algebra import ConvGeometry
from onnx_lippa.ir.layers.convolution import Conv
from onnx_lippa.ir.layers.linear_map import TransposedLayer
from onnx_lippa.onnx_io.node import Computed, Conversion, NodeView
from onnx_lippa.onnx_io.operators.registry import converts


@converts("Conv")
def convert_conv(node: NodeView) -> Conversion:
    """Conv in one to three dimensions."""
    x, weight, bias, groups = _read_weights(node, transposed=False)
    kernel, extents = weight.shape[2:], x.shape[1:]
    strides, dilations = read_steps(node, kernel)
    mode = node.text("auto_pad", "NOTSET")
    if mode.startswith("SAME") and max(dilations) > 1:
        raise Unsupported(
            f"ONNX Runtime does not take dilations with auto_pad {mode}: export explicit pads"
        )
    pads = resolve_pads(node, kernel, extents, strides)
    geometry = ConvGeometry(kernel, strides, dilations, pads, groups)
    if min(geometry.output_extents(extents)) < 1:
        raise Unsupported(f"its kernel {kernel} is larger than the padded input {extents}")
    return Conversion((Conv(x.shape, weight, bias, geometry),))


@converts("ConvTranspose")
def convert_conv_transpose(node: NodeView) -> Conversion:
    """ConvTranspose in one to three dimensions."""
    x, weight, bias, groups = _read_weights(node, transposed=True)
    geometry, extents = _transposed_geometry(node, x, weight.shape[2:], groups)
    shape = (weight.shape[1] * groups, *extents)
    wide = None if bias is None else bias.reshape(-1, *(1,) * len(extents))
    return Conversion((TransposedLayer(Conv(shape, weight, None, geometry), shape, wide),))


def _read_weights(
    node: NodeView, transposed: bool
) -> tuple[Computed, Float64, Float64 | None, int]:
    """The samples, the kernel, the bias and the number of groups."""
    x, weight, groups = node.sample(), node.constant(1, "kernel").weight, node.integer("group", 1)
    spatial = len(x.shape) - 1
    if spatial not in (1, 2, 3) or weight.ndim != spatial + 2:
        raise Unsupported(
            f"its kernel of shape {weight.shape} does not fit samples of shape {x.shape}"
        )
    outer, inner = weight.shape[0], weight.shape[1] * groups
    channels, maps = (outer, inner) if transposed else (inner, outer)
    if groups < 1 or channels != x.shape[0] or outer % groups:
        raise Unsupported(
            f"its kernel of shape {weight.shape} in {groups} groups does not fit {x.shape[0]} "
            "channels"
        )
    kernel = node.integers("kernel_shape", weight.shape[2:])
    if kernel != weight.shape[2:]:
        raise Unsupported(f"its kernel_shape {kernel} differs from its kernel {weight.shape[2:]}")
    given = node.optional(2, "bias")
    bias = None if given is None else given.weight
    if bias is not None and bias.shape != (maps,):
        raise Unsupported(f"its bias of shape {bias.shape} does not fit {maps} maps")
    return x, weight, bias, groups


def _transposed_geometry(
    node: NodeView, x: Computed, kernel: tuple[int, ...], groups: int
) -> tuple[ConvGeometry, tuple[int, ...]]:
    """The geometry of the convolution that is transposed, and the extents of the result."""
    spatial = len(kernel)
    strides, dilations = read_steps(node, kernel)
    mode, stated = _read_pads(node, spatial)
    extra, wanted = node.integers("output_padding", (0,) * spatial), node.integers("output_shape")
    for name, values, count in (
        ("output_padding", extra, spatial),
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
            pad = _divide(natural - extent, mode)
        else:
            pad = stated[axis]
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


def read_steps(node: NodeView, kernel: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Strides and dilations of a node with a kernel of these extents."""
    spatial = len(kernel)
    strides = node.integers("strides", (1,) * spatial)
    dilations = node.integers("dilations", (1,) * spatial)
    for name, values in (("strides", strides), ("dilations", dilations), ("kernel", kernel)):
        if len(values) != spatial or min(values) < 1:
            raise Unsupported(f"its {name} {list(values)} do not fit {spatial} spatial axes")
    return strides, dilations


def resolve_pads(
    node: NodeView, kernel: tuple[int, ...], extents: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    """Pads (before, after) of every spatial axis, ``auto_pad`` resolved for these extents.

    SAME gives ``ceil(extent / stride)`` places.
    """
    mode, stated = _read_pads(node, len(kernel))
    if not mode.startswith("SAME"):
        return stated
    return tuple(
        _divide((-(-extent // stride) - 1) * stride + taps - extent, mode)
        for extent, taps, stride in zip(extents, kernel, strides, strict=True)
    )


def _read_pads(node: NodeView, spatial: int) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The attribute ``auto_pad``, and the stated pads (before, after) of every spatial axis."""
    mode = node.text("auto_pad", "NOTSET")
    if mode not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise Unsupported(f"its auto_pad '{mode}' is unknown")
    none = (0,) * 2 * spatial
    flat = node.integers("pads", none) if mode == "NOTSET" else none
    if len(flat) != 2 * spatial or min(flat) < 0:
        raise Unsupported(f"its pads {list(flat)} do not fit {spatial} spatial axes")
    return mode, tuple(zip(flat[:spatial], flat[spatial:], strict=True))


def _divide(total: int, mode: str) -> tuple[int, int]:
    """Pads before and after that sum to a total; the larger one is behind for SAME_UPPER."""
    less, more = max(0, total) // 2, (max(0, total) + 1) // 2
    return (less, more) if mode == "SAME_UPPER" else (more, less)
