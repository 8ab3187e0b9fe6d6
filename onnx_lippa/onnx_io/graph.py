"""ONNX graphs as plain data: a node's attributes, and the part that an output depends on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from onnx_lippa.arrays import AnyArray
from onnx_lippa.errors import ModelError, Unsupported
from onnx_lippa.onnx_io.limits import MOST_AXES
from onnx_lippa.onnx_io.node import Attribute
from onnx_lippa.text import first_line, listed, printable

STANDARD: Final = frozenset({"", "ai.onnx"})
"""Names of the standard operator set's domain."""
_MAY_BE_INFINITE: Final = frozenset({("Clip", "min"), ("Clip", "max")})
"""Attributes that may be infinite, which means no bound."""


def read_tensor(tensor: onnx.TensorProto) -> AnyArray:
    """A tensor of the file.

    Raises:
        Unsupported: its data does not fit its shape, or has a type that is not known.
    """
    dims = list(tensor.dims)
    if min(dims, default=1) < 0 or len(dims) > MOST_AXES:
        shown = dims if len(dims) <= MOST_AXES else f"of {len(dims)} axes"
        raise Unsupported(f"no tensor can have its shape {shown}: export again")
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, RuntimeError, MemoryError) as error:
        raise Unsupported(f"its data cannot be read ({first_line(error)}): export again") from error


def full_name(node: onnx.NodeProto) -> str:
    """The operator of a node, with its domain where that is not the standard one."""
    return node.op_type if node.domain in STANDARD else f"{node.domain}.{node.op_type}"


def read_attributes(node: onnx.NodeProto) -> dict[str, Attribute]:
    """The attributes of a node by name, subgraphs left out.

    Raises:
        Unsupported: one refers to a function, has no type, or is not finite.
    """
    attributes: dict[str, Attribute] = {}
    for attribute in node.attribute:
        name = printable(attribute.name)
        if attribute.ref_attr_name:
            raise Unsupported(
                f"its attribute '{name}' refers to an attribute of a function, but the node is in "
                "none: export again"
            )
        if attribute.HasField("g") or attribute.graphs:
            continue
        try:
            value = helper.get_attribute_value(attribute)
        except ValueError as error:
            raise Unsupported(f"its attribute '{name}' has no type: export again") from error
        floats = [attribute.f, *attribute.floats]
        may_be_infinite = (node.op_type, attribute.name) in _MAY_BE_INFINITE
        if not np.all(np.isfinite(floats)) and not may_be_infinite:
            raise Unsupported(
                f"its attribute '{name}' is infinite or not a number: check it and export again"
            )
        if isinstance(value, bytes):
            attributes[attribute.name] = value.decode("utf-8", errors="replace")
        elif isinstance(value, onnx.TensorProto):
            attributes[attribute.name] = read_tensor(value)
        elif isinstance(value, int | float | str):
            attributes[attribute.name] = value
        elif value is not None and all(isinstance(entry, int | float) for entry in value):
            attributes[attribute.name] = list(value)
    return attributes


def check_form(node: onnx.NodeProto, opset: int) -> None:
    """Raises Unsupported for a node with inputs, outputs or attributes its operator has not."""
    standard = onnx.NodeProto()
    standard.CopyFrom(node)
    standard.domain = ""
    context = onnx.checker.C.CheckerContext()
    context.ir_version = onnx.IR_VERSION
    context.opset_imports = {"": min(opset, onnx.defs.onnx_opset_version())}
    try:
        onnx.checker.check_node(standard, context)
    except onnx.checker.ValidationError as error:
        raise Unsupported(f"it is malformed ({first_line(error)}): export again") from error


def require_one_of_each_name(
    graph: onnx.GraphProto, input_name: str, nodes: list[onnx.NodeProto]
) -> None:
    """Raises ModelError where two tensors share a name, so that runtimes may differ."""
    names = Counter([input_name])
    names.update(tensor.name for tensor in graph.initializer)
    names.update(name for node in nodes for name in node.output if name)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise ModelError(
            f"the model has {len(twice)} names that stand for two tensors each "
            f"({listed(twice)}): export it again"
        )


def needed_nodes(graph: onnx.GraphProto, tensors: Iterable[str]) -> list[onnx.NodeProto]:
    """The nodes that tensors depend on, in the graph's order.

    The subgraphs of a node may take tensors that are not among its inputs.
    """
    wanted = {name for name in tensors if name}
    kept = []
    for node in reversed(graph.node):
        if not wanted.isdisjoint(node.output):
            kept.append(node)
            wanted.update(name for name in names_read(node) if name)
    kept.reverse()
    return kept


def names_read(node: onnx.NodeProto) -> set[str]:
    """Names of all tensors that a node takes, in its subgraphs too."""
    names = set(node.input)
    for graph in subgraphs(node):
        names.update(value.name for value in graph.output)
        for inner in graph.node:
            names |= names_read(inner)
    return names


def subgraphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The graphs among a node's attributes."""
    found = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    for attribute in node.attribute:
        found += attribute.graphs
    return found


def needed_part(proto: onnx.ModelProto, output: str) -> onnx.ModelProto:
    """The part of a model that one of its tensors depends on.

    ONNX Runtime reads every node, even where its result is unused, so nodes that were not
    imported are left out. A model that holds nothing else is returned as it is.
    """
    graph = proto.graph
    nodes = needed_nodes(graph, [output])
    exposed = any(value.name == output for value in graph.output)
    all_needed = len(nodes) == len(graph.node) and not graph.sparse_initializer
    if exposed and all_needed and not proto.functions and not proto.training_info:
        return proto
    names = {output}.union(*map(names_read, nodes))
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
