"""The measurements of docs/performance.md on the networks and properties of the competition.

Each command prints Markdown:

    python tools/bench_properties.py instances instances.csv --out RUN   # every answer, whole
    python tools/bench_properties.py networks instances.csv   # load time, memory, gradient
    python tools/bench_properties.py scaling                  # LPSteps against number of ReLUs
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from bench import machine
from onnx import TensorProto, helper, numpy_helper
from threadpoolctl import threadpool_limits

from onnx_lippa.lp.engines import make_engine
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.runs.instances import read_results
from onnx_lippa.spec import InputSet, UnsafeSet, norm_named

SIZES = (1_000, 5_000, 15_000, 45_000)
"""Numbers of ReLUs of the networks in ``scaling``."""


def instances(options: argparse.Namespace) -> None:
    """Runs the command over the whole list and holds its answers against the expected ones."""
    command = ["onnx-lippa", "attack", "--instances", str(options.csv), "--out", str(options.out)]
    command += ["--workers", str(options.workers), "--quiet"]
    if options.timeout:
        command += ["--timeout", str(options.timeout)]
    started = time.perf_counter()
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - started
    with options.csv.open() as file:
        rows = {(row["onnx"], row["vnnlib"]): row for row in csv.DictReader(file)}
    found: dict[str, list[tuple[str, str, float]]] = {}
    for result in read_results(options.out / "results.csv"):
        row = rows[result.instance.onnx, result.instance.vnnlib]
        found.setdefault(row["benchmark"], []).append(
            (row["expected"], result.answer, result.seconds)
        )
    print(
        "| benchmark | sat found | median s | slowest s | unsat claimed sat | errors |\n| "
        + "--- | " * 6
    )
    for benchmark, answers in found.items():
        sat = [a for a in answers if a[0] == "sat"]
        hits = [s for _, answer, s in sat if answer == "sat"]
        wrong = sum(e == "unsat" and a == "sat" for e, a, _ in answers)
        errors = sum(a == "error" for _, a, _ in answers)
        middle, slowest = (
            (f"{statistics.median(hits):.2f}", f"{max(hits):.2f}") if hits else ("-", "-")
        )
        print(
            f"| {benchmark} | {len(hits)} of {len(sat)} | {middle} | {slowest} | "
            f"{wrong} of {len(answers) - len(sat)} | {errors} |"
        )
    print(f"\nWhole list: {seconds:.0f} s with {options.workers} workers. {machine()}")


def networks(options: argparse.Namespace) -> None:
    """Each network in a process of its own: load, memory, gradient, one LPStep."""
    with options.csv.open() as file:
        paths = list(dict.fromkeys(row["onnx"] for row in csv.DictReader(file)))
    print(
        "| network | inputs | units | load s | peak MB | forward ms | value and gradient ms | "
        "ratio |\n| " + "--- | " * 8
    )
    for path in paths:
        one = [sys.executable, __file__, "network", str(options.csv.parent / path)]
        done = subprocess.run(one, capture_output=True, text=True, check=True)
        facts = json.loads(done.stdout)
        print(
            f"| {Path(path).name.split('.onnx')[0][:40]} | {facts['inputs']} | {facts['units']} | "
            f"{facts['load']:.2f} | {facts['peak']:.0f} | {facts['forward']:.2f} | "
            f"{facts['gradient']:.2f} | {facts['gradient'] / facts['forward']:.1f} |",
            flush=True,
        )
    print(f"\nMedians; one thread; batches of 64 (16 above 20,000 units). {machine()}")


def network(options: argparse.Namespace) -> None:
    """The figures of one network, as JSON."""
    started = time.perf_counter()
    model = load(options.model)
    loaded = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    n = 16 if model.network.units > 20_000 else 64
    x = np.random.default_rng(0).uniform(size=(n, model.network.input_size))
    v = np.ones((n, model.network.output_size))
    forward, gradient = in_turns(
        [
            lambda: model.values.logits(x.astype(model.values.dtype)),
            lambda: model.gradient.logits_and_gradient(x, v),
        ]
    )
    facts = {
        "inputs": model.network.input_size, "units": model.network.units, "load": loaded,
        "peak": peak, "forward": forward * 1e3, "gradient": gradient * 1e3,
    }  # fmt: skip
    print(json.dumps(facts))


def in_turns(calls: list[Callable[[], object]], repeats: int = 15) -> list[float]:
    """Median seconds of calls that take turns, so that a busy moment hits all of them."""
    times: list[list[float]] = [[] for _ in calls]
    for round_ in range(repeats + 2):
        for mine, call in zip(times, calls, strict=True):
            started = time.perf_counter()
            call()
            if round_ >= 2:  # the first ones warm up
                mine.append(time.perf_counter() - started)
    return [statistics.median(mine) for mine in times]


def scaling(options: argparse.Namespace) -> None:
    """LPSteps on random convolutional networks with 3072 inputs and ever more ReLUs."""
    print(
        "| ReLUs | load s | peak MB | LPStep, median s | slowest s | face rows | "
        "value and gradient of 64 rows, ms |\n| " + "--- | " * 7
    )
    for size in SIZES:
        one = [sys.executable, __file__, "scaled", str(size)]
        done = subprocess.run(one, capture_output=True, text=True, check=True)
        print(done.stdout.strip(), flush=True)
    print(f"\nTen inputs each, ℓ∞ radius 2/255, one thread, GLOP. {machine()}")


def scaled(options: argparse.Namespace) -> None:
    """One row of ``scaling``."""
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        path = Path(folder) / "random.onnx"
        onnx.save(random_cnn(options.size), path)
        started = time.perf_counter()
        model = load(path)
        loaded = time.perf_counter() - started
        seconds, rows = lp_steps(model)
        x = np.random.default_rng(0).uniform(size=(64, 3072)).astype(np.float32)
        v = np.ones((64, 10), dtype=np.float32)
        (gradient,) = in_turns([lambda: model.gradient.logits_and_gradient(x, v)])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"| {model.network.units:,} | {loaded:.2f} | {peak:.0f} | {statistics.median(seconds):.2f} "
        f"| {max(seconds):.2f} | {statistics.median(rows):.0f} | {gradient * 1e3:.1f} |"
    )


def lp_steps(model: Model, count: int = 10, eps: float = 2 / 255) -> tuple[list[float], list[int]]:
    """Seconds and face rows of LPSteps in the regions of random inputs, each from scratch."""
    engine = make_engine("rows", model.network, make_solver("glop"))
    generator = np.random.default_rng(0)
    seconds, rows = [], []
    for _ in range(count):
        x = generator.uniform(size=3072).astype(np.float32).astype(np.float64)
        label = int(model.network.forward(x[None]).argmax())
        disjunct = UnsafeSet.misclassification(label, 10).disjuncts[0]
        inputs = InputSet(x, norm_named("linf"), eps, np.zeros(3072), np.ones(3072))
        started = time.perf_counter()
        optimum = engine.begin(inputs).least_margin(LinearRegion.of(model.network, x), disjunct)
        seconds.append(time.perf_counter() - started)
        rows.append(optimum.rows)
    return seconds, rows


def random_cnn(relus: int) -> onnx.ModelProto:
    """Two convolutions and a dense layer on 3x32x32 inputs with about this many ReLUs."""
    generator = np.random.default_rng(relus)
    # The first layer has 16x16 places, the second 8x8 with twice the maps.
    maps = max(1, round(relus / (256 + 128)))
    shapes = {"a": (maps, 3, 4, 4), "b": (2 * maps, maps, 4, 4), "w": (2 * maps * 64, 10)}
    constants = []
    for name, shape in shapes.items():
        fan_in = int(np.prod(shape[1:])) if len(shape) > 2 else shape[0]
        weight = generator.normal(0.0, np.sqrt(2.0 / fan_in), shape)
        constants.append(numpy_helper.from_array(weight.astype(np.float32), name))
    window = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["c"], **window),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Conv", ["d", "b"], ["e"], **window),
        helper.make_node("Relu", ["e"], ["f"]),
        helper.make_node("Flatten", ["f"], ["g"]),
        helper.make_node("MatMul", ["g", "w"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "random",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 10])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("instances")
    one.add_argument("csv", type=Path)
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--timeout", type=float)
    one.add_argument("--workers", type=int, default=2)
    one.set_defaults(run=instances)
    one = commands.add_parser("networks")
    one.add_argument("csv", type=Path)
    one.set_defaults(run=networks)
    one = commands.add_parser("network")
    one.add_argument("model", type=Path)
    one.set_defaults(run=network)
    commands.add_parser("scaling").set_defaults(run=scaling)
    one = commands.add_parser("scaled")
    one.add_argument("size", type=int)
    one.set_defaults(run=scaled)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
