"""The command line, run in this process or in one of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from onnx_lippa.cli.main import main

ROOT = Path(__file__).parents[2]
FEW = ("--restarts", "1", "--gradient-steps", "15", "--lp-steps", "3")
"""Budgets for tests that are not about how much is found."""


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """What it wrote on standard error, on one line."""
        return " ".join(self.err.split())


def command(*arguments: object, out: io.TextIOBase | None = None) -> Finished:
    """Runs ``onnx-lippa`` with these arguments in this process."""
    out, err = out or io.StringIO(), io.StringIO()
    words = ["onnx-lippa", *map(str, arguments)]
    with mock.patch.object(sys, "argv", words), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    said = out.getvalue() if isinstance(out, io.StringIO) else ""
    return Finished(code, said, err.getvalue())


def spawned(*arguments: object, **options: object) -> subprocess.Popen[str]:
    """The same in a process of its own, at the head of its own process group."""
    return subprocess.Popen(
        [sys.executable, "-m", "onnx_lippa.cli.main", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
        start_new_session=True,
        **options,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder and what it holds."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
