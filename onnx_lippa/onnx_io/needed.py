"""The part of a graph that one of its tensors depends on."""

from __future__ import annotations

import onnx


def needed_nodes(graph: onnx.GraphProto, tensor: str) -> list[onnx.NodeProto]:
    """The nodes that a tensor depends on, in the graph's order.

    A node with a subgraph may take tensors that its list of inputs does not name, so what comes
    before one is kept whole.
    """
    wanted = {tensor}
    kept = []
    everything = False
    for node in reversed(graph.node):
        if everything or not wanted.isdisjoint(node.output):
            kept.append(node)
            wanted.update(node.input)
            everything |= any(a.HasField("g") or len(a.graphs) > 0 for a in node.attribute)
    kept.reverse()
    return kept
