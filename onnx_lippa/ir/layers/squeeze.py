"""Squeeze."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_lippa.ir.layers.frame import normal_axes
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.rearrange import reshaped
from onnx_lippa.ir.layers.registry import converts


@converts("Squeeze")
def convert_attribute(node: NodeView) -> Converted:
    """Axes stated by an attribute, as before opset 13; without it every axis of extent 1."""
    return _squeezed(node, node.integers("axes", ()))


@converts("Squeeze", since=13)
def convert(node: NodeView) -> Converted:
    """Constant axes; without them every axis of extent 1."""
    axes = node.optional(1, "axes")
    return _squeezed(node, () if axes is None else axes.integers)


def _squeezed(node: NodeView, axes: Sequence[int]) -> Converted:
    x = node.computed()
    axes = normal_axes(axes, x.rank) or [i for i, extent in enumerate(x.whole) if extent == 1]
    if any(x.whole[axis] != 1 for axis in axes):
        raise Unsupported(f"its axes {list(axes)} are not of extent 1 in a tensor {x.whole}")
    return reshaped(x.shape, tuple(extent for i, extent in enumerate(x.whole) if i not in axes))
