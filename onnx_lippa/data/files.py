"""Opening data files so that no fault of theirs escapes as anything but an InputError."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import numpy as np

from onnx_lippa.arrays import AnyArray, Shape, size
from onnx_lippa.errors import InputError

MOST_BYTES: Final = 4_000_000_000
"""What one array may take in memory; those that are read from where they lie may be larger."""
_AT_ONCE: Final = 1 << 20


class Stream(Protocol):
    """What bytes are read from: a file, or what unpacks one."""

    def read(self, size: int = ..., /) -> bytes:
        """The next bytes, at most so many."""


def require_file(path: Path) -> None:
    """Checks that there is a file to read.

    Raises:
        InputError: nothing there, a folder, or something else that is not a file.
    """
    try:
        if path.is_file():
            return
        is_folder, exists = path.is_dir(), path.exists()
    except OSError as problem:
        raise _unopenable(path, problem) from problem
    if is_folder:
        raise InputError(f"{path} is a folder: give the data file in it")
    if exists:
        raise InputError(f"{path} is not a regular file: give the path of a data file")
    raise InputError(f"{path} does not exist: check the path of the data file")


@contextmanager
def opened(path: Path, kind: str, remedy: str) -> Iterator[BinaryIO]:
    """The open file; whatever a library raises while it is read becomes an InputError.

    Args:
        path: the file.
        kind: what the file should be, such as "a NumPy .npy file".
        remedy: what to do when it is not, as an imperative.

    Raises:
        InputError: a file that cannot be opened, or that the caller could not read.
    """
    try:
        stream = path.open("rb")
    except (OSError, ValueError) as problem:
        raise _unopenable(path, problem) from problem
    with stream, warnings.catch_warnings():
        # Old or damaged headers make NumPy and Python warn; the outcome is checked anyway.
        warnings.simplefilter("ignore")
        try:
            yield stream
        except InputError:
            raise
        except Exception as problem:
            if isinstance(problem, MemoryError) or getattr(problem, "errno", 0) == errno.ENOMEM:
                raise InputError(
                    f"{path} takes more memory than there is: store fewer inputs in it"
                ) from problem
            # The parsers of zip, gzip and .npy raise a dozen unrelated types on damaged files.
            raise InputError(
                f"{path} cannot be read as {kind}, because it is damaged, incomplete or of "
                f"another kind: {remedy}"
            ) from problem


def read_values(
    stream: Stream, shape: Shape, dtype: np.dtype[np.generic], path: Path, fortran: bool = False
) -> AnyArray:
    """The numbers that come next in a stream, and not a byte more.

    Args:
        stream: the stream, which may unpack a file as it is read.
        shape: shape of the array.
        dtype: type of its elements.
        path: the file, for messages.
        fortran: whether the first axis varies fastest.

    Raises:
        InputError: more than :data:`MOST_BYTES`.
        ValueError: the stream ends before, or holds something that is no array.
    """
    count = size(shape) * dtype.itemsize
    if count > MOST_BYTES:
        raise InputError(
            f"{path} holds an array that takes {count / 1e9:,.3g} GB of memory, and at most "
            f"{MOST_BYTES / 1e9:g} GB are unpacked: take fewer inputs with --first, or store it "
            "with numpy.save, which leaves it on disk"
        )
    if dtype.hasobject or dtype.subdtype is not None or not dtype.itemsize:
        raise ValueError(f"elements of type {dtype}")
    content = memoryview(bytearray(count))
    done = 0
    while done < count:
        read = stream.read(min(_AT_ONCE, count - done))
        if not read:
            raise ValueError(f"{count} bytes are declared, and {done} are there")
        content[done : done + len(read)] = read
        done += len(read)
    return np.ndarray(shape, dtype, content, order="F" if fortran else "C")


def first_entries(shape: Shape, most: int | None) -> Shape:
    """Shape of the first entries along the first axis that hold so many numbers; None for all."""
    if most is None or not shape or not size(shape):
        return shape
    return (min(shape[0], -(-most // size(shape[1:]))), *shape[1:])


def _unopenable(path: Path, problem: Exception) -> InputError:
    reason = problem.strerror if isinstance(problem, OSError) else None
    return InputError(
        f"{path} cannot be opened ({reason or problem}): check its path and its permissions"
    )
