"""The command line, run in this process or in one of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from unittest import mock

from onnx_lippa.cli.main import main
from tests.support.paths import ROOT

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


def spawned(*arguments: object, **options: Any) -> subprocess.Popen[str]:
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


def opened(stream: IO[str] | None) -> IO[str]:
    """A pipe of a process, which is there."""
    assert stream is not None
    return stream


class JsonProcess:
    """A script in a process of its own, which answers each line of JSON with another."""

    def __init__(self, script: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, question: object) -> Any:
        stream = opened(self._process.stdin)
        stream.write(json.dumps(question) + "\n")
        stream.flush()
        return json.loads(opened(self._process.stdout).readline())

    def close(self) -> None:
        opened(self._process.stdin).close()
        opened(self._process.stdout).close()
        assert self._process.wait(30) == 0


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder and what it holds."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def assert_refused(ended: Finished, code: int, *words: str) -> None:
    """One sentence on standard error, nothing on standard output but what came before."""
    assert ended.code == code, ended
    assert "Traceback" not in ended.err
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1, "one line"
    assert len(ended.err) > 30, "says what is wrong and what to do"
    for word in words:
        assert word in ended.err, ended.err


def wait_until(holds, seconds=10.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not holds():
        time.sleep(0.05)
    return holds()


def group_lives(group) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition, process, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.002)


def lines(out) -> int:
    path = out / "results.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0
