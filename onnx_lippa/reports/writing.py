"""Writing the files of reports."""

from __future__ import annotations

from pathlib import Path

from onnx_lippa.errors import InputError
from onnx_lippa.runs.files import explain_write_errors, replace_file


def write_file(path: Path, content: bytes, option: str) -> Path:
    """Writes a file in one step, in a folder that is made where there is none.

    Args:
        path: the file.
        content: its bytes.
        option: the option that names it, for the message.

    Raises:
        InputError: it cannot be written.
    """
    try:
        with explain_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
    except InputError as error:
        raise InputError(str(error).replace("--out", option)) from error
    return path
