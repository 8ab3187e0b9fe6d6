"""Load time, memory and gradient of the networks of a list, each in a process of its own."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np

from onnx_lippa.onnx_io import load
from tools.bench.common import header, medians, peak_megabytes, read_instances, row, run_alone


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the table."""
    parser.add_argument("csv", type=Path, metavar="INSTANCES.csv")


def run(options: Namespace) -> None:
    """Prints the table."""
    header(
        "network", "inputs", "units", "load s", "peak MB", "forward ms", "value and gradient ms",
        "ratio",
    )  # fmt: skip
    for name in dict.fromkeys(one["onnx"] for one in read_instances(options.csv)):
        facts = json.loads(run_alone("networks", options.csv.parent / name))
        row(
            Path(name).name.split(".onnx")[0][:40], facts["inputs"], facts["units"],
            f"{facts['load']:.2f}", f"{facts['peak']:.0f}", f"{facts['forward']:.2f}",
            f"{facts['gradient']:.2f}", f"{facts['gradient'] / facts['forward']:.1f}",
        )  # fmt: skip
    print("\nMedians; one thread; batches of 64 (16 above 20,000 units).")


def measure(path: Path) -> dict[str, float]:
    """The figures of one network."""
    started = time.perf_counter()
    model = load(path)
    loaded, peak = time.perf_counter() - started, peak_megabytes()
    n = 16 if model.network.units > 20_000 else 64
    x = np.random.default_rng(0).uniform(size=(n, model.network.input_size))
    v = np.ones((n, model.network.output_size))
    times = medians(
        {
            "forward": lambda: model.values.forward(x.astype(model.values.dtype)),
            "gradient": lambda: model.gradient.value_and_gradient(x, v),
        }
    )
    size = {"inputs": model.network.input_size, "units": model.network.units}
    return {**size, "load": loaded, "peak": peak, **times}


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
