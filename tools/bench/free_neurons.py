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

from onnx_lippa.attacks.stages.free_neurons import FreeNeurons
from onnx_lippa.attacks.stages.neighbourhood import LargeNeighbourhoodSearch
from onnx_lippa.attacks.stages.state import AttackBatch, AttackState
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.state import Budget
from tools.bench.common import attacked, header, problems_of, row

NEAR = 0.3
"""The stage's own closeness in the plan."""
ALONE = {
    "disagreeing": ((FreeNeurons.DISAGREEING, FreeNeurons.NEAREST),),
    "nearest": ((FreeNeurons.NEAREST,),),
    "binding": ((FreeNeurons.BINDING, FreeNeurons.NEAREST),),
    "influential": ((FreeNeurons.INFLUENTIAL,),),
    "disagreeing+influential": ((FreeNeurons.DISAGREEING, FreeNeurons.INFLUENTIAL),),
}
COLUMNS = (
    "network", "eps", "free neurons", "size", "open", "broken", "minutes", "broken a minute",
    "programs", "median margin before", "after",
)  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """One way to run the stage."""

    name: str
    stage: LargeNeighbourhoodSearch
    said: str


def variants(sizes: Sequence[int], seconds: float) -> list[Variant]:
    found = [
        Variant(
            name,
            LargeNeighbourhoodSearch(
                size, size, seconds=seconds, max_relative_margin=NEAR, ways=ways
            ),
            str(size),
        )
        for name, ways in ALONE.items()
        for size in sizes
    ]
    default = LargeNeighbourhoodSearch(seconds=seconds, max_relative_margin=NEAR)
    said = f"{default.size} to {default.largest}"
    return [*found, Variant("in turn (default)", default, said)]


def continued(model: Model, chosen: list[AttackState]) -> AttackBatch:
    """Attacks on the same inputs, from where the default attack left them."""
    problems = [attack.state.problem for attack in chosen]
    batch = AttackBatch.begin(problems, model, chosen[0].engine, Budget())
    for attack, before in zip(batch.attacks, chosen, strict=True):
        attack.end_points = list(before.end_points)
        attack.state.observe(before.state.best_margin)
        attack.visited = set(before.visited)
    return batch


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
    chosen = [attack for attack in before.unbroken() if attack.relative_margin < NEAR]
    chosen = sorted(chosen, key=lambda attack: attack.state.best_margin)[: options.most]
    if not chosen:
        row(name, eps, "nothing is left near", *[""] * 8)
        return
    margins = statistics.median(attack.state.best_margin for attack in chosen)
    for variant in variants(options.sizes, options.seconds):
        if options.ways and variant.name.split()[0] not in options.ways:
            continue
        batch = continued(model, chosen)
        started = time.perf_counter()
        variant.stage.run(batch)
        minutes = (time.perf_counter() - started) / 60
        broken = sum(attack.state.witness is not None for attack in batch.attacks)
        programs = sum(attack.state.effort.mips for attack in batch.attacks)
        after = statistics.median(attack.state.best_margin for attack in batch.attacks)
        row(
            name, eps, variant.name, variant.said, len(chosen), broken, f"{minutes:.2f}",
            f"{broken / minutes:.1f}", programs, f"{margins:.4f}", f"{after:.4f}",
        )  # fmt: skip
