"""The part of a graph that some of its tensors depend on."""

from __future__ import annotations

from collections.abc import Iterable

import onnx


def needed_nodes(graph: onnx.GraphProto, tensors: Iterable[str]) -> list[onnx.NodeProto]:
    """The nodes that tensors depend on, in the graph's order.

    A node with a subgraph may take tensors that its list of inputs does not name.
    """
    wanted = {name for name in tensors if name}
    kept = []
    for node in reversed(graph.node):
        if not wanted.isdisjoint(node.output):
            kept.append(node)
            wanted.update(name for name in names_taken(node) if name)
    kept.reverse()
    return kept


def names_taken(node: onnx.NodeProto) -> set[str]:
    """Every tensor that a node takes, by its inputs or inside its subgraphs."""
    names = set(node.input)
    for graph in subgraphs(node):
        names.update(value.name for value in graph.output)
        for inner in graph.node:
            names |= names_taken(inner)
    return names


def subgraphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The graphs among a node's attributes."""
    found = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    for attribute in node.attribute:
        found += attribute.graphs
    return found


def needed_part(proto: onnx.ModelProto, output: str) -> onnx.ModelProto:
    """A model that computes one of its tensors and holds nothing that this does not depend on.

    ONNX Runtime looks at every node, also at those whose results nobody asks for; what has not
    been imported is not shown to it. The model itself is returned where it holds nothing else.
    """
    graph = proto.graph
    nodes = needed_nodes(graph, [output])
    exposed = any(value.name == output for value in graph.output)
    all_needed = len(nodes) == len(graph.node) and not graph.sparse_initializer
    if exposed and all_needed and not proto.functions and not proto.training_info:
        return proto
    names = {output}.union(*map(names_taken, nodes))
    part = onnx.ModelProto(ir_version=proto.ir_version)
    part.opset_import.extend(proto.opset_import)
    part.graph.name = "needed"
    part.graph.node.extend(nodes)
    weights = [tensor for tensor in graph.initializer if tensor.name in names]
    held = {tensor.name for tensor in graph.initializer}
    part.graph.initializer.extend(weights)
    part.graph.input.extend(
        value for value in graph.input if value.name in names or value.name not in held
    )
    stated = [value for value in graph.output if value.name == output]
    part.graph.output.extend(stated[:1] or [onnx.ValueInfoProto(name=output)])
    return part
