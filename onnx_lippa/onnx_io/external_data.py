"""Weights that lie in files beside the model.

A model's folder, and that of the file behind a link to it, are where its weights may lie: in a
hub's cache both are links from a snapshot into a folder of blobs. Nothing else is opened, so that a
model from somebody else reads no file of the user's, no device and no pipe.
"""

from __future__ import annotations

import stat
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

import onnx

from onnx_lippa.onnx_io.limits import DEFAULT_MEMORY

_MOST_BYTES: Final = 8 * DEFAULT_MEMORY
"""Most bytes of all external weights: one range of a file may be named a thousand times."""


class ExternalData:
    """The external weights of one model, read a tensor at a time.

    Args:
        model: the model's own path.
    """

    def __init__(self, model: Path) -> None:
        self._folder = model.parent
        self._homes = {self._folder.resolve(), model.resolve().parent}
        self._left = _MOST_BYTES

    def load(self, tensor: onnx.TensorProto) -> None:
        """Puts a tensor's data into the tensor.

        Raises:
            OSError: a file cannot be read.
            ValueError: the tensor says nothing that may be read, with a reason for people.
        """
        entries = {entry.key: entry.value for entry in tensor.external_data}
        file = self._file(entries.get("location", ""))
        offset = _number(entries.get("offset", "0"), "offset")
        room = file.stat().st_size - offset
        length = _number(entries.get("length", str(max(room, 0))), "length")
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

    def _file(self, location: str) -> Path:
        """The file at a place that is stated in the model."""
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
            raise ValueError(f"'{location}' is no file")
        return real


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ValueError(f"its {what} is no number")
    return int(text)
