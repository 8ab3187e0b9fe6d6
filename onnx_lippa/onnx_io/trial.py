"""Loading a model in a child process first, which may run out of memory or time, or crash.

The child does what the parent does afterwards. It sends its result, or ends, and the parent
reports how. On Linux it is forked, which takes some hundredths of a second; elsewhere, and
where there are threads, which a fork would not take along, a new Python process is started.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from onnx_lippa.errors import LippaError, ModelError
from onnx_lippa.onnx_io.limits import LoadLimits
from onnx_lippa.text import printable

Result = TypeVar("Result")
QUIET_THREAD: Final = "onnx-lippa "
"""Prefix of the names of threads that hold no lock, beside which a process may fork."""
_CHUNK: Final = 1 << 20
_GRACE: Final = 2.0
"""Seconds beyond its time after which a child without a parent ends itself."""


def run_in_child(path: Path, limits: LoadLimits, work: Callable[[], Result]) -> Result:
    """Runs some work in a child process within limits, and returns its result.

    Args:
        path: the model, for messages.
        limits: memory and time of the child.
        work: the work; it and its result can be pickled.

    Raises:
        LippaError: the work raised it.
        ModelError: the child ran out of memory or time, or crashed.
    """
    others = [one for one in threading.enumerate() if one is not threading.current_thread()]
    alone = all(one.name.startswith(QUIET_THREAD) for one in others)
    can_fork = sys.platform == "linux" and alone
    said, status = (_fork if can_fork else _spawn)(limits, work)
    if status is None:
        raise ModelError(
            f"loading {path} took more than {limits.seconds:g} s: export a smaller model, or give "
            "it more (--load-time)"
        )
    try:
        kind, value = pickle.loads(said)
    except (EOFError, pickle.UnpicklingError):
        raise ModelError(_describe_end(path, limits, status)) from None
    if kind == "result":
        result: Result = value
        return result
    if kind == "memory":
        raise ModelError(
            f"loading {path} took more than {limits.memory / 1e9:.3g} GB of memory: check the "
            "shapes in it, or give it more (--load-memory)"
        )
    if isinstance(value, LippaError):
        raise value
    raise ModelError(f"loading {path} failed ({value}): please report it with the model")


def _describe_end(path: Path, limits: LoadLimits, status: int) -> str:
    number = -status
    name = signal.Signals(number).name if number in set(signal.Signals) else f"status {status}"
    if number == signal.SIGKILL:
        return (
            f"loading {path} was killed, as a machine that runs out of memory does "
            f"(it may take {limits.memory / 1e9:.3g} GB, --load-memory): check the shapes in it"
        )
    return (
        f"loading {path} ended the process that tried it ({name}), for want of memory or by a "
        "fault of ONNX Runtime: check the model and export it again"
    )


def _answer(limits: LoadLimits, work: Callable[[], Any]) -> bytes:
    """The pickled answer of the child."""
    try:
        _limit(limits)
        return pickle.dumps(("result", work()))
    except MemoryError:
        return pickle.dumps(("memory", None))
    except LippaError as error:
        return pickle.dumps(("error", error))
    except Exception as error:  # noqa: BLE001  # any fault becomes a message
        place = traceback.extract_tb(error.__traceback__)[-1]
        said = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {error}"
        return pickle.dumps(("fault", printable(said)))


def _limit(limits: LoadLimits) -> None:
    """Limits the memory of this process, where the system can."""
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ImportError:
        return
    with suppress(OSError, ValueError):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = used + limits.memory
        for known in (soft, hard):
            if known != resource.RLIM_INFINITY:
                wanted = min(wanted, known)
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _fork(limits: LoadLimits, work: Callable[[], Any]) -> tuple[bytes, int | None]:
    """The child's answer and its exit code (minus the signal); None where its time was up."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about threads of libraries, which are idle here
        child = os.fork()
    if child == 0:
        _child(writer, limits, work)
    os.close(writer)
    try:
        said = _read(reader, time.monotonic() + limits.seconds)
        if said is None:
            return b"", None
        status = _wait(child)
        child = 0
        return said, status
    finally:
        os.close(reader)
        if child:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            _wait(child)


def _wait(child: int) -> int:
    """How the child ended; 0 where the system has forgotten it, as it does for whoever ignores
    SIGCHLD."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except ChildProcessError:
        return 0


def _child(writer: int, limits: LoadLimits, work: Callable[[], Any]) -> NoReturn:
    """The forked process: sends its answer and ends silently."""
    try:
        for number in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, min(limits.seconds + _GRACE, 1e6))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        _send(writer, _answer(limits, work))
    finally:
        os._exit(0)


def _send(writer: int, answer: bytes) -> None:
    left = memoryview(answer)
    while left:
        left = left[os.write(writer, left) :]


def _read(reader: int, deadline: float) -> bytes | None:
    """All bytes until the other end is closed; None where that takes too long."""
    parts: list[bytes] = []
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        ready, _, _ = select.select([reader], [], [], left)
        if ready:
            part = os.read(reader, _CHUNK)
            if not part:
                return b"".join(parts)
            parts.append(part)


def _spawn(limits: LoadLimits, work: Callable[[], Any]) -> tuple[bytes, int | None]:
    """As :func:`_fork`, in a new Python process."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        ended = subprocess.run(
            [sys.executable, "-m", __name__],
            input=pickle.dumps((limits, work)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=limits.seconds,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return b"", None
    return ended.stdout, ended.returncode


def _main() -> None:
    limits, work = pickle.loads(sys.stdin.buffer.read())
    words = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no part of the answer
    _send(words, _answer(limits, work))


if __name__ == "__main__":
    _main()
