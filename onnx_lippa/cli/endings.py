"""How a command ends: one sentence for an error, and an exit code that says of which kind it is."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Final

from rich.text import Text

from onnx_lippa.cli.application import application
from onnx_lippa.cli.console import console
from onnx_lippa.cli.main import Listener
from onnx_lippa.errors import InternalError, unexpected

DEBUG: Final = "ONNX_LIPPA_DEBUG"
"""Environment variable that asks for the traceback of an internal error."""
_INTERRUPTED: Final = 130
_NO_READER: Final = 141
"""As a shell says of a process that writes to a pipe which nobody reads."""


def run(words: Sequence[str], listener: Listener) -> int:
    """Runs a command.

    Args:
        words: the arguments.
        listener: hears the signals that end it.

    Returns:
        The exit code.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Where the output cannot hold an ℓ, it gets a question mark.
        sys.stdout.reconfigure(errors="replace")
    try:
        command = application(words)
        listener.has_begun = True
        command(words, prog_name="onnx-lippa")
        code = 0
    except SystemExit as end:
        code = _code_of(end)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - whatever it is, it ends in a sentence and a code
        code = _told(error)
    return code if listener.received is None else 128 + listener.received


def _code_of(end: SystemExit) -> int:
    """The command line's own exit code; its 1 says that nobody reads the output."""
    if isinstance(end.code, int):
        return _NO_READER if end.code == 1 else end.code
    return 0 if end.code is None else InternalError.exit_code


def _told(error: Exception) -> int:
    """Says what is wrong on the standard error; its exit code."""
    told = unexpected(error)
    message = str(told)
    if isinstance(told, InternalError):
        if os.environ.get(DEBUG):
            traceback.print_exc()
        else:
            message += f", with the command and what it prints with {DEBUG}=1"
    text = Text("error: ", style="bold red").append(Text(message, style="not bold default"))
    console(stderr=True, soft_wrap=True).print(text)
    return told.exit_code
