"""ScatterElements, and Scatter as it was called at first."""

from __future__ import annotations

from onnx_lippa.arrays import Integers, Shape
from onnx_lippa.ir.layers.indices import elements
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.overwritten import overwritten
from onnx_lippa.ir.layers.registry import converts


@converts("Scatter", since=9)
@converts("ScatterElements", since=11)
def convert(node: NodeView) -> Converted:
    """Single entries, of which constant indices name the place along one axis, replaced."""

    def places(whole: Shape, indices: Integers, updates: Shape) -> tuple[int, Integers]:
        if updates != indices.shape:
            raise Unsupported(
                f"its indices of shape {indices.shape} do not place a tensor of shape {updates}"
            )
        axis = node.axis("axis", 0, len(whole))
        return len(whole), elements(whole, indices, axis).ravel()

    return overwritten(node, places)
