"""Jobs as bytes. Large inputs and files are named by their digests: a machine gets each once."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, final

import numpy as np
from typing_extensions import override

from onnx_lippa.spec import Specification

_LARGE: Final = 1 << 15
"""Bytes of an input, a file or a specification, from which it is named by its digest."""
_MOST_BYTES: Final = 1 << 28
"""Most bytes of inputs that a machine keeps."""


@dataclass(frozen=True)
class Packed:
    """An object as bytes.

    Attributes:
        content: the object, but for its parts.
        parts: its large parts, by their digests.
    """

    content: bytes
    parts: Mapping[str, bytes] = field(default_factory=dict)


def pack(value: object) -> Packed:
    """An object, large inputs, files and specifications in it as parts."""
    stream, parts = io.BytesIO(), dict[str, bytes]()
    _Packer(stream, parts).dump(value)
    return Packed(stream.getvalue(), parts)


def unpack(packed: Packed, store: Store) -> object:
    """The object that was packed. Its parts are kept.

    Raises:
        MissingPartsError: the store does not hold parts that did not come with it.
    """
    parts = store.hold(packed.parts)
    unpacker = _Unpacker(io.BytesIO(packed.content), parts)
    value = unpacker.load()
    if unpacker.missing:
        raise MissingPartsError(unpacker.missing)
    return value


class MissingPartsError(Exception):
    """Parts that are kept no longer: they must be sent again."""


@final
class Store:
    """Parts that have come, by their digests; the oldest make room for new ones."""

    def __init__(self) -> None:
        self._parts, self._bytes = OrderedDict[str, bytes](), 0

    def hold(self, parts: Mapping[str, bytes]) -> Callable[[str], bytes | None]:
        """Keeps parts.

        Returns:
            Looks up these parts, and those that are kept from before.
        """
        for name, content in parts.items():
            if name not in self._parts:
                self._parts[name] = content
                self._bytes += len(content)
        while self._bytes > _MOST_BYTES:
            self._bytes -= len(self._parts.popitem(last=False)[1])
        return lambda name: parts.get(name) or self._parts.get(name)


@final
class _Packer(pickle.Pickler):
    def __init__(self, stream: io.BytesIO, parts: dict[str, bytes]) -> None:
        super().__init__(stream, protocol=5)
        self._parts = parts

    @override
    def persistent_id(self, obj: Any) -> object:
        if isinstance(obj, np.ndarray) and obj.ndim == 2 and obj.nbytes >= _LARGE * len(obj) > 0:
            return obj.dtype.str, [self._name(row.tobytes()) for row in obj]
        if isinstance(obj, bytes):
            return (self._name(pickle.dumps(obj, protocol=5)),) if len(obj) >= _LARGE else None
        if isinstance(obj, Specification):
            content = pickle.dumps(obj, protocol=5)
            return (self._name(content),) if len(content) >= _LARGE else None
        return None

    def _name(self, content: bytes) -> str:
        name = hashlib.sha256(content).hexdigest()
        self._parts[name] = content
        return name


@final
class _Unpacker(pickle.Unpickler):
    """Puts nothing in the place of a part that is missing, and notes its name."""

    def __init__(self, stream: io.BytesIO, parts: Callable[[str], bytes | None]) -> None:
        super().__init__(stream)
        self._find, self.missing = parts, list[str]()

    @override
    def persistent_load(self, pid: Any) -> Any:
        if len(pid) == 1:
            return pickle.loads(self._part(pid[0]) or pickle.dumps(None))
        dtype, names = pid
        found = [self._part(name) for name in names]
        return np.stack([np.frombuffer(one or b"", dtype) for one in found]) if all(found) else None

    def _part(self, name: str) -> bytes | None:
        found = self._find(name)
        if found is None:
            self.missing.append(name)
        return found
