"""What the Scatter operators have in common: some entries of a tensor replaced by others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from onnx_lippa.arrays import Float64, Integers, Shape, size
from onnx_lippa.ir.layers.joined import Joined
from onnx_lippa.ir.layers.node import Computed, Converted, Known, NodeView, Unsupported
from onnx_lippa.ir.layers.rearrange import Rearranged
from onnx_lippa.ir.layers.taken import taken


def overwritten(
    node: NodeView, find: Callable[[Shape, Integers, Shape], tuple[int, Integers]]
) -> Converted:
    """The first operand with entries replaced by the third, at constant places.

    Args:
        node: the node; the second operand holds the indices.
        find: for the shape of the first operand, the indices and the shape of the third, how many
            leading axes the indices name, and the places that are replaced in these axes counted
            as one.

    Raises:
        Unsupported: the indices are not constant, or name a place twice; the entries are not
            replaced but added or the like.
    """
    if not isinstance(node.operand(1), Known):
        raise Unsupported("its indices depend on the input, so its result jumps")
    reduction = node.text("reduction", "none")
    if reduction != "none":
        raise Unsupported(f"its reduction '{reduction}' is not supported, only replacing is")
    indices = node.known(1, "indices")
    whole, updates = _shape(node, 0), _shape(node, 2)
    entries = np.array(indices.integers, dtype=np.int64).reshape(indices.value.shape)
    leading, places = find(whole, entries, updates)
    if len(np.unique(places)) != places.size:
        raise Unsupported("its indices name a place twice, so its result is not defined")
    rows, rest = size(whole[:leading]), whole[leading:]
    positions = np.arange(rows)
    positions[places] = rows + np.arange(places.size)

    parts: list[Shape | Float64] = []
    sources = []
    for position, extent in ((0, rows), (2, places.size)):
        operand = node.operand(position)
        if isinstance(operand, Computed):
            parts.append((extent, *rest))
            sources.append(operand.shape)
        else:
            parts.append(node.known(position, "tensor").weight.reshape(extent, *rest))
    joined = Joined(parts, 0, sources)
    layers = (joined, *taken(joined.shape, {0: positions}), Rearranged((rows, *rest), whole))
    return Converted(layers, node.only_computed(), batched=False)


def _shape(node: NodeView, position: int) -> Shape:
    operand = node.operand(position)
    if isinstance(operand, Computed):
        return operand.whole
    return tuple(node.known(position, "tensor").value.shape)
