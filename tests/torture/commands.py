"""Commands in processes of their own, watched."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")
"""Characters that steer a terminal; a newline and a tab are none."""
NO_COLOUR = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}
MEMORY = 8 << 30
"""Bytes of address space that a command under limits may take."""


@dataclass(frozen=True)
class Ended:
    """How a command ended; the code is negative for a signal."""

    code: int
    text: str
    seconds: float

    @property
    def fault(self) -> str:
        """What no ending may have: a traceback, a signal, a control character; or nothing."""
        if "Traceback (most recent call last)" in self.text:
            return f"traceback: {self.text[-600:]}"
        if self.code < 0:
            return f"signal {-self.code}: {self.text[-300:]}"
        if CONTROL.search(self.text):
            return f"control character in {self.text[-300:]!r}"
        return ""


def environment() -> dict[str, str]:
    """That of a command without colours, with this checkout's package."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, **NO_COLOUR, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def started(words: Sequence[object], folder: Path) -> subprocess.Popen[bytes]:
    """The command at the head of a process group; what it prints goes to a file of the folder."""
    with (folder / "printed").open("wb") as printed:
        return subprocess.Popen(
            [sys.executable, "-m", "onnx_lippa", *map(str, words)],
            stdout=printed,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env=environment(),
            start_new_session=True,
        )


def finished(words: Sequence[object], seconds: float = 120.0) -> Ended:
    """The command, run to its end; killed, with all of its group, when it takes too long."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        process = started(words, Path(folder))
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            end_group(process.pid)
            code = process.wait()
        taken = time.monotonic() - began
        return Ended(code, (Path(folder) / "printed").read_text(errors="replace"), taken)


def group(leader: int) -> list[int]:
    """The processes of a group that are alive."""
    members = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[2]) == leader and words[0] not in "ZX":
            members.append(int(entry.name))
    return members


def end_group(leader: int) -> None:
    """Kills what is left of a group."""
    for member in group(leader):
        try:
            os.kill(member, signal.SIGKILL)
        except ProcessLookupError:
            continue


def is_gone(leader: int, seconds: float) -> bool:
    """Whether a group has no process left within so many seconds."""
    deadline = time.monotonic() + seconds
    while group(leader):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def forked(work: Callable[[], None], seconds: float) -> Ended:
    """Runs the command line in a fork of this process, under limits of memory and time.

    It starts in milliseconds, which thousands of trials need. The process that forks must not
    have run ONNX Runtime or a solver: their threads do not survive a fork.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile() as printed:
        child = os.fork()
        if child == 0:
            _child(work, printed.fileno(), seconds)
        _, status = os.waitpid(child, 0)
        printed.seek(0)
        text = printed.read().decode(errors="replace")
    return Ended(os.waitstatus_to_exitcode(status), text, time.monotonic() - began)


def _child(work: Callable[[], None], printed: int, seconds: float) -> None:
    code = 70
    try:
        os.setsid()
        for stream in (1, 2):
            os.dup2(printed, stream)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  # it lives as long as the process
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(seconds))
        os.environ.update(NO_COLOUR)
        work()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  # a traceback is what the trial looks for
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def command_line(words: Sequence[object]) -> Callable[[], None]:
    """The command as work for :func:`forked`."""

    def work() -> None:
        from onnx_lippa.cli.main import main

        sys.argv = ["onnx-lippa", *map(str, words)]
        main()

    return work
