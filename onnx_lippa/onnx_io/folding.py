"""Nodes whose inputs are all constants, evaluated once at import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from onnx_lippa.arrays import AnyArray
from onnx_lippa.errors import Unsupported
from onnx_lippa.onnx_io.graph import read_tensor
from onnx_lippa.onnx_io.limits import Budget
from onnx_lippa.onnx_io.runtime import run_once

_SHAPE_OPS: Final = frozenset({"Shape", "Size", "EyeLike"})
"""Operators whose result depends on the shape of the operand alone."""
_LARGE: Final = 1 << 20
"""Constants of so many bytes are fed to the runtime, smaller ones written into the model."""
_NOT_CONSTANT = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial",
     "Bernoulli"}
)  # fmt: skip


def is_constant(op: str, computed: Sequence[bool]) -> bool:
    """Whether the outputs of a node are the same for all inputs of the network.

    Args:
        op: operator type.
        computed: for every operand, whether it depends on the network's input.
    """
    # CastLike takes the type of its second operand and nothing else.
    return op in _SHAPE_OPS or not any(computed[:1] if op == "CastLike" else computed)


def fold(
    node: onnx.NodeProto,
    constants: Sequence[AnyArray | None],
    opset: int,
    ir_version: int,
    budget: Budget,
) -> list[AnyArray]:
    """The outputs of a node for constant inputs, as ONNX Runtime computes them.

    Args:
        node: the node.
        constants: its inputs in order, None where an optional one is left out.
        opset: version of the standard operator set.
        ir_version: the model's IR version.
        budget: the memory and time that are left for constants.

    Raises:
        Unsupported: the node draws random numbers, the runtime cannot evaluate it, or it would
            exceed the budget.
    """
    stated = _value_of(node, constants)
    if stated is not None:
        return [stated]
    if node.op_type in _NOT_CONSTANT or _is_training_dropout(node, constants):
        raise Unsupported("it draws random numbers: export the model without it")
    named = {n: v for n, v in zip(node.input, constants, strict=True) if v is not None}
    fed = {name: value for name, value in named.items() if value.nbytes >= _LARGE}
    initializers = [
        numpy_helper.from_array(value, name) for name, value in named.items() if name not in fed
    ]
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
        )
        for name, value in fed.items()
    ]
    outputs = [name for name in node.output if name]
    graph = helper.make_graph(
        [node],
        "fold",
        inputs,
        [onnx.ValueInfoProto(name=name) for name in outputs],
        initializers,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version
    )
    budget.require(model, constants)
    results = run_once(model.SerializeToString(), fed)
    for value in results:
        if not isinstance(value, np.ndarray):
            raise Unsupported("its output is not a tensor")
    return results


def _value_of(node: onnx.NodeProto, constants: Sequence[AnyArray | None]) -> AnyArray | None:
    """The value of a Constant or an Identity, which need no runtime; None for other nodes."""
    if node.op_type == "Identity" and len(constants) == len(node.output) == 1:
        return constants[0]
    if node.op_type != "Constant" or len(node.attribute) != 1 or len(node.output) != 1:
        return None
    (attribute,) = node.attribute
    if attribute.name == "value" and attribute.type == onnx.AttributeProto.TENSOR:
        return read_tensor(attribute.t)
    numbers: dict[str, tuple[int, object, type[np.generic]]] = {
        "value_int": (onnx.AttributeProto.INT, attribute.i, np.int64),
        "value_ints": (onnx.AttributeProto.INTS, attribute.ints, np.int64),
        "value_float": (onnx.AttributeProto.FLOAT, attribute.f, np.float32),
        "value_floats": (onnx.AttributeProto.FLOATS, attribute.floats, np.float32),
    }
    kind, value, dtype = numbers.get(attribute.name, (None, None, np.float32))
    return np.array(value, dtype=dtype) if kind == attribute.type else None


def require_finite(value: AnyArray) -> None:
    """Raises Unsupported where a weight holds NaN or infinity.

    A single infinite number may be a bound; a converter that reads it as a weight refuses it.
    """
    if value.size == 1 and np.issubdtype(value.dtype, np.floating) and np.isinf(value).all():
        return
    if np.issubdtype(value.dtype, np.floating) and not np.all(np.isfinite(value)):
        raise Unsupported(
            "it contains NaN or infinite weights: check the training and export again"
        )


def _is_training_dropout(node: onnx.NodeProto, constants: Sequence[AnyArray | None]) -> bool:
    training = constants[2] if node.op_type == "Dropout" and len(constants) > 2 else None
    return training is not None and bool(np.any(training))
