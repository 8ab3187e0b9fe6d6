"""Unsqueeze."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_lippa.ir.layers.frame import normal_axes
from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.rearrange import reshaped
from onnx_lippa.ir.layers.registry import converts


@converts("Unsqueeze")
def convert_attribute(node: NodeView) -> Converted:
    """Axes stated by an attribute, as before opset 13."""
    return _unsqueezed(node, node.integers("axes", ()))


@converts("Unsqueeze", since=13)
def convert(node: NodeView) -> Converted:
    """Constant axes."""
    return _unsqueezed(node, node.known(1, "axes").integers)


def _unsqueezed(node: NodeView, axes: Sequence[int]) -> Converted:
    x = node.computed()
    added = normal_axes(axes, x.rank + len(axes))
    extents = iter(x.whole)
    shape = tuple(1 if i in added else next(extents) for i in range(x.rank + len(axes)))
    return reshaped(x.shape, shape)
