"""The interface of a data format, and reading files within limits of memory.

Whatever a damaged file makes a library raise becomes an InputError.
"""

from __future__ import annotations

import errno
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import BinaryIO, ClassVar, Final, Protocol

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import AnyArray, Shape, size
from onnx_lippa.data.options import DEFAULT_OPTIONS, DataOptions
from onnx_lippa.errors import InputError, unopenable


@dataclass(frozen=True)
class Stored:
    """An array as a file holds it.

    Attributes:
        values: the array, of any type and shape, or its first entries.
        where: the file, and the name of the array in it, for messages.
        whole: shape of the whole array if only its first entries were read, else None.
    """

    values: AnyArray
    where: str
    whole: Shape | None = None

    @property
    def shape(self) -> Shape:
        """Shape of the whole array."""
        return self.values.shape if self.whole is None else self.whole


@dataclass(frozen=True)
class StoredData:
    """The content of a data file before conversion.

    Attributes:
        inputs: the inputs.
        labels: their labels, numbers or names; None without any.
        groups: the group of each; None without groups.
        features: names of the features; empty where the file has none.
        categorical: features that stand for categories.
        note: what the user should know, or empty.
    """

    inputs: Stored
    labels: Stored | None
    groups: Stored | None = None
    features: tuple[str, ...] = ()
    categorical: tuple[int, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Request:
    """What is wanted of a data file.

    Attributes:
        shape: shape of one sample of the model.
        options: how the file is read.
        first: how many of the inputs are needed; None for all.
    """

    shape: Shape
    options: DataOptions = DEFAULT_OPTIONS
    first: int | None = None

    @property
    def most(self) -> int | None:
        """How many of the inputs' numbers are needed; None for all."""
        return None if self.first is None else self.first * size(self.shape)


class Format(ABC):
    """A format of data files."""

    naming: ClassVar[str]
    """How its files are named, for messages."""

    @abstractmethod
    def accepts(self, path: Path) -> bool:
        """Whether a file's name is of this format."""

    @abstractmethod
    def read(self, path: Path, request: Request) -> StoredData:
        """Reads the arrays of a file and its companions, without unpickling.

        Args:
            path: the file with the inputs.
            request: what is needed of it. Only large arrays are cut.

        Raises:
            InputError: a file that cannot be read, that lacks the inputs, or that would take too
                much memory.
        """


class FormatWithCompanions(Format):
    """A format of one array a file, with the labels in a companion file of the same folder."""

    @abstractmethod
    def companions(self, path: Path) -> tuple[Path, ...]:
        """Possible paths of the labels, best first."""

    @abstractmethod
    def read_array(self, path: Path, most: int | None = None) -> Stored:
        """Reads one file, of which so many numbers are needed; None for all."""

    @override
    def read(self, path: Path, request: Request) -> StoredData:
        require_no_columns(path, request.options)
        inputs = self.read_array(path, request.most)
        found = [one for one in self.companions(path) if one.is_file()]
        return StoredData(inputs, self.read_array(found[0]) if found else None)


def require_no_columns(path: Path, options: DataOptions) -> None:
    """Checks that no option names a column, where a file has none.

    Raises:
        InputError: one does.
    """
    for name, value in (
        ("--label", options.label),
        ("--groups", options.group_column),
        ("--categorical", ",".join(options.categorical)),
    ):
        if value:
            raise InputError(f"{name} {value}: {path} has no columns; leave {name} out")


def require_extra(module: str, extra: str, path: Path) -> ModuleType:
    """Imports a module of an optional dependency.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            f"{path} needs a package that is not installed: pip install 'onnx-lippa[{extra}]'"
        ) from error


LARGE: Final = 1 << 26
"""Arrays of at least so many bytes stay on disk."""
MOST_BYTES: Final = 4_000_000_000
"""Most memory for one array; arrays that stay on disk may be larger."""
_AT_ONCE: Final = 1 << 20


class Stream(Protocol):
    """A file, or a stream that unpacks one."""

    def read(self, size: int = ..., /) -> bytes:
        """Reads at most so many bytes."""


def is_folder(path: Path) -> bool:
    """Whether a path is a folder; not where no file can have its name."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def require_file(path: Path) -> None:
    """Checks that a file exists.

    Raises:
        InputError: nothing there, a folder, or something else that is not a file.
    """
    try:
        if path.is_file():
            return
        is_folder, exists = path.is_dir(), path.exists()
    except OSError as problem:
        raise unopenable(path, problem) from problem
    if is_folder:
        raise InputError(f"{path} is a folder: give the data file in it")
    if exists:
        raise InputError(f"{path} is not a regular file: give the path of a data file")
    raise InputError(f"{path} does not exist: check the path of the data file")


@contextmanager
def open_file(path: Path, kind: str, remedy: str) -> Iterator[BinaryIO]:
    """Opens a file; whatever a library raises while it is read becomes an InputError.

    Args:
        path: the file.
        kind: the kind of file expected, such as "a NumPy .npy file".
        remedy: the advice where it is another, as an imperative.

    Raises:
        InputError: a file that cannot be opened, or that the caller could not read.
    """
    try:
        stream = path.open("rb")
    except (OSError, ValueError) as problem:
        raise unopenable(path, problem) from problem
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
    """Reads an array from a stream, and not a byte more.

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


def is_large(shape: Shape, dtype: np.dtype[np.generic]) -> bool:
    """Whether an array stays on disk, or is read in part, where possible."""
    return size(shape) * dtype.itemsize >= LARGE


def load_values(
    stream: BinaryIO,
    path: Path,
    shape: Shape,
    dtype: np.dtype[np.generic],
    fortran: bool = False,
) -> AnyArray:
    """Reads an array from its position in a file; a large one in C order is mapped."""
    if fortran or dtype.hasobject or not is_large(shape, dtype):
        return read_values(stream, shape, dtype, path, fortran)
    return np.memmap(path, dtype, "r", stream.tell(), shape)


def first_entries(shape: Shape, dtype: np.dtype[np.generic], most: int | None) -> Shape:
    """Shape of the first entries of a large array that hold so many numbers; None for all."""
    if most is None or not shape or not size(shape) or not is_large(shape, dtype):
        return shape
    return (min(shape[0], -(-most // size(shape[1:]))), *shape[1:])
