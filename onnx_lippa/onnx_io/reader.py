"""From a file to a graph whose interface is known to be usable."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnx
from google.protobuf.message import DecodeError

from onnx_lippa.arrays import Shape, size
from onnx_lippa.errors import InputError, ModelError
from onnx_lippa.onnx_io.reasons import first_line

MOST_ELEMENTS: Final = 2**31
"""Most elements that one sample of a tensor may have; a damaged file may state any number."""
_ELEMENT_TYPES: Final = {number: name for name, number in onnx.TensorProto.DataType.items()}


@dataclass(frozen=True)
class ModelFile:
    """A model read from disk.

    Attributes:
        path: where it was read.
        sha256: digest of the file's bytes.
        proto: the model, external data included.
        opset: version of the standard operator set it uses.
    """

    path: Path
    sha256: str
    proto: onnx.ModelProto
    opset: int


@dataclass(frozen=True)
class Interface:
    """The one input and the one output of a graph.

    Attributes:
        input_name: name of the input.
        sample_shape: its shape without the batch axis.
        batch_is_free: whether any number of samples may be given at once.
        output_name: name of the output.
    """

    input_name: str
    sample_shape: Shape
    batch_is_free: bool
    output_name: str


def read_model(path: Path) -> ModelFile:
    """Reads a model and everything it refers to.

    Raises:
        InputError: there is no such file.
        ModelError: the file is no ONNX model, or its external data cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the model {path}: {error.strerror or error}") from error
    try:
        proto = onnx.load_model_from_string(content)
    except (DecodeError, ValueError, TypeError) as error:
        raise ModelError(
            f"{path} is not an ONNX model, or it is truncated: export or copy it again"
        ) from error
    if not proto.graph.node and not proto.graph.output:
        raise ModelError(f"{path} holds no graph, so it is not an ONNX model: export it again")
    if not _names_are_text(proto.graph):
        raise ModelError(f"{path} holds names that are not text: export or copy it again")
    try:
        onnx.load_external_data_for_model(proto, str(path.parent))
    except (OSError, ValueError, RuntimeError, onnx.checker.ValidationError) as error:
        raise ModelError(
            f"the external weights of {path} cannot be read ({first_line(error)}): put the data "
            "file into the model's own folder, under the name it was exported with"
        ) from error
    versions = [entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")]
    return ModelFile(path, hashlib.sha256(content).hexdigest(), proto, max(versions, default=1))


def _names_are_text(graph: onnx.GraphProto) -> bool:
    """Whether every name is; protobuf hands over others as bytes or not at all."""
    try:
        names: list[object] = [value.name for value in (*graph.input, *graph.output)]
        names += [tensor.name for tensor in graph.initializer]
        for node in graph.node:
            names += [node.name, node.op_type, node.domain, *node.input, *node.output]
            names += [attribute.name for attribute in node.attribute]
    except UnicodeDecodeError:
        return False
    return all(isinstance(name, str) for name in names)


def interface_of(model: ModelFile) -> Interface:
    """The input and output of a model, where it has one of each.

    Raises:
        ModelError: several inputs or outputs, an element type other than float32, or a shape
            that is dynamic in more than its batch axis.
    """
    graph = model.proto.graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    _exactly_one("input", [value.name for value in inputs], model.path)
    _exactly_one("output", [value.name for value in graph.output], model.path)
    tensor = inputs[0].type.tensor_type
    if tensor.elem_type != onnx.TensorProto.FLOAT:
        kind = _ELEMENT_TYPES.get(tensor.elem_type, f"number {tensor.elem_type}").lower()
        raise ModelError(
            f"the input '{inputs[0].name}' has element type {kind}: export the model in float32"
        )
    batch_is_free, shape = _sample_shape(inputs[0])
    return Interface(inputs[0].name, shape, batch_is_free, graph.output[0].name)


def _sample_shape(value: onnx.ValueInfoProto) -> tuple[bool, Shape]:
    tensor = value.type.tensor_type
    axes = list(tensor.shape.dim)
    described = [
        axis.dim_value if axis.HasField("dim_value") else axis.dim_param or "?" for axis in axes
    ]
    if not tensor.HasField("shape") or len(axes) < 2:
        raise ModelError(
            f"the input '{value.name}' has shape {described}: a batch axis and at least one "
            "feature axis are needed, so export it as [batch, features]"
        )
    if any(not axis.HasField("dim_value") or axis.dim_value < 1 for axis in axes[1:]):
        raise ModelError(
            f"the input '{value.name}' has shape {described}, dynamic beyond its batch axis: "
            "export the model with fixed feature axes"
        )
    shape = tuple(int(axis.dim_value) for axis in axes[1:])
    if size(shape) > MOST_ELEMENTS:
        raise ModelError(
            f"the input '{value.name}' has shape {described}, too large for one sample: check it "
            "and export the model again"
        )
    batch_is_free = not axes[0].HasField("dim_value") or axes[0].dim_value < 1
    if not batch_is_free and axes[0].dim_value != 1:
        raise ModelError(
            f"the input '{value.name}' has the fixed batch size {axes[0].dim_value}: "
            "export the model with a dynamic batch axis, or with batch size 1"
        )
    return batch_is_free, shape


def _exactly_one(what: str, names: list[str], path: Path) -> None:
    if len(names) != 1:
        listing = ", ".join(f"'{name}'" for name in names) or "none"
        raise ModelError(
            f"{path} has {len(names)} {what}s ({listing}) where one is needed: "
            f"export the model with a single {what}"
        )
