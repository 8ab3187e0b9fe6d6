"""Opening data files so that no fault of theirs escapes as anything but an InputError."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from onnx_lippa.errors import InputError


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
            # The parsers of zip, gzip and .npy raise a dozen unrelated types on damaged files.
            raise InputError(
                f"{path} cannot be read as {kind}, because it is damaged, incomplete or of "
                f"another kind: {remedy}"
            ) from problem


def _unopenable(path: Path, problem: Exception) -> InputError:
    reason = problem.strerror if isinstance(problem, OSError) else None
    return InputError(
        f"{path} cannot be opened ({reason or problem}): check its path and its permissions"
    )
