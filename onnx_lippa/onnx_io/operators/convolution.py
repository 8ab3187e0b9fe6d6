"""Conv and ConvTranspose."""

from __future__ import annotations

from typing import NoReturn

import numpy as np

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
    x, weight, groups = _read_kernel(node)
    if groups < 1 or weight.shape[1] * groups != x.shape[0] or weight.shape[0] % groups:
        _refuse_groups(weight, groups, x)
    kernel = _kernel_extents(node, weight)
    bias = _read_bias(node, weight.shape[0])
    geometry = _read_geometry(node, kernel, x.shape[1:], groups)
    if np.any(np.array(geometry.output_extents(x.shape[1:])) < 1):
        raise Unsupported(f"its kernel {kernel} is larger than the padded input {x.shape[1:]}")
    return Conversion((Conv(x.shape, weight, bias, geometry),))


@converts("ConvTranspose")
def convert_conv_transpose(node: NodeView) -> Conversion:
    """ConvTranspose in one to three dimensions."""
    x, weight, groups = _read_kernel(node)
    if groups < 1 or weight.shape[0] != x.shape[0] or x.shape[0] % groups:
        _refuse_groups(weight, groups, x)
    kernel = _kernel_extents(node, weight)
    maps = weight.shape[1] * groups
    bias = _read_bias(node, maps)
    geometry, extents = _transposed_geometry(node, x, kernel, groups)
    shape = (maps, *extents)
    transposed = Conv(shape, weight, None, geometry)
    wide = None if bias is None else bias.reshape(-1, *(1,) * len(extents))
    return Conversion((TransposedLayer(transposed, shape, wide),))


def _read_kernel(node: NodeView) -> tuple[Computed, Float64, int]:
    """The samples, the kernel and the number of groups."""
    x, weight = node.sample(), node.constant(1, "kernel").weight
    spatial = len(x.shape) - 1
    if spatial not in (1, 2, 3) or weight.ndim != spatial + 2:
        raise Unsupported(
            f"its kernel of shape {weight.shape} does not fit samples of shape {x.shape}"
        )
    return x, weight, node.integer("group", 1)


def _refuse_groups(weight: Float64, groups: int, x: Computed) -> NoReturn:
    raise Unsupported(
        f"its kernel of shape {weight.shape} in {groups} groups does not fit {x.shape[0]} channels"
    )


def _kernel_extents(node: NodeView, weight: Float64) -> tuple[int, ...]:
    """The spatial extents of the kernel, as the attribute states them too."""
    kernel = node.integers("kernel_shape", weight.shape[2:])
    if kernel != weight.shape[2:]:
        raise Unsupported(f"its kernel_shape {kernel} differs from its kernel {weight.shape[2:]}")
    return kernel


def _read_bias(node: NodeView, maps: int) -> Float64 | None:
    given = node.optional(2, "bias")
    if given is None:
        return None
    bias = given.weight
    if bias.shape != (maps,):
        raise Unsupported(f"its bias of shape {bias.shape} does not fit {maps} maps")
    return bias


def _transposed_geometry(
    node: NodeView, x: Computed, kernel: tuple[int, ...], groups: int
) -> tuple[ConvGeometry, tuple[int, ...]]:
    """The geometry of the convolution that is transposed, and the extents of the result."""
    spatial = len(kernel)
    strides, dilations = read_steps(node, kernel)
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


def _read_geometry(
    node: NodeView, kernel: tuple[int, ...], extents: tuple[int, ...], groups: int = 1
) -> ConvGeometry:
    """Strides, dilations and pads of a convolution, ``auto_pad`` resolved for these extents.

    Raises:
        Unsupported: an attribute of the wrong length or sign.
    """
    strides, dilations = read_steps(node, kernel)
    mode = node.text("auto_pad", "NOTSET")
    if mode.startswith("SAME") and max(dilations) > 1:
        raise Unsupported(
            f"ONNX Runtime does not take dilations with auto_pad {mode}: export explicit pads"
        )
    pads = resolve_pads(node, kernel, extents, strides)
    return ConvGeometry(kernel, strides, dilations, pads, groups)


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
