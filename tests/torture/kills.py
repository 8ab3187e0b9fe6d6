"""Commands that are killed at random moments, gone on with, and replayed."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.support.paths import ROOT
from tests.torture.commands import end_group, finished, group, is_gone, started
from tests.torture.trial import Ending, Trial

KIND = "kills of commands at random moments"
DIGITS = ROOT / "models" / "digits_mlp.onnx"
SIGNALS = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGHUP: 129}
"""Signals, and the exit codes of a command that they end."""
COMMANDS = (
    ("attack", "--eps", "0.05", "--first", "60"),
    ("attack", "--first", "12"),
    ("certify", "--eps", "0.02", "--first", "60", "--time-limit", "5"),
    ("audit", "--eps", "0.05", "--first", "60", "--time-limit", "5"),
    ("attack", "--eps", "0.02,0.05", "--first", "40"),
)
EARLY = 1.0
"""Seconds in which a signal may find an interpreter that has yet to read its first line."""
GONE = 8.0
"""Seconds in which every process of a killed command must be gone."""


def run(seed: int) -> list[Trial]:
    """One kill, of the command itself or of one of its workers."""
    generator = np.random.default_rng([seed, 103])
    words = COMMANDS[int(generator.integers(len(COMMANDS)))]
    workers = int(generator.integers(1, 4))
    chosen = list(SIGNALS)[int(generator.integers(len(SIGNALS)))]
    at_worker = workers > 1 and generator.random() < 0.25
    delay = float(generator.uniform(0.0, 5.0))
    note = f"{' '.join(words)} --workers {workers}, {chosen.name} after {delay:.2f} s"
    note += " to a worker" if at_worker else ""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        whole = [words[0], DIGITS, *words[1:], "--workers", workers, "--out", place / "run"]
        process = started(whole, place)
        time.sleep(delay)
        victims = [one for one in group(process.pid) if one != process.pid]
        victim = victims[0] if at_worker and victims else process.pid
        try:
            os.kill(victim, signal.SIGKILL if victim != process.pid else chosen)
        except ProcessLookupError:
            return [Trial(KIND, seed, Ending.HELD, f"{note}: it had ended")]
        try:
            code = process.wait(120 if victim != process.pid else 30)
        except Exception:  # noqa: BLE001  # it hangs
            end_group(process.pid)
            process.wait()
            return [Trial(KIND, seed, Ending.CRASHED, f"{note}: it does not end")]
        if not is_gone(process.pid, GONE):
            end_group(process.pid)
            return [Trial(KIND, seed, Ending.CRASHED, f"{note}: processes live on")]
        printed = (place / "printed").read_text(errors="replace")
        if "Traceback" in printed and not (delay < EARLY and is_of_python(printed)):
            return [Trial(KIND, seed, Ending.CRASHED, f"{note}: {printed[-800:]}")]
        # Python itself dies of a signal that comes before anything is installed.
        is_early = code in (-chosen, 1) and delay < EARLY
        if victim == process.pid and code not in (0, SIGNALS[chosen]) and not is_early:
            return [Trial(KIND, seed, Ending.CRASHED, f"{note}: exit code {code}, {printed}")]
        return [_taken_up(seed, note, whole, place / "run")]


def is_of_python(printed: str) -> bool:
    """Whether an interrupt came before the first line of the command line was read."""
    return "KeyboardInterrupt" in printed and f"onnx_lippa{os.sep}cli" not in printed


def _taken_up(seed: int, note: str, whole: list[object], out: Path) -> Trial:
    """What is on disk replays, is gone on with, and is kept."""
    known = verdicts(out)
    if known:
        replayed = finished(["replay", out])
        if replayed.code != 0 or replayed.fault:
            ending = Ending.FALSE if replayed.code == 1 else Ending.LOST
            return Trial(KIND, seed, ending, f"{note}: replay of the rest: {replayed}")
    again = finished(whole)
    if again.code != 0 or again.fault:
        return Trial(KIND, seed, Ending.CRASHED, f"{note}: going on: {again}")
    final = verdicts(out)
    changed = {key: (was, final.get(key)) for key, was in known.items() if final.get(key) != was}
    if changed:
        return Trial(KIND, seed, Ending.LOST, f"{note}: {changed}")
    replayed = finished(["replay", out])
    if replayed.code != 0 or replayed.fault:
        ending = Ending.FALSE if replayed.code == 1 else Ending.CRASHED
        return Trial(KIND, seed, ending, f"{note}: replay at the end: {replayed}")
    return Trial(KIND, seed, Ending.HELD, f"{note}: {len(known)} of {len(final)} were on disk")


def verdicts(out: Path) -> dict[tuple[str, int], str]:
    """Verdicts on disk by file and index; a line that was cut short counts as none."""
    found = {}
    for path in sorted(out.rglob("results.jsonl")) if out.exists() else []:
        for line in path.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                continue
            record = json.loads(line)
            if "index" in record:
                found[path.parent.name, record["index"]] = record["verdict"]
    return found
