"""Proofs on a list of VNN-LIB instances, the answers beside the expected ones."""

from __future__ import annotations

import subprocess
from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path

from tools.bench.common import header, read_instances, row

Answers = Counter[tuple[str, str]]
"""How often which answer was given where which one was expected."""


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the table."""
    parser.add_argument("instances", type=Path, metavar="INSTANCES.csv")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--timeout", type=float, default=60.0)


def run(options: Namespace) -> None:
    """Runs the command over the whole list and prints the table."""
    subprocess.run(
        ["onnx-lippa", "certify", "--instances", str(options.instances), "--timeout",
         str(options.timeout), "--out", str(options.out), "--quiet"], check=True,
    )  # fmt: skip
    expected = {(one["onnx"], one["vnnlib"]): one for one in read_instances(options.instances)}
    table: dict[str, Answers] = {}
    slowest: dict[str, float] = {}
    for result in read_instances(options.out / "results.csv"):
        known = expected[result["onnx"], result["vnnlib"]]
        name = known["benchmark"]
        table.setdefault(name, Counter())[known["expected"], result["answer"]] += 1
        if result["answer"] in ("sat", "unsat"):
            slowest[name] = max(slowest.get(name, 0.0), float(result["seconds"]))
    header("benchmark", "unsat proven", "sat found", "wrong", "open", "slowest answer, s")
    total: Answers = Counter()
    for name, counts in table.items():
        total += counts
        print_row(name, counts, slowest.get(name, 0.0))
    print_row("**all**", total, max(slowest.values(), default=0.0))


def print_row(name: str, counts: Answers, seconds: float) -> None:
    """The row of one benchmark."""
    of = {kind: sum(n for (e, _), n in counts.items() if e == kind) for kind in ("sat", "unsat")}
    right = {kind: counts[kind, kind] for kind in of}
    wrong = counts["sat", "unsat"] + counts["unsat", "sat"]
    row(
        name, f"{right['unsat']} of {of['unsat']}", f"{right['sat']} of {of['sat']}", wrong,
        sum(counts.values()) - sum(right.values()) - wrong, f"{seconds:.1f}",
    )  # fmt: skip
