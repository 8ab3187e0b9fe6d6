"""ONNX nodes as plain data, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
import onnx
from onnx import helper

from onnx_lippa.errors import ModelError, Unsupported
from onnx_lippa.onnx_io.folding import array_of
from onnx_lippa.onnx_io.node import Attribute
from onnx_lippa.onnx_io.reasons import first_line
from onnx_lippa.text import listed, printable

STANDARD: Final = frozenset({"", "ai.onnx"})
"""Names of the standard operator set's domain."""
_MAY_BE_INFINITE: Final = frozenset({("Clip", "min"), ("Clip", "max")})
"""Attributes of which an infinite value says that there is no bound."""


def full_name(node: onnx.NodeProto) -> str:
    """The operator of a node, with its domain where that is not the standard one."""
    return node.op_type if node.domain in STANDARD else f"{node.domain}.{node.op_type}"


def attributes_of(node: onnx.NodeProto) -> dict[str, Attribute]:
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
            attributes[attribute.name] = array_of(value)
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
    """Raises ModelError where a name stands for two tensors, so that runtimes may differ."""
    names = Counter([input_name])
    names.update(tensor.name for tensor in graph.initializer)
    names.update(name for node in nodes for name in node.output if name)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise ModelError(
            f"the model has {len(twice)} names that stand for two tensors each "
            f"({listed(twice)}): export it again"
        )
