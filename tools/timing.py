"""Times calls in turns and measures how busy other processes keep the machine meanwhile."""

import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

SAMPLE_SECONDS = 0.05
"""A timing sample repeats a call until it takes about this long."""

QUIET_LOAD = 0.1
"""How many cores other processes may keep busy before the times are doubtful."""


class OtherLoad:
    """Measures how many cores other processes kept busy between its creation and `cores`."""

    def __init__(self) -> None:
        self._start = self._now()

    def cores(self) -> float | None:
        """The cores, or None where the system does not tell; warns if they are too many."""
        wall, busy, own = (now - start for now, start in zip(self._now(), self._start, strict=True))
        if math.isnan(busy) or wall <= 0:
            return None
        cores = max(0.0, (busy - own) / wall)
        if cores > QUIET_LOAD:
            warning = f"other processes kept {cores:.2f} cores busy; do not trust the times"
            print(f"{Path(sys.argv[0]).name}: {warning}", file=sys.stderr, flush=True)
        return round(cores, 2)

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """Seconds of the clock, of all busy cores (nan if unknown), and of this process."""
        try:
            ticks = [int(field) for field in Path("/proc/stat").read_text().split()[1:9]]
        except OSError:
            return time.perf_counter(), math.nan, time.process_time()
        idle = sum(ticks[3:5])  # idle, and waiting for a disk
        busy = (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK")
        return time.perf_counter(), busy, time.process_time()


def time_in_turns(calls: Sequence[Callable[[], object]], repeats: int) -> list[list[float]]:
    """Milliseconds per call, `repeats` samples of each call, taken in turns (A B A B ...)."""
    counts = [_calls_per_sample(call) for call in calls]
    samples: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, count, row in zip(calls, counts, samples, strict=True):
            _seconds(call, 1)  # the threads of the other call are at rest after this one
            row.append(1e3 * _seconds(call, count) / count)
    return samples


def _calls_per_sample(call: Callable[[], object]) -> int:
    """How many calls make a sample long enough to time, after a warm-up."""
    _seconds(call, 3)
    return max(1, math.ceil(SAMPLE_SECONDS / max(_seconds(call, 3) / 3, 1e-6)))


def _seconds(call: Callable[[], object], count: int) -> float:
    """The seconds of `count` calls in a row."""
    start = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - start
