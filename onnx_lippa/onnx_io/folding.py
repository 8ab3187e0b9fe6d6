"""Nodes whose inputs are all constants, evaluated once at import."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
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
    if node.op_type in _NOT_CONSTANT or _is_training_dropout(node, constants):
        raise Unsupported("it draws random numbers: export the model without it")
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
    results = run_once(model.SerializeToString())
    for value in results:
        if not isinstance(value, np.ndarray):
            raise Unsupported("what it computes is not a tensor")
        refuse_not_finite(value)
    return results


def refuse_not_finite(value: AnyArray) -> None:
    """Raises Unsupported where a constant holds NaN or infinity."""
    if np.issubdtype(value.dtype, np.floating) and not np.all(np.isfinite(value)):
        raise Unsupported(
            "it contains NaN or infinite weights: check the training and export again"
        )


def _is_training_dropout(node: onnx.NodeProto, constants: Sequence[AnyArray | None]) -> bool:
    training = constants[2] if node.op_type == "Dropout" and len(constants) > 2 else None
    return training is not None and bool(np.any(training))
