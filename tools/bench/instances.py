"""Attacks on a list of VNN-LIB instances, the answers beside the expected ones."""

from __future__ import annotations

import statistics
import subprocess
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from onnx_lippa.runs.properties.instances import read_results
from tools.bench.common import header, read_instances, row


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the table."""
    parser.add_argument("csv", type=Path, metavar="INSTANCES.csv")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--timeout", type=float)
    parser.add_argument("--workers", type=int, default=2)


def run(options: Namespace) -> None:
    """Runs the command over the whole list and prints the table."""
    command = ["onnx-lippa", "attack", "--instances", str(options.csv), "--out", str(options.out)]
    command += ["--workers", str(options.workers), "--quiet"]
    if options.timeout:
        command += ["--timeout", str(options.timeout)]
    started = time.perf_counter()
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - started
    rows = {(one["onnx"], one["vnnlib"]): one for one in read_instances(options.csv)}
    found: dict[str, list[tuple[str, str, float]]] = {}
    for result in read_results(options.out / "results.csv"):
        known = rows[result.instance.onnx, result.instance.vnnlib]
        answer = (known["expected"], result.answer, result.seconds)
        found.setdefault(known["benchmark"], []).append(answer)
    header("benchmark", "sat found", "median s", "slowest s", "unsat claimed sat", "errors")
    for benchmark, answers in found.items():
        sat = [a for a in answers if a[0] == "sat"]
        hits = [s for _, answer, s in sat if answer == "sat"]
        wrong = sum(e == "unsat" and a == "sat" for e, a, _ in answers)
        middle, slowest = (
            (f"{statistics.median(hits):.2f}", f"{max(hits):.2f}") if hits else ("-", "-")
        )
        row(
            benchmark, f"{len(hits)} of {len(sat)}", middle, slowest,
            f"{wrong} of {len(answers) - len(sat)}", sum(a == "error" for _, a, _ in answers),
        )  # fmt: skip
    print(f"\nWhole list: {seconds:.0f} s with {options.workers} workers.")
