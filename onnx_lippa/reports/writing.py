"""What writers of reports share: the libraries of the extra, and files written in one step."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from onnx_lippa.errors import InputError
from onnx_lippa.runs.files import explain_write_errors, replace_file

_LIBRARIES: Final = ("jinja2", "matplotlib", "PIL")
"""The libraries of the extra ``onnx-lippa[report]``, which the base install lacks."""


def require_report_extra(what: str) -> None:
    """Checks that the libraries of the extra are installed.

    Args:
        what: what needs them, for the message.

    Raises:
        InputError: one is missing.
    """
    missing = [name for name in _LIBRARIES if find_spec(name) is None]
    if missing:
        raise InputError(
            f"{what} needs {' and '.join(missing)}: install them with "
            "pip install 'onnx-lippa[report]'"
        )


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
