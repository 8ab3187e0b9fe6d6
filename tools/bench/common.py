"""What several tables share: rows, problems, attacks, commands in processes, medians."""

from __future__ import annotations

import csv
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from onnx_lippa.arrays import Floats, Integers
from onnx_lippa.attacks import AttackMethod, Lippa
from onnx_lippa.attacks.stages.state import AttackBatch
from onnx_lippa.data import open_data
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import InputSpecification, LInf, Problem, UnsafeSet
from onnx_lippa.state import Budget
from tools.bench.published import PUBLISHED

ROWS = tuple((one.name, one.eps) for one in PUBLISHED)
"""The networks of the paper's Table 2 and their radii."""


def machine() -> str:
    """The day, the machine and the versions, to stand with every table."""
    names = ("onnx-lippa", "onnxruntime", "ortools", "numpy", "clarabel")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = f"{found[0].split(':')[1].strip()}, {len(found)} cores"
    return f"{date.today()}, {cpu}, Python {platform.python_version()}, {versions}"


def add_models_and_data(parser: ArgumentParser) -> None:
    """The arguments of the tables over :data:`ROWS`."""
    parser.add_argument("models", type=Path, help="folder of the networks")
    parser.add_argument("data", type=Path, metavar="DATA.npz")
    parser.add_argument("--rows", nargs="*", help="only these networks")


def add_model_and_data(parser: ArgumentParser, eps: float) -> None:
    """The arguments of the tables of one network."""
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("data", type=Path, metavar="DATA.npz")
    parser.add_argument("--eps", type=float, default=eps)


def header(*columns: str) -> None:
    """Prints the head of a Markdown table."""
    print(f"| {' | '.join(columns)} |\n{'| --- ' * len(columns)}|", flush=True)


def row(*cells: object) -> None:
    """Prints one row of it."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def run_command(command: str, *arguments: object) -> tuple[dict[str, Any], float]:
    """One whole command of onnx-lippa: its summary, and seconds from start to exit."""
    started = time.perf_counter()
    done = subprocess.run(
        ["onnx-lippa", command, *map(str, arguments), "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout), time.perf_counter() - started


def run_alone(table: str, *arguments: object) -> str:
    """What a table prints with these arguments in a process of its own."""
    command = [sys.executable, "-m", f"tools.bench.{table}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def peak_megabytes(children: bool = False) -> float:
    """The largest resident set of this process, or of its finished children."""
    whose = resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF
    return resource.getrusage(whose).ru_maxrss / 1024


def medians(tasks: dict[str, Callable[[], object]], repeats: int = 15) -> dict[str, float]:
    """Median milliseconds of each task, run in turns so that a busy moment meets all of them."""
    spent: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(repeats + 2):
        for name, task in tasks.items():
            time.sleep(0.05)  # lets the threads of the task before stop spinning
            started = time.perf_counter()
            task()
            if turn >= 2:  # the first ones warm up
                spent[name].append(1e3 * (time.perf_counter() - started))
    return {name: statistics.median(times) for name, times in spent.items()}


def read_instances(path: Path) -> list[dict[str, str]]:
    """The rows of a list of instances."""
    with path.open() as file:
        return list(csv.DictReader(file))


def labelled(model: Model, data: Path) -> tuple[Floats, Integers]:
    """The inputs of a data file and their labels."""
    read = open_data(data, model.network.input_shape, model.interface.dtype)
    if read.labels is None:
        sys.exit(f"{data} has no labels")
    return read.inputs[:], read.labels


def measure_error(model: Model, data: Path) -> float:
    """Percent of a data file that ONNX Runtime says is misclassified."""
    x, y = labelled(model, data)
    outputs = [model.runtime.forward(x[first : first + 1000]) for first in range(0, len(y), 1000)]
    return 100 * float(np.mean(np.concatenate(outputs).argmax(axis=1) != y))


def problems_of(model: Model, data: Path, eps: float, count: int) -> list[Problem]:
    """The classification problems of the first inputs that are classified correctly."""
    x, labels = labelled(model, data)
    features = InputSpecification.build(model.network.input_size, lower=0.0, upper=1.0, eps=eps)
    predicted = model.runtime.forward(x[: 4 * count + 50]).argmax(axis=1)
    right = [i for i in range(len(predicted)) if predicted[i] == labels[i]][:count]
    k = model.network.output_size
    return [
        Problem(
            i,
            features.input_set(x[i], LInf()),
            UnsafeSet.misclassification(int(labels[i]), k),
            UnsafeSet.misclassification(int(labels[i]), k),
        )
        for i in right
    ]


def attacked(
    model: Model, problems: list[Problem], method: AttackMethod | None = None
) -> AttackBatch:
    """The states of all inputs after an attack, the default one without a method."""
    method = method or Lippa()
    engine = method.make_engine(model.network, problems[0].inputs.norm)
    batch = AttackBatch.begin(problems, model, engine, Budget())
    for stage in method.schedule(problems[0], is_cheap=False):
        stage.run(batch)
    return batch
