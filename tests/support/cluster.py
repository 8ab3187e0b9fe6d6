"""A Dask scheduler and its workers, each in a process of its own, as their commands start them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from tests.support.commands import group_lives, wait_until
from tests.support.paths import ROOT

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class DaskCluster:
    """A scheduler and the workers that are started for it; all end with the ``with``.

    Args:
        folder: where they work and write their logs.
        options: further options of the scheduler and of each worker.
    """

    def __init__(self, folder: Path, options: tuple[object, ...] = ()) -> None:
        self._folder, self._file, self._options = folder, folder / "scheduler.json", options
        protocol = "tls" if options else "tcp"
        self.scheduler = self._start(
            "dask_scheduler", "--host", f"{protocol}://127.0.0.1", "--port", 0,
            "--scheduler-file", self._file,
        )  # fmt: skip
        self.workers: list[subprocess.Popen[bytes]] = []
        assert wait_until(self._is_up, 60.0), self.log()

    def __enter__(self) -> DaskCluster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in (*self.workers, self.scheduler):
            kill(process)

    @property
    def address(self) -> str:
        """Where the scheduler is."""
        return json.loads(self._file.read_text())["address"]

    def add_worker(self, *options: object) -> subprocess.Popen[bytes]:
        """A further worker with one thread."""
        self.workers.append(
            self._start(
                "dask_worker", self.address, "--nthreads", 1, "--local-directory", self._folder,
                *(options or ("--no-nanny",)),
            )
        )  # fmt: skip
        return self.workers[-1]

    def log(self) -> str:
        """What all processes have written."""
        return "\n".join(path.read_text() for path in sorted(self._folder.glob("*.log")))

    def _is_up(self) -> bool:
        return self._file.exists() and self._file.read_text().endswith("}")

    def _start(self, module: str, *words: object) -> subprocess.Popen[bytes]:
        number = len(list(self._folder.glob("*.log")))
        given = map(str, (*words, *self._options, "--no-dashboard"))
        variables = {name: value for name, value in os.environ.items() if name not in _THREADS}
        with (self._folder / f"{number}-{module}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{module}", *given],
                stdout=log, stderr=log, cwd=ROOT, env={**variables, "PYTHONPATH": str(ROOT)},
                start_new_session=True,
            )  # fmt: skip


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kills a process with all of its group, as the loss of a machine does."""
    if group_lives(process.pid):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes that a Dask worker without a nanny has for its jobs."""
    table = subprocess.run(["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, check=True)
    rows = [line.split(None, 2) for line in table.stdout.decode(errors="replace").splitlines()]
    return [
        int(pid) for pid, parent, words in rows
        if int(parent) == process.pid and "spawn_main" in words
    ]  # fmt: skip
