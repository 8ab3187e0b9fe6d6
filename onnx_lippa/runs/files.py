"""Files that survive a crash: replaced in one step, appended by lines, locked, with checksums."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, final

from onnx_lippa.errors import DamagedFolderError, InputError, LippaError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

CHECK: Final = "check"
"""Key of the checksum in a file or a line."""
_LOCK: Final = "lock"
"""Name of the lock file, where there is no ``flock``."""


@contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Turns a failure to write into an InputError.

    Raises:
        InputError: the system refused.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot write to {path} ({error.strerror or error}): give another --out"
        ) from error


@contextmanager
def explain_read_errors(path: Path, advice: str) -> Iterator[None]:
    """Turns any error of a parser on a damaged file into a DamagedFolderError.

    Args:
        path: the file.
        advice: what to do, as an imperative.

    Raises:
        DamagedFolderError: the file is missing or damaged.
    """
    try:
        yield
    except LippaError:
        raise
    except Exception as error:
        # Parsers of JSON, zip and .npy raise a dozen unrelated types on damaged bytes.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DamagedFolderError(f"{path} is missing or damaged ({reason}): {advice}") from error


def replace_file(path: Path, content: bytes) -> None:
    """Replaces a file in one step: after a crash it is the old one or the new one.

    Raises:
        InputError: it cannot be written; the old one stays as it was.
    """
    replace_with(path, lambda file: file.write(content))


def replace_with(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Replaces a file in one step, with content that is written piece by piece.

    A link stays a link; a device such as ``/dev/stdout`` is written to.

    Raises:
        InputError: it cannot be written; the old one stays as it was.
    """
    with explain_write_errors(path):
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open("wb") as file:
                write(file)
            return
        path = Path(os.path.realpath(path))
        draft = path.with_name(path.name + ".part")
        try:
            with draft.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise
        _sync_folder(path.parent)


def remove_file(path: Path) -> None:
    """Removes a file, if it is there.

    Raises:
        InputError: the system refused.
    """
    with explain_write_errors(path):
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Makes a rename survive a power failure, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def checksum(values: dict[str, Any]) -> int:
    """CRC-32 of JSON values, whatever their formatting."""
    return zlib.crc32(json.dumps(values, sort_keys=True).encode())


def seal_line(values: dict[str, Any]) -> bytes:
    """A line of JSON with its checksum."""
    text = json.dumps(values, sort_keys=True, allow_nan=False)
    return f'{text[:-1]}, "{CHECK}": {zlib.crc32(text.encode())}}}\n'.encode()


def unseal_line(line: bytes) -> dict[str, Any]:
    """The values in a line of JSON.

    Raises:
        ValueError: it is no JSON, or its checksum is missing or wrong.
    """
    values = json.loads(line)
    if not isinstance(values, dict) or CHECK not in values:
        raise ValueError("there is no checksum")
    check = values.pop(CHECK)
    if check != checksum(values):
        raise ValueError("its checksum is another")
    return values


@final
class LineFile:
    """A file that grows line by line; a line survives a crash of the program once it is appended.

    Args:
        path: the file; made if it does not exist.

    Raises:
        InputError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with explain_write_errors(path):
            self._file = path.open("ab", buffering=0)
            self._length = path.stat().st_size

    def append(self, line: bytes) -> None:
        """Appends a line, with its newline, or nothing.

        Raises:
            InputError: it cannot be written, as on a full disk.
        """
        with explain_write_errors(self._path):
            try:
                written = 0
                while written < len(line):
                    written += self._file.write(line[written:])
            except BaseException:
                with suppress(OSError):
                    os.truncate(self._path, self._length)
                raise
        self._length += len(line)

    def sync(self) -> None:
        """Waits until all lines would survive a power failure."""
        with explain_write_errors(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def complete_lines(content: bytes) -> list[bytes]:
    """The lines of a file with their newlines, without a last one that a crash cut short."""
    # splitlines() would split at other bytes too, which damage may have made.
    *lines, _ = content.split(b"\n")
    return [line + b"\n" for line in lines]


@final
class FolderLock:
    """Locks a folder until it is released or the process ends.

    The folder itself is locked, so a killed process leaves nothing behind. Where the system has no
    ``flock``, the lock is a file that cannot be removed while it is open.

    Args:
        folder: the folder, which exists.

    Raises:
        InputError: another run holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._handle: int | None = None
        self._file: BinaryIO | None = None
        self._folder = folder
        if fcntl is None:
            self._hold_file(folder / _LOCK)
            return
        with explain_write_errors(folder):
            self._handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            raise _held(folder) from error
        except OSError:
            self.release()  # a file system without locks

    def _hold_file(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
            self._file = path.open("xb")
        except (PermissionError, FileExistsError) as error:
            raise _held(self._folder) from error

    def release(self) -> None:
        """Unlocks the folder."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        if self._file is not None:
            self._file.close()
            self._file = None
            with suppress(OSError):
                (self._folder / _LOCK).unlink()

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()


def _held(folder: Path) -> InputError:
    return InputError(
        f"{folder} is in use by another run: wait until that has ended, or give another --out"
    )
