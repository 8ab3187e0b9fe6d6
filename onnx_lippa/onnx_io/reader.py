"""From a file to a model in memory, its external weights included."""

from __future__ import annotations

import gzip
import hashlib
import io
import stat
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

import onnx
from google.protobuf.message import DecodeError, Message
from onnx.external_data_helper import uses_external_data

from onnx_lippa.errors import InputError, ModelError
from onnx_lippa.onnx_io.limits import DEFAULT_MEMORY
from onnx_lippa.text import first_line

_MOST_BYTES: Final = 2**31
_GZIP: Final = b"\x1f\x8b"
_MOST_EXTERNAL_BYTES: Final = 8 * DEFAULT_MEMORY
"""Most bytes of all external weights; one range of a file may be named many times."""


@dataclass(frozen=True)
class ModelFile:
    """A model read from disk.

    Attributes:
        path: where it was read.
        sha256: digest of all bytes that were loaded: the file's, and those of external tensors.
        file_sha256: digest of the file alone.
        proto: the model, external data included.
        opset: version of the standard operator set it uses.
        is_composed: whether ``proto`` has a preprocessing in front of what the file holds.
    """

    path: Path
    sha256: str
    file_sha256: str
    proto: onnx.ModelProto
    opset: int
    is_composed: bool = False


def read_model(path: Path) -> ModelFile:
    """Reads a model and everything it refers to.

    Raises:
        InputError: there is no such file.
        ModelError: the file is no ONNX model, or its external data cannot be read.
    """
    stored = _read_bytes(path)
    proto = _parse(stored, path)
    if not proto.graph.node and not proto.graph.output:
        raise ModelError(f"{path} holds no graph, so it is not an ONNX model: export it again")
    if not _names_are_text(proto.graph):
        raise ModelError(f"{path} holds names that are not text: export or copy it again")
    digest = hashlib.sha256(stored)
    file_sha256 = digest.hexdigest()
    try:
        weights = ExternalData(path)
        for tensor in list(_external_tensors(proto)):
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
    return ModelFile(path, digest.hexdigest(), file_sha256, proto, max(versions, default=1))


def read_files(path: Path) -> dict[str, bytes]:
    """The bytes of a model's file and of its external weights, by names relative to its folder.

    Raises:
        InputError: there is no such file.
        ModelError: it is no ONNX model, or external weights cannot be read.
    """
    stored = _read_bytes(path)
    files, weights = {path.name: stored}, ExternalData(path)
    for tensor in _external_tensors(_parse(stored, path)):
        entries = {entry.key: entry.value for entry in tensor.external_data}
        name = entries.get("location", "")
        if name not in files:
            try:
                files[name] = weights.find(name).read_bytes()
            except (OSError, ValueError, RuntimeError) as error:
                raise ModelError(
                    f"the external weights of {path} cannot be read ({first_line(error)}): put "
                    "them back into the model's own folder"
                ) from error
    return files


def _parse(stored: bytes, path: Path) -> onnx.ModelProto:
    """The model that the bytes of a file hold, without external data."""
    content = stored if stored[:2] != _GZIP else _unpack(stored, path)
    try:
        return onnx.load_model_from_string(content)
    except (DecodeError, ValueError, TypeError) as error:
        raise ModelError(
            f"{path} is not an ONNX model, or it is truncated: export or copy it again"
        ) from error


def _external_tensors(message: Message) -> Iterator[onnx.TensorProto]:
    """The tensors whose values lie in other files, in the order of the model."""
    if isinstance(message, onnx.TensorProto):
        if uses_external_data(message):
            yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if isinstance(value, Sequence) else (value,):
                yield from _external_tensors(part)


def _read_bytes(path: Path) -> bytes:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise InputError(f"the model {path} is not a regular file: give an ONNX file")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the model {path}: {error.strerror or error}") from error


def _unpack(stored: bytes, path: Path) -> bytes:
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


class ExternalData:
    """The external weights of one model, read a tensor at a time.

    They may lie in the model's folder, or in that of the file behind a link to the model: in a
    hub's cache both are links from a snapshot into a folder of blobs. No other file, device or pipe
    is opened.

    Args:
        model: the model's own path.
    """

    def __init__(self, model: Path) -> None:
        self._folder = model.parent
        self._homes = {self._folder.resolve(), model.resolve().parent}
        self._left = _MOST_EXTERNAL_BYTES

    def load(self, tensor: onnx.TensorProto) -> None:
        """Puts a tensor's data into the tensor.

        Raises:
            OSError: a file cannot be read.
            ValueError: the tensor refers to nothing that may be read; the message says why.
        """
        entries = {entry.key: entry.value for entry in tensor.external_data}
        file = self.find(entries.get("location", ""))
        offset = _natural_number(entries.get("offset", "0"), "offset")
        room = file.stat().st_size - offset
        length = _natural_number(entries.get("length", str(max(room, 0))), "length")
        if length > room:
            raise ValueError(f"'{file.name}' is shorter than the model says")
        self._left -= length
        if self._left < 0:
            raise ValueError(f"its tensors take more than {_MOST_BYTES >> 30} GB altogether")
        with file.open("rb") as stream:
            stream.seek(offset)
            tensor.raw_data = stream.read(length)
        if len(tensor.raw_data) != length:
            raise ValueError(f"'{file.name}' is shorter than the model says")
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]

    def find(self, location: str) -> Path:
        """The file at a place that is stated in the model.

        Raises:
            OSError: there is none.
            ValueError: it may not be read.
        """
        if not location or "\0" in location:
            raise ValueError("a tensor names no file")
        parts = (*PurePosixPath(location).parts, *PureWindowsPath(location).parts)
        if (
            ".." in parts
            or PurePosixPath(location).is_absolute()
            or PureWindowsPath(location).drive
        ):
            raise ValueError(f"'{location}' lies outside the model's folder")
        real = (self._folder / location).resolve(strict=True)
        if not any(real.is_relative_to(home) for home in self._homes):
            raise ValueError(f"'{location}' is a link that leads out of the model's folder")
        if not stat.S_ISREG(real.stat().st_mode):
            raise ValueError(f"'{location}' is not a regular file")
        return real


def _natural_number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ValueError(f"its {what} is not a number")
    return int(text)
