"""The long form: ``python -m tests.torture --minutes 120``."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.torture.kinds import KINDS
from tests.torture.trial import Ending, Kind, Trial

AT_ONCE = 50
"""Seeds in one process."""


def main() -> int:
    """Runs trials for some time; the exit code is 1 where any broke the program's word."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="for all kinds together")
    parser.add_argument("--kinds", default="", help="only those whose name has one of these words")
    parser.add_argument("--seed", type=int, default=1_000_000, help="the first seed")
    parser.add_argument("--log", type=Path, help="file for what was not held, one JSON a line")
    chosen = parser.parse_args()
    words = [word for word in chosen.kinds.split(",") if word]
    kinds = [kind for kind in KINDS if not words or any(word in kind.name for word in words)]
    counts: dict[str, Counter[Ending]] = {kind.name: Counter() for kind in kinds}
    each = 60 * chosen.minutes / len(kinds)
    for kind in kinds:
        for trial in _trials(kind, chosen.seed, time.monotonic() + each):
            counts[kind.name][trial.ending] += 1
            if trial.ending is not Ending.HELD:
                _tell(trial, chosen.log)
    print(_table(counts))
    return int(any(e.is_fault for count in counts.values() for e in count))


def _trials(kind: Kind, seed: int, deadline: float):  # a generator of trials
    """Trials of one kind until a deadline, in a process of their own: some of them fork."""
    context = multiprocessing.get_context("spawn")
    while time.monotonic() < deadline:
        # Not a daemon, which may have no children of its own; a new one now and then.
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            for trials in pool.map(kind.run, range(seed, seed + AT_ONCE)):
                yield from trials
                if time.monotonic() > deadline:
                    pool.shutdown(cancel_futures=True)
                    return
        seed += AT_ONCE


def _tell(trial: Trial, log: Path | None) -> None:
    line = json.dumps({"kind": trial.kind, "seed": trial.seed, "ending": trial.ending.value,
                       "note": trial.note})  # fmt: skip
    if trial.ending.is_fault:
        print(line, file=sys.stderr, flush=True)
    if log is not None:
        with log.open("a") as file:
            file.write(line + "\n")


def _table(counts: dict[str, Counter[Ending]]) -> str:
    endings = (Ending.UNDECIDED, Ending.LOST, Ending.CRASHED, Ending.FALSE, Ending.LATE)
    lines = ["| trials of | number | undecided | losses | crashes | false claims | late |",
             "| --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for name, count in counts.items():
        cells = [str(sum(count.values())), *(str(count[ending]) for ending in endings)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
