"""Large neighbourhood search: ways to choose the free neurons, and sizes of their sets.

For every network, the default attack runs on the first inputs. What it leaves unbroken is the
starting point of each variant of the stage, all from the same end points.
"""

from __future__ import annotations

import statistics
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from onnx_lippa.attacks.free_units import FreeUnits
from onnx_lippa.attacks.ledger import Ledger
from onnx_lippa.attacks.stages import FreePatterns
from onnx_lippa.onnx_io import load
from tools.bench.common import attacked, header, problems_of, row

NEAR = 0.3
"""The stage's own closeness in the plan."""
ALONE = {
    "disagreeing": ((FreeUnits.DISAGREEING, FreeUnits.NEAREST),),
    "nearest": ((FreeUnits.NEAREST,),),
    "binding": ((FreeUnits.BINDING, FreeUnits.NEAREST),),
    "influential": ((FreeUnits.INFLUENTIAL,),),
    "disagreeing+influential": ((FreeUnits.DISAGREEING, FreeUnits.INFLUENTIAL),),
}
COLUMNS = (
    "network", "eps", "free units", "size", "open", "broken", "minutes", "broken a minute",
    "programs", "median margin before", "after",
)  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """One way to run the stage."""

    name: str
    stage: FreePatterns
    said: str


def variants(sizes: Sequence[int], seconds: float) -> list[Variant]:
    found = [
        Variant(
            name,
            FreePatterns(size, size, seconds=seconds, closeness=NEAR, ways=ways),
            str(size),
        )
        for name, ways in ALONE.items()
        for size in sizes
    ]
    default = FreePatterns(seconds=seconds, closeness=NEAR)
    said = f"{default.size} to {default.largest}"
    return [*found, Variant("in turn (default)", default, said)]


def continued(before: Ledger, chosen: list[int]) -> Ledger:
    """The books of some inputs, again from where the default attack left them."""
    problems = [before.progress[i].state.problem for i in chosen]
    ledger = Ledger(problems, before.model, before.engine, before.settings)
    for entry, i in zip(ledger.progress, chosen, strict=True):
        entry.end_points = list(before.progress[i].end_points)
        entry.state.observe(before.progress[i].state.best_margin)
        entry.visited = set(before.progress[i].visited)
    return ledger


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the table."""
    parser.add_argument("models", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--row", nargs=2, action="append", required=True, metavar=("NAME", "EPS"))
    parser.add_argument("--first", type=int, default=100)
    parser.add_argument("--most", type=int, help="only so many inputs, those of least margin")
    parser.add_argument("--seconds", type=float, default=20.0, help="for one input")
    parser.add_argument("--sizes", type=int, nargs="*", default=[15, 30, 60])
    parser.add_argument("--ways", nargs="*", help="only these, and 'in' for the default")


def run(options: Namespace) -> None:
    """Prints the table."""
    header(*COLUMNS)
    with threadpool_limits(limits=1), np.errstate(all="ignore"):
        for name, eps in options.row:
            print_rows(name, float(eps), options)


def print_rows(name: str, eps: float, options: Namespace) -> None:
    """The rows of one network."""
    model = load(options.models / f"{name}.onnx", threads=1)
    problems = problems_of(model, options.data, eps, options.first)
    before = attacked(model, problems)
    chosen = [i for i in before.unbroken() if before.progress[i].closeness() < NEAR]
    chosen = sorted(chosen, key=lambda i: before.progress[i].state.best_margin)[: options.most]
    if not chosen:
        row(name, eps, "nothing is left near", *[""] * 8)
        return
    margins = statistics.median(before.progress[i].state.best_margin for i in chosen)
    for variant in variants(options.sizes, options.seconds):
        if options.ways and variant.name.split()[0] not in options.ways:
            continue
        ledger = continued(before, chosen)
        started = time.perf_counter()
        variant.stage.run(ledger)
        minutes = (time.perf_counter() - started) / 60
        broken = sum(entry.state.witness is not None for entry in ledger.progress)
        programs = sum(entry.state.effort.mips for entry in ledger.progress)
        after = statistics.median(entry.state.best_margin for entry in ledger.progress)
        row(
            name, eps, variant.name, variant.said, len(chosen), broken, f"{minutes:.2f}",
            f"{broken / minutes:.1f}", programs, f"{margins:.4f}", f"{after:.4f}",
        )  # fmt: skip
