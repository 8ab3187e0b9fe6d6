"""Where commands write: tables for people, events for machines."""

from __future__ import annotations

from rich.console import Console

from onnx_lippa.cli.arguments.options import Arguments
from onnx_lippa.cli.output.terminal import console
from onnx_lippa.errors import InputError
from onnx_lippa.runs.event_log import STDOUT, EventLog


def open_terminal(arguments: Arguments) -> Console:
    """Where tables go; it is quiet where the standard output is for JSON.

    Raises:
        InputError: it is for two kinds of JSON.
    """
    is_log = str(arguments.log_json) == STDOUT
    if is_log and arguments.as_json:
        raise InputError("--log-json - and --json exclude each other: write one of them to a file")
    return console(quiet=arguments.quiet or arguments.as_json or is_log)


def open_log(arguments: Arguments) -> tuple[EventLog, ...]:
    """The log of events, where one is wanted.

    Raises:
        InputError: it cannot be written.
    """
    return () if arguments.log_json is None else (EventLog(arguments.log_json),)
