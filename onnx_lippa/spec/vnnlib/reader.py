"""Reads VNN-LIB files in bounded memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

from onnx_lippa.clock import NEVER, require_time
from onnx_lippa.errors import InputError, unopenable
from onnx_lippa.spec.vnnlib.parser import Query, parse

MAX_BYTES: Final = 200_000_000
"""Largest length of the decompressed text; known properties have some tens of millions."""

_AT_ONCE: Final = 1 << 20
_REMEDY: Final = "give a VNN-LIB file, gzipped or not"


def read(path: Path, deadline: float = NEVER) -> Query:
    """Reads a VNN-LIB file.

    Args:
        path: the file; its first bytes tell whether it is gzipped.
        deadline: ``time.monotonic()`` at which reading stops.

    Raises:
        InputError: there is no such file, or its content is not supported.
        OutOfTimeError: the deadline has passed.
    """
    content = _content(path, deadline)
    query = parse(_text(path, content), str(path), deadline)
    return replace(query, sha256=hashlib.sha256(content).hexdigest())


def digest(path: Path) -> str:
    """SHA-256 of the decompressed text of a VNN-LIB file.

    Raises:
        InputError: it cannot be read.
    """
    return hashlib.sha256(_content(path)).hexdigest()


def _text(path: Path, content: bytes) -> str:
    if b"\0" in content:
        raise InputError(f"{path} is not a text file, since it holds a byte 0: {_REMEDY}")
    # One byte is one character whatever the encoding; everything but comments must be ASCII.
    return content.removeprefix(b"\xef\xbb\xbf").decode("latin-1")


def _content(path: Path, deadline: float = NEVER) -> bytes:
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder: give the VNN-LIB file in it")
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is not a regular file: {_REMEDY}")
        with path.open("rb") as stream:
            return _read_limited(path, stream, deadline)
    except (zlib.error, EOFError, gzip.BadGzipFile) as problem:
        raise InputError(
            f"{path} is a gzip file that is damaged or incomplete: fetch or write it again"
        ) from problem
    except (OSError, ValueError) as problem:
        raise unopenable(path, problem) from problem


def _read_limited(path: Path, stream: BinaryIO, deadline: float) -> bytes:
    zipped = stream.read(2) == b"\x1f\x8b"
    stream.seek(0)
    content = io.BytesIO()
    with gzip.GzipFile(fileobj=stream) if zipped else nullcontext(stream) as text:
        while read := text.read(_AT_ONCE):
            require_time(deadline)
            content.write(read)
            if content.tell() > MAX_BYTES:
                raise InputError(
                    f"{path} has more than {MAX_BYTES // 1_000_000} MB of text, the most that is "
                    "read: split it into several properties"
                )
    return content.getvalue()
