"""MatMul."""

from __future__ import annotations

from onnx_lippa.layers.linear_map import LeftLinearMap, LinearMap
from onnx_lippa.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.layers.registry import converts


@converts("MatMul")
def convert(node: NodeView) -> Converted:
    """``x @ W`` or ``W @ x`` with a constant matrix W."""
    positions = node.only_computed()
    if len(positions) == 2:
        raise Unsupported("the product of two computed tensors is not piecewise linear")
    (position,) = positions
    x = node.computed(position)
    weight = node.known(1 - position, "matrix").weight
    if weight.ndim > x.rank:
        raise Unsupported(f"a constant of shape {weight.shape} adds axes before the batch")
    while weight.ndim > 2 and weight.shape[0] == 1:
        weight = weight[0]
    if weight.ndim != 2:
        raise Unsupported(f"a constant of shape {weight.shape} is not a matrix")
    if position == 0:
        if not x.shape or x.shape[-1] != weight.shape[0]:
            raise Unsupported(
                f"its matrix of shape {weight.shape} does not fit samples of shape {x.shape}"
            )
        return Converted(LinearMap(x.shape, weight), (0,))
    if len(x.shape) < 2:
        raise Unsupported("with its constant on the left it multiplies along the batch axis")
    if x.shape[-2] != weight.shape[1]:
        raise Unsupported(
            f"its matrix of shape {weight.shape} does not fit samples of shape {x.shape}"
        )
    return Converted(LeftLinearMap(x.shape, weight), (1,))
