"""Draws what a command prints on a terminal as an SVG.

python tools/terminal_picture.py docs/run.svg onnx-lippa attack models/mnist_mlp.onnx --eps 0.1
"""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 96


def main() -> None:
    target, *command = sys.argv[1:]
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    console.print(Text("$ " + " ".join(command), style="bold green"))
    # The progress bar is drawn and erased again: only what stays is shown.
    shown = done.stdout[done.stdout.rfind("\x1b[?25h") + 6 :] if "\x1b[?25h" in done.stdout else ""
    before = done.stdout.split("\x1b[?25l", maxsplit=1)[0]
    console.print(Text.from_ansi(before + shown.split("\x1b[2K")[-1]))
    Path(target).write_text(console.export_svg(title="onnx-lippa"), encoding="utf-8")


if __name__ == "__main__":
    main()
