"""From a file to a graph whose interface is known to be usable."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from google.protobuf.message import DecodeError, Message
from onnx.external_data_helper import uses_external_data

from onnx_lippa.arrays import FLOAT32, AnyArray, Floats, Shape
from onnx_lippa.errors import InputError, ModelError
from onnx_lippa.onnx_io.external_data import ExternalData
from onnx_lippa.onnx_io.limits import MOST_AXES
from onnx_lippa.onnx_io.reasons import first_line
from onnx_lippa.onnx_io.scores import score_output
from onnx_lippa.text import listed

_MOST_BYTES: Final = 2**31
_GZIP: Final = b"\x1f\x8b"
_FLOATS: Final[dict[int, np.dtype[np.floating[Any]]]] = {
    int(onnx.TensorProto.FLOAT): FLOAT32,
    int(onnx.TensorProto.DOUBLE): np.dtype(np.float64),
}
"""Element types of an input that can be attacked."""
_ELEMENT_TYPES: Final = {number: name for name, number in onnx.TensorProto.DataType.items()}


@dataclass(frozen=True)
class ModelFile:
    """A model read from disk.

    Attributes:
        path: where it was read.
        sha256: digest of all bytes that were loaded: the file's, and those of every tensor that
            lies in another file. Without such tensors it is the digest of the file.
        file_sha256: digest of the file alone.
        proto: the model, external data included.
        packed: whether the file is gzipped, so that ONNX Runtime cannot read it by itself.
        opset: version of the standard operator set it uses.
    """

    path: Path
    sha256: str
    proto: onnx.ModelProto
    opset: int
    packed: bool = False
    file_sha256: str = ""


class Batch(Enum):
    """What a model makes of a batch."""

    FREE = "any"
    ONE = "1 only"
    ABSENT = "none"


@dataclass(frozen=True)
class Interface:
    """The one input of a graph, and the output that is attacked.

    Attributes:
        input_name: name of the input.
        sample_shape: its shape without the batch axis.
        batch: whether any number of samples may be given at once, one only, or one without a
            batch axis.
        output_name: name of the tensor that holds the scores.
        dtype: type of the input's elements, float32 or float64.
        stripped: operators behind that tensor which only change its form, left out.
        joint: whether the inputs are appended to the outputs, ``[y; x]``, as properties with
            constraints on both need.
        rows: samples that are given at once at most.
    """

    input_name: str
    sample_shape: Shape
    batch: Batch
    output_name: str
    dtype: np.dtype[np.floating] = FLOAT32
    stripped: tuple[str, ...] = ()
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


def read_model(path: Path) -> ModelFile:
    """Reads a model and everything it refers to.

    Raises:
        InputError: there is no such file.
        ModelError: the file is no ONNX model, or its external data cannot be read.
    """
    stored = _stored(path)
    content = stored if stored[:2] != _GZIP else _unpacked(stored, path)
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
    digest = hashlib.sha256(stored)
    file_sha256 = digest.hexdigest()
    try:
        weights = ExternalData(path)
        for tensor in external_tensors(proto):
            weights.load(tensor)
            digest.update(len(tensor.raw_data).to_bytes(8, "little"))
            digest.update(tensor.raw_data)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"the external weights of {path} cannot be read ({first_line(error)}): put the data "
            "file into the model's own folder, under the name it was exported with"
        ) from error
    versions = [entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")]
    if min(versions, default=1) < 1:
        raise ModelError(
            f"{path} states version {min(versions)} of the standard operators (its opset), and "
            "they begin at 1: export it again"
        )
    return ModelFile(
        path,
        digest.hexdigest(),
        proto,
        max(versions, default=1),
        stored[:2] == _GZIP,
        file_sha256,
    )


def model_sha256(path: Path) -> str:
    """The digest that :func:`read_model` gives a model, external weights included.

    Raises:
        InputError, ModelError: as :func:`read_model` raises them.
    """
    return read_model(path).sha256


def external_tensors(proto: onnx.ModelProto) -> list[onnx.TensorProto]:
    """The tensors whose values lie in other files, in the order of the model."""
    found: list[onnx.TensorProto] = []
    _gather_external(proto, found)
    return found


def _gather_external(message: Message, found: list[onnx.TensorProto]) -> None:
    if isinstance(message, onnx.TensorProto):
        if uses_external_data(message):
            found.append(message)
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if isinstance(value, Sequence) else (value,):
                _gather_external(part, found)


def _stored(path: Path) -> bytes:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise InputError(f"the model {path} is not a regular file: give an ONNX file")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the model {path}: {error.strerror or error}") from error


def _unpacked(stored: bytes, path: Path) -> bytes:
    """A gzipped model, up to the size that protobuf can hold."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(stored)) as packed:
            content = packed.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ModelError(
            f"{path} cannot be unpacked ({first_line(error)}): copy it again"
        ) from error
    if len(content) > _MOST_BYTES:
        raise ModelError(f"{path} unpacks to more than 2 GB, the most an ONNX file may hold")
    return content


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


def interface_of(model: ModelFile, output: str | None = None) -> Interface:
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
        kind = _ELEMENT_TYPES.get(tensor.elem_type, f"number {tensor.elem_type}").lower()
        raise ModelError(
            f"the input '{inputs[0].name}' has element type {kind}: export the model in float32 "
            "or float64"
        )
    batch, shape = _sample_shape(inputs[0])
    scores, stripped = score_output(model.proto.graph, output, model.path)
    dtype = _FLOATS[tensor.elem_type]
    return Interface(inputs[0].name, shape, batch, scores, dtype, stripped)


def _sample_shape(value: onnx.ValueInfoProto) -> tuple[Batch, Shape]:
    tensor = value.type.tensor_type
    axes = list(tensor.shape.dim)
    if len(axes) > MOST_AXES:
        raise ModelError(
            f"the input '{value.name}' has {len(axes)} axes, of which {MOST_AXES} are supported: "
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
