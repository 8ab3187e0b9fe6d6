"""LP steps on random convolutional networks with 3072 inputs and ever more ReLUs."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from threadpoolctl import threadpool_limits

from onnx_lippa.lp import make_engine
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.spec import InputSet, UnsafeSet, get_norm
from tools.bench.common import header, medians, peak_megabytes, row, run_alone


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the table."""
    sizes = [1_000, 5_000, 15_000, 45_000]
    parser.add_argument("--relus", type=int, nargs="*", default=sizes, help="about so many")


def run(options: Namespace) -> None:
    """Prints the table, each row from a process of its own."""
    header(
        "ReLUs", "load s", "peak MB", "LPStep, median s", "slowest s", "face rows",
        "value and gradient of 64 rows, ms",
    )  # fmt: skip
    for size in options.relus:
        print(run_alone("scaling", size), flush=True)
    print("\nTen inputs each, ℓ∞ radius 2/255, one thread, GLOP.")


def print_row(relus: int) -> None:
    """The row of one network."""
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1):
        path = Path(folder) / "random.onnx"
        onnx.save(random_cnn(relus), path)
        started = time.perf_counter()
        model = load(path)
        loaded = time.perf_counter() - started
        seconds, rows = lp_steps(model)
        x = np.random.default_rng(0).uniform(size=(64, 3072)).astype(np.float32)
        v = np.ones((64, 10), dtype=np.float32)
        times = medians({"gradient": lambda: model.gradient.value_and_gradient(x, v)})
    row(
        f"{model.network.units:,}", f"{loaded:.2f}", f"{peak_megabytes():.0f}",
        f"{statistics.median(seconds):.2f}", f"{max(seconds):.2f}",
        f"{statistics.median(rows):.0f}", f"{times['gradient']:.1f}",
    )  # fmt: skip


def lp_steps(model: Model, count: int = 10, eps: float = 2 / 255) -> tuple[list[float], list[int]]:
    """Seconds and face rows of LPSteps in the regions of random inputs, each from scratch."""
    engine = make_engine("rows", model.network, make_solver("glop"))
    generator = np.random.default_rng(0)
    seconds, rows = [], []
    for _ in range(count):
        x = generator.uniform(size=3072).astype(np.float32).astype(np.float64)
        label = int(model.network.forward(x[None]).argmax())
        disjunct = UnsafeSet.misclassification(label, 10).disjuncts[0]
        inputs = InputSet(x, get_norm("linf"), eps, np.zeros(3072), np.ones(3072))
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
    window: dict[str, Any] = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
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


if __name__ == "__main__":
    print_row(int(sys.argv[1]))
