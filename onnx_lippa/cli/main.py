"""The entry point: commands, and errors turned into one sentence and an exit code."""

from __future__ import annotations

import io
import sys
from typing import Final

import typer
from rich.console import Console
from rich.text import Text

from onnx_lippa.cli.attack import attack
from onnx_lippa.cli.audit import audit
from onnx_lippa.cli.certify import certify
from onnx_lippa.cli.gradient import gradient
from onnx_lippa.cli.inspect import inspect
from onnx_lippa.cli.regions import regions
from onnx_lippa.cli.replay import replay
from onnx_lippa.errors import LippaError

_INTERRUPTED: Final = 130

app = typer.Typer(
    name="onnx-lippa",
    help="Attack exported piecewise-linear networks with linear programs, and prove what holds.",
    epilog="Exit codes: 0 finished; 1 a claim that does not hold, or two that contradict; 2 bad "
    "arguments or data; 3 a model that is unsupported or differs from ONNX Runtime; 130 "
    "interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(attack)
app.command()(certify)
app.command()(audit)
app.command()(replay)
app.command()(inspect)
app.command()(gradient)
app.command()(regions)


def main() -> None:
    """Runs the command line and exits."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Where the output cannot hold an ℓ, it gets a question mark.
        sys.stdout.reconfigure(errors="replace")
    try:
        app()
    except LippaError as error:
        message = Text("error: ", style="bold red").append(
            Text(str(error), style="not bold default")
        )
        Console(stderr=True, soft_wrap=True).print(message)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted")
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
