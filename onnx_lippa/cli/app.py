"""The commands, and how one ends: a sentence for an error and an exit code that says its kind.

Only the module of the command that is called is imported, so that ``--help`` answers at once.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Final

import typer
from rich.text import Text

from onnx_lippa import __version__
from onnx_lippa.cli.output.terminal import console
from onnx_lippa.cli.signals import SignalHandler
from onnx_lippa.errors import InternalError, unexpected


@dataclass(frozen=True)
class Command:
    """One command; module and function have its name.

    Attributes:
        name: its name.
        help: the first sentence of its docstring.
    """

    name: str
    help: str

    def function(self) -> Callable[..., None]:
        """Imports the command."""
        found: Callable[..., None] = getattr(
            import_module(f"onnx_lippa.cli.commands.{self.name}"), self.name
        )
        return found


COMMANDS: Final = (
    Command("attack", "Search for adversarial examples: a lower bound of the robust error."),
    Command("certify", "Prove inputs robust and properties unsat, or find counterexamples."),
    Command(
        "audit", "Attack and prove, cheapest first: the robust error as an interval that narrows."
    ),
    Command("distance", "Bound the minimal distortion of each input, from above and below."),
    Command("check", "Hold a finished run against conditions, and write reports of it."),
    Command("diff", "Compare two runs input by input: what got worse, and what got better."),
    Command("doctor", "Try everything that runs need: versions, solvers, processes, a self-test."),
    Command("rerun", "Repeat a run or answers from their folder, and compare the results."),
    Command("replay", "Check every claim of a run again, from the files of its folder alone."),
    Command("report", "Write one HTML page about one run, or about several side by side."),
    Command("export", "Write the adversarial inputs of a run as PNG files."),
    Command("inspect", "List the layers of a model, and everything in it that is not supported."),
    Command(
        "gradient",
        "Write the gradient as an ONNX graph: inputs x and v, outputs logits and J(x)ᵀ v.",
    ),
    Command(
        "regions",
        "Count the stable neurons and the linear regions in a ball around each input.",
    ),
    Command("trace", "Show the path of an attack on one input: LPSteps, GSSteps, linear regions."),
)

_DEBUG: Final = "ONNX_LIPPA_DEBUG"
"""Environment variable that shows the traceback of an internal error."""
_COMPLETE: Final = "_ONNX_LIPPA_COMPLETE"
"""Environment variable with which a shell asks for completions."""
_INTERRUPTED: Final = 130
_NO_READER: Final = 141
"""A shell's code for a process that writes to a closed pipe."""


def application(words: Sequence[str]) -> typer.Typer:
    """The command line; the command that the arguments name is real, the others are listed."""
    app = typer.Typer(
        name="onnx-lippa",
        help="Attack piecewise-linear ONNX networks with linear programs, and prove them robust.",
        epilog="Exit codes: 0 finished; 1 a false claim in a replay, or a witness and a proof for "
        "one input; 2 bad arguments or data; 3 a model that is unsupported or differs from ONNX "
        "Runtime; 4 a gate failed, or a run got worse; 5 a damaged folder of results; 70 an "
        "internal error; 71 no worker processes or no memory; 128 + N ended by signal N (130: "
        "Ctrl-C).",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_common)
    named = next((word for word in _typed(words) if not word.startswith("-")), None)
    for command in COMMANDS:
        if command.name == named:
            app.command()(command.function())
        else:
            app.command(command.name, help=command.help)(_listed)
    return app


def _typed(words: Sequence[str]) -> Sequence[str]:
    """The arguments; those on the line that a shell wants completed, where it asks.

    A shell hands the line over in the environment, and no arguments.
    """
    if _COMPLETE not in os.environ:
        return words
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    return line.split()[1:]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"onnx-lippa {__version__}")
        raise typer.Exit


def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """The options without a command; a callback shows the version."""


def _listed() -> None:
    """A command that is listed and not called."""


def run(words: Sequence[str], signals: SignalHandler) -> int:
    """Runs a command.

    Args:
        words: the arguments.
        signals: receives the signals that end it.

    Returns:
        The exit code.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # An encoding without ℓ gets a question mark.
        sys.stdout.reconfigure(errors="replace")
    try:
        command = application(words)
        signals.has_begun = True
        command(words, prog_name="onnx-lippa")
        code = 0
    except SystemExit as end:
        code = _code_of(end)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - any error ends in a sentence and a code
        code = _report(error)
    return code if signals.received is None else 128 + signals.received


def _code_of(end: SystemExit) -> int:
    """Typer's exit code; its 1 means a closed pipe."""
    if isinstance(end.code, int):
        return _NO_READER if end.code == 1 else end.code
    return 0 if end.code is None else InternalError.exit_code


def _report(error: Exception) -> int:
    """Prints the error to the standard error; returns its exit code."""
    told = unexpected(error)
    message = str(told)
    if isinstance(told, InternalError):
        if os.environ.get(_DEBUG):
            traceback.print_exc()
        else:
            message += f", with the command and what it prints with {_DEBUG}=1"
    text = Text("error: ", style="bold red").append(Text(message, style="not bold default"))
    console(stderr=True, soft_wrap=True).print(text)
    return told.exit_code
