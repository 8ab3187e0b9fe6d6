"""The commands, of which only the one that is asked for is imported.

So ``--help`` and a wrong word answer at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Final

import typer

from onnx_lippa import __version__


@dataclass(frozen=True)
class Command:
    """One command; its function has its name, in the module of its name.

    Attributes:
        name: what it is called by.
        help: its first sentence, as its docstring has it.
    """

    name: str
    help: str

    def function(self) -> Callable[..., None]:
        """The command itself, imported."""
        found: Callable[..., None] = getattr(
            import_module(f"onnx_lippa.cli.{self.name}"), self.name
        )
        return found


COMMANDS: Final = (
    Command("attack", "Attack every input of a data set and say how robust the network is."),
    Command(
        "certify",
        "Prove inputs robust, or a property unsat, or find a counterexample on the way.",
    ),
    Command(
        "audit",
        "Attack and prove, cheapest first: the robust error as an interval that narrows.",
    ),
    Command("replay", "Re-check every claim of a run from its files alone, as far as the run got."),
    Command(
        "inspect", "Show the layers of a model, and everything about it that is not supported."
    ),
    Command(
        "gradient",
        "Write value and gradient as an ONNX graph: inputs x and v, outputs logits and J(x)ᵀ v.",
    ),
    Command(
        "regions",
        "Count the units that can change their piece near an input, and linear regions around it.",
    ),
)


def application(words: Sequence[str]) -> typer.Typer:
    """The command line for some arguments: the command they name is real, the others are listed."""
    app = typer.Typer(
        name="onnx-lippa",
        help="Attack exported piecewise-linear networks with linear programs, and prove what "
        "holds.",
        epilog="Exit codes: 0 finished; 1 a claim that does not hold, or two that contradict; 2 "
        "bad arguments or data; 3 a model that is unsupported or differs from ONNX Runtime; 5 a "
        "damaged folder of results; 70 an internal error; 71 no workers or no memory; 128 + N "
        "ended by signal N (130 by Ctrl-C).",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_common)
    named = next((word for word in words if not word.startswith("-")), None)
    for command in COMMANDS:
        if command.name == named:
            app.command()(command.function())
        else:
            app.command(command.name, help=command.help)(_listed)
    return app


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"onnx-lippa {__version__}")
        raise typer.Exit


def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Options that need no command; the version is shown by its callback."""


def _listed() -> None:
    """Stands for a command that was not asked for."""
