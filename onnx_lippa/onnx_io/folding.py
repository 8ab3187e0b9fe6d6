"""Nodes whose inputs are all constants, evaluated once at import."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import helper, numpy_helper

from onnx_lippa.arrays import AnyArray
from onnx_lippa.layers import Unsupported
from onnx_lippa.onnx_io.runtime import run_once

_NOT_CONSTANT = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial",
     "Bernoulli"}
)  # fmt: skip


def fold(
    node: onnx.NodeProto,
    constants: Sequence[AnyArray | None],
    opset: int,
    ir_version: int,
) -> list[AnyArray]:
    """The outputs of a node for constant inputs, as ONNX Runtime computes them.

    Args:
        node: the node.
        constants: its inputs in order, None where an optional one is left out.
        opset: version of the standard operator set.
        ir_version: the model's IR version.

    Raises:
        Unsupported: the node draws random numbers, or the runtime cannot evaluate it.
    """
    if node.op_type in _NOT_CONSTANT:
        raise Unsupported("it draws random numbers")
    initializers = {
        name: numpy_helper.from_array(value, name)
        for name, value in zip(node.input, constants, strict=True)
        if value is not None
    }
    outputs = [name for name in node.output if name]
    graph = helper.make_graph(
        [node],
        "fold",
        [],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        list(initializers.values()),
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version
    )
    return run_once(model.SerializeToString())
