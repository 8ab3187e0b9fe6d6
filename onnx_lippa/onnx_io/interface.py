"""The one input of a graph, and the output that is attacked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx

from onnx_lippa.arrays import FLOAT32, AnyArray, Floats, Shape
from onnx_lippa.errors import ModelError
from onnx_lippa.onnx_io.limits import MOST_AXES
from onnx_lippa.onnx_io.reader import ModelFile
from onnx_lippa.text import listed

_FLOATS: Final[dict[int, np.dtype[np.floating[Any]]]] = {
    int(onnx.TensorProto.FLOAT): FLOAT32,
    int(onnx.TensorProto.DOUBLE): np.dtype(np.float64),
}
"""Element types of an input that can be attacked."""
_ELEMENT_TYPES: Final = {number: name.lower() for name, number in onnx.TensorProto.DataType.items()}
_SCORE_TYPES: Final = frozenset({onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE})
_WRAPPERS: Final = frozenset({"ZipMap"})
"""Operators that only put scores into another container, as scikit-learn's exporter does."""


class Batch(Enum):
    """How many samples a model takes at once."""

    FREE = "any"
    ONE = "1 only"
    ABSENT = "none"


@dataclass(frozen=True)
class Interface:
    """The one input of a graph, and the output that is attacked.

    Attributes:
        input_name: name of the input.
        sample_shape: its shape without the batch axis.
        batch: any number of samples at once, one only, or one without a batch axis.
        output_name: name of the tensor with the scores.
        dtype: type of the input's elements, float32 or float64.
        joint: whether the inputs are appended to the outputs, ``[y; x]``, for properties that
            relate both.
        rows: most samples of one call.
    """

    input_name: str
    sample_shape: Shape
    batch: Batch
    output_name: str
    dtype: np.dtype[np.floating] = FLOAT32
    joint: bool = False
    rows: int = 512

    @property
    def batch_is_free(self) -> bool:
        """Whether any number of samples may be given at once."""
        return self.batch is Batch.FREE

    def batches(self, x: Floats) -> AnyArray:
        """Samples (n, d) in the shape and type that the model takes."""
        batch = x.astype(self.dtype, copy=False)
        if self.batch is Batch.ABSENT:
            return batch.reshape(self.sample_shape)
        return batch.reshape(len(x), *self.sample_shape)


def element_type(number: int) -> str:
    """The name of an ONNX element type."""
    return _ELEMENT_TYPES.get(number, f"number {number}")


def read_interface(model: ModelFile, output: str | None = None) -> Interface:
    """The input of a model and the output to attack.

    Args:
        model: the model.
        output: name of the output, or of any tensor in the graph; None where there is only one
            that can hold scores.

    Raises:
        ModelError: several inputs, an element type other than float32 and float64, a shape that
            is dynamic in more than its batch axis, or no output or several that could be meant.
    """
    graph = model.proto.graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1:
        listing = listed([value.name for value in inputs])
        raise ModelError(
            f"{model.path} has {len(inputs)} inputs ({listing}) where one is needed: "
            "export the model with a single input"
        )
    tensor = inputs[0].type.tensor_type
    if tensor.elem_type not in _FLOATS:
        raise ModelError(
            f"the input '{inputs[0].name}' has element type {element_type(tensor.elem_type)}: "
            "export the model in float32 or float64"
        )
    batch, shape = _sample_shape(inputs[0])
    scores = score_output(model.proto.graph, output, model.path)
    dtype = _FLOATS[tensor.elem_type]
    return Interface(inputs[0].name, shape, batch, scores, dtype)


def _sample_shape(value: onnx.ValueInfoProto) -> tuple[Batch, Shape]:
    tensor = value.type.tensor_type
    axes = list(tensor.shape.dim)
    if len(axes) > MOST_AXES:
        raise ModelError(
            f"the input '{value.name}' has {len(axes)} axes; at most {MOST_AXES} are supported: "
            "export the model with fewer"
        )
    described = [
        axis.dim_value if axis.HasField("dim_value") else axis.dim_param or "?" for axis in axes
    ]
    if not tensor.HasField("shape") or not axes:
        raise ModelError(
            f"the input '{value.name}' has shape {described}: at least one feature axis is "
            "needed, so export it as [batch, features]"
        )
    fixed = [axis.dim_value if axis.HasField("dim_value") else 0 for axis in axes]
    if any(extent < 1 for extent in fixed[1:]) or (len(axes) == 1 and fixed[0] < 1):
        raise ModelError(
            f"the input '{value.name}' has shape {described}, dynamic beyond its batch axis: "
            "export the model with fixed feature axes"
        )
    shape = tuple(int(extent) for extent in (fixed if len(axes) == 1 else fixed[1:]))
    if len(axes) == 1:
        return Batch.ABSENT, shape
    if fixed[0] > 1:
        raise ModelError(
            f"the input '{value.name}' has the fixed batch size {fixed[0]}: "
            "export the model with a dynamic batch axis, or with batch size 1"
        )
    return (Batch.ONE if fixed[0] == 1 else Batch.FREE), shape


def score_output(graph: onnx.GraphProto, wanted: str | None, path: Path) -> str:
    """The name of the tensor with the scores, where a graph has several outputs or wraps them.

    Args:
        graph: the graph.
        wanted: name of the tensor, None to choose the one output that can hold scores.
        path: the file, for messages.

    Raises:
        ModelError: there is no such tensor, or none or several outputs could be meant.
    """
    makers = {name: node for node in graph.node for name in node.output}
    names = {value.name for value in graph.output}
    if wanted is not None:
        if wanted not in makers:
            raise ModelError(
                f"{path} computes no tensor '{wanted}': its outputs are {listed(sorted(names))}"
            )
        return _unwrap(wanted, makers)
    candidates = [value for value in graph.output if len(graph.output) == 1 or _may_score(value)]
    if len(candidates) != 1:
        raise ModelError(
            f"{path} has {len(graph.output)} outputs ({listed([v.name for v in graph.output])}) "
            "where one that holds scores is needed: name the one to attack (--output), or export "
            "the model with a single output"
        )
    return _unwrap(candidates[0].name, makers)


def _unwrap(name: str, makers: dict[str, onnx.NodeProto]) -> str:
    """The tensor inside containers that some exporters add."""
    for _ in range(len(makers) + 1):
        if name not in makers or makers[name].op_type not in _WRAPPERS or not makers[name].input:
            return name
        name = makers[name].input[0]
    raise ModelError(
        f"the node that computes '{name}' takes its own result: export the model again"
    )


def _may_score(value: onnx.ValueInfoProto) -> bool:
    """Floating-point tensors, and the containers they may be wrapped in."""
    if value.type.HasField("tensor_type"):
        return value.type.tensor_type.elem_type in _SCORE_TYPES
    return value.type.HasField("sequence_type")
