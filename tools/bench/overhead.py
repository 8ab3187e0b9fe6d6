"""What the folder of a run and each report cost, as shares of the run."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import onnx_lippa
from onnx_lippa.runs.folder import RunFolder
from tools.bench.common import add_model_and_data, header, labelled, row

FORMATS = ("junit", "sarif", "markdown", "html")
PARTS = ("open", "results", "end")
"""Opening the folder; lines of the journal and of ``results.jsonl``, with witnesses; and what is
written at the end, ``adversarials.npz`` and ``summary.json``."""


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the table."""
    add_model_and_data(parser, eps=0.05)
    parser.add_argument("--first", type=int, default=200, help="inputs")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each kind; medians count")


def run(options: Namespace) -> None:
    """Prints the table. All work is done in this process, by one worker."""
    print(f"`{options.model.name}`, {options.first} inputs, eps {options.eps:g}\n")
    header(
        "run", "run, s", "folder opened", "results and witnesses", "end", "of these fsync", *FORMATS
    )  # fmt: skip
    model = onnx_lippa.load(options.model)
    x, y = (rows[: options.first] for rows in labelled(model, options.data))
    for name, call in (("attack", onnx_lippa.attack), ("audit", onnx_lippa.audit)):
        measured = []
        for _ in range(options.repeats + 1):
            measured.append(measure(partial(call, model, x, y, eps=options.eps, workers=1)))
        del measured[0]  # it warms up
        cells = []
        for part in (*PARTS, "fsync", *FORMATS):
            seconds = statistics.median(one[part] for one in measured)
            share = statistics.median(one[part] / one["run"] for one in measured)
            cells.append(f"{1000 * seconds:.0f} ms, {share:.1%}")
        row(name, f"{statistics.median(one['run'] for one in measured):.1f}", *cells)


def measure(start: Callable[..., Any]) -> defaultdict[str, float]:
    """Seconds of a run with a folder, of the parts of its folder, and of each report about it."""
    spent: defaultdict[str, float] = defaultdict(float)
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        with (
            timed(spent, RunFolder, "__init__", "open"),
            timed(spent, RunFolder, "add", "results"),
            timed(spent, RunFolder, "close", "end"),
            timed(spent, os, "fsync", "fsync"),
        ):
            started = time.perf_counter()
            results = start(out=out / "run")
            spent["run"] = time.perf_counter() - started
        for one in FORMATS:
            started = time.perf_counter()
            onnx_lippa.write_reports(results, {one: out / one})
            spent[one] = time.perf_counter() - started
    return spent


@contextmanager
def timed(spent: defaultdict[str, float], owner: object, name: str, part: str) -> Iterator[None]:
    """A block in which the time inside a function is counted."""
    real = getattr(owner, name)

    def watched(*arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        try:
            return real(*arguments, **options)
        finally:
            spent[part] += time.perf_counter() - started

    with mock.patch.object(owner, name, watched):
        yield
