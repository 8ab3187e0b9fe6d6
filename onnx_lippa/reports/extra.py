"""The libraries of the extra ``onnx-lippa[report]``, which the base install lacks."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from onnx_lippa.errors import InputError

_LIBRARIES: Final = ("jinja2", "matplotlib", "PIL")


def require_report_extra(what: str) -> None:
    """Raises InputError where the extra is not installed.

    Args:
        what: what needs it, for the message.
    """
    missing = [name for name in _LIBRARIES if find_spec(name) is None]
    if missing:
        raise InputError(
            f"{what} needs {' and '.join(missing)}: install them with "
            "pip install 'onnx-lippa[report]'"
        )
