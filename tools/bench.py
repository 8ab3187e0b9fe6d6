"""The measurements of docs/performance.md.

Each command prints Markdown. Those that need networks take the folder that holds them:

    python tools/bench.py table2 MODELS DATA.npz --out RUNS   # whole commands, then replay
    python tools/bench.py ingredients MODEL.onnx DATA.npz --eps 0.1
    python tools/bench.py gradient MODEL.onnx [MODEL.onnx ...]  # needs PyTorch
    python tools/bench.py engines MODEL.onnx DATA.npz --eps 0.1
    python tools/bench.py quadratic MODEL.onnx DATA.npz

``tools/peers.py`` runs AutoAttack on the same files.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Callable
from datetime import date
from importlib import metadata
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from onnx_lippa.data import read_data
from onnx_lippa.lp.engine import Optimum
from onnx_lippa.lp.engines import make_engine
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.spec import Conjunction, InputSet, UnsafeSet, norm_named

ROWS = (
    ("NOR_MLP_B", 0.05),
    ("NOR_MLP_C", 0.1),
    ("ADV_MLP_B_0.1", 0.1),
    ("ADV_MLP_C", 0.1),
    ("ADV_CNN", 0.1),
    ("LPD_MLP_B_0.2", 0.2),
    ("MMR_MLP_C", 0.1),
    ("MMR_CNN", 0.1),
    ("MMR_ADV_MLP_C", 0.1),
    ("MMR_ADV_CNN", 0.1),
)


def machine() -> str:
    """The machine, the versions and the day, for the head of every table."""
    names = ("onnx-lippa", "onnxruntime", "ortools", "numpy", "clarabel")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = f"{found[0].split(':')[1].strip()}, {len(found)} cores"
    return f"{date.today()}, {cpu}, Python {platform.python_version()}, {versions}"


def run(arguments: list[str]) -> tuple[dict, float]:
    """One whole attack command: its summary, and its wall time from start to exit."""
    started = time.perf_counter()
    done = subprocess.run(
        ["onnx-lippa", "attack", *arguments, "--json"], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout), time.perf_counter() - started


def peak_memory() -> float:
    """Largest resident set of any finished child process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def table2(options: argparse.Namespace) -> None:
    print(
        "| row | eps | clean | robust error | by gradients | only by LPs | whole command, s | "
        "s per broken | s per unbroken | LPSteps | LPSteps per s | LP share |"
    )
    print("| --- " * 12 + "|")
    for name, eps in ROWS:
        if options.rows and name not in options.rows:
            continue
        out = options.out / name
        summary, seconds = run(
            [str(options.models / f"{name}.onnx"), str(options.data), "--eps", str(eps),
             "--first", "1000", "--out", str(out)]
        )  # fmt: skip
        subprocess.run(["onnx-lippa", "replay", str(out)], check=True, stdout=subprocess.DEVNULL)
        lp = summary["lp_seconds"]
        print(
            f"| {name} | {eps} | {summary['clean_error']:.1%} | "
            f"**{summary['robust_error']['lower']:.1%}** | {summary['found_by']['gradient']} | "
            f"{summary['found_by']['lp']} | {seconds:.1f} | {summary['seconds_per_broken']:.3f} | "
            f"{summary['seconds_per_unbroken']:.3f} | {summary['lp_steps']} | "
            f"{summary['lp_steps'] / max(lp, 1e-9):.0f} | "
            f"{lp / (summary['workers'] * seconds):.0%} |",
            flush=True,
        )
    print(f"\nReplay passed for every row. Largest process: {peak_memory():.0f} MB.")


def ingredients(options: argparse.Namespace) -> None:
    base = [str(options.model), str(options.data), "--eps", str(options.eps), "--first",
            str(options.first)]  # fmt: skip
    print(
        "| variant | robust error | by gradients | only by LPs | seconds |\n" + "| --- " * 5 + "|"
    )
    for name, extra in (
        ("PGD, one round", ["--method", "pgd", "--restarts", "0"]),
        ("PGD, 8 restarts", ["--method", "pgd"]),
        ("one round, LP from its end points", ["--restarts", "0", "--lp-steps", "0"]),
        ("one round, LP, Algorithm 1", ["--restarts", "0"]),
        ("8 restarts, LP from each round", ["--lp-steps", "0"]),
        ("all (default)", []),
    ):
        summary, seconds = run(base + extra)
        print(
            f"| {name} | {summary['robust_error']['lower']:.1%} | "
            f"{summary['found_by']['gradient']} | {summary['found_by']['lp']} | {seconds:.1f} |",
            flush=True,
        )
    print("\n| minimal distortion | median distance | seconds |\n| --- | --- | --- |")
    few = [str(options.model), str(options.data), "--first", "50"]
    for name, extra in (
        ("gradients alone", ["--method", "pgd"]),
        ("with distance-mode LPs", []),
    ):
        summary, seconds = run(few + extra)
        print(f"| {name} | {summary['median_distance']:.6f} | {seconds:.1f} |", flush=True)


def gradient(options: argparse.Namespace) -> None:
    """Value and gradient: ours in ONNX Runtime and in NumPy, PyTorch, and a forward pass."""
    print(
        "| model | forward (ONNX Runtime), ms | compiled gradient, ms | PyTorch gradient, ms | "
        "NumPy float64 gradient, ms | compiled / forward | PyTorch / compiled |\n"
        + "| --- " * 7 + "|"
    )  # fmt: skip
    for path in options.model:
        times = gradient_times(path, options.batch, options.repeats)
        print(
            f"| {path.stem} | {times['forward']:.1f} | {times['compiled']:.1f} | "
            f"{times['torch']:.1f} | {times['numpy']:.1f} | "
            f"{times['compiled'] / times['forward']:.1f} | "
            f"{times['torch'] / times['compiled']:.1f} |",
            flush=True,
        )


def gradient_times(path: Path, n: int, repeats: int) -> dict[str, float]:
    """Median milliseconds of one value and gradient of a batch of n, and of a forward pass."""
    import torch  # noqa: PLC0415  # the other measurements do without PyTorch
    from torch_networks import torch_module  # noqa: PLC0415  # as above

    torch.set_num_threads(2)
    model, module = load(path, threads=2), torch_module(path)
    generator = np.random.default_rng(0)
    x = generator.random((n, model.network.input_size), dtype=np.float32)
    v = generator.standard_normal((n, model.network.output_size)).astype(np.float32)
    weight = torch.from_numpy(v)

    def with_torch() -> None:
        at = torch.from_numpy(x.reshape(n, *model.network.input_shape)).requires_grad_()
        (module(at) * weight).sum().backward()

    x64, v64 = x.astype(np.float64), v.astype(np.float64)
    return medians(
        {
            "forward": lambda: model.runtime.outputs(x),
            "compiled": lambda: model.gradient.logits_and_gradient(x, v),
            "torch": with_torch,
            "numpy": lambda: model.network.vector_jacobian(x64, v64),
        },
        repeats,
    )


def medians(tasks: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median milliseconds of each task, run in turn so that a busy moment meets all of them."""
    spent: dict[str, list[float]] = {name: [] for name in tasks}
    for task in tasks.values():
        task()
    for _ in range(repeats):
        for name, task in tasks.items():
            time.sleep(0.05)  # lets the threads of the task before stop spinning
            started = time.perf_counter()
            task()
            spent[name].append(1e3 * (time.perf_counter() - started))
    return {name: statistics.median(times) for name, times in spent.items()}


def region_at_pgd_end(
    model: Model, inputs: InputSet, label: int
) -> tuple[LinearRegion, Conjunction]:
    """The region where a plain float64 walk after the runner-up ends."""
    network, x = model.network, inputs.center.copy()
    unsafe = UnsafeSet.misclassification(label, network.output_size)
    disjunct = unsafe.disjuncts[int(unsafe.margins(network.forward(x[None]))[0].argmin())]
    project = inputs.norm.projector(
        inputs.center[None], np.array([inputs.eps]), inputs.lower, inputs.upper
    )
    for share in 0.5 * 0.9 ** np.arange(40):
        _, slope = network.vector_jacobian(x[None], disjunct.matrix[:1])
        step = share * inputs.eps * inputs.norm.steepest_descent(slope)
        x = project(x[None] + step)[0]
    return LinearRegion.of(network, x), disjunct


def lp_times(
    options: argparse.Namespace, norm: str, variants: list[tuple[str, str, str]], eps: float
) -> None:
    """Times of LPSteps in the same regions: (engine, solver, mode) against each other."""
    model = load(options.model)
    data = read_data(options.data, model.network.input_shape)
    spent: dict[tuple[str, str, str], list[float]] = {variant: [] for variant in variants}
    optima: dict[str, list[list[float]]] = {}
    engines = {(e, s): make_engine(e, model.network, make_solver(s)) for e, s, _ in variants}
    for row in range(options.inputs):
        center = data.inputs[row].astype(np.float64)
        d = center.size
        inputs = InputSet(center, norm_named(norm), eps, np.zeros(d), np.ones(d))
        region, disjunct = region_at_pgd_end(model, inputs, int(data.labels[row]))
        for engine, solver, mode in variants:
            session = engines[engine, solver].begin(inputs)
            started = time.perf_counter()
            found: Optimum = (
                session.least_margin(region, disjunct)
                if mode == "margin"
                else session.least_distance(region, disjunct, 0.0)
            )
            spent[engine, solver, mode].append(1e3 * (time.perf_counter() - started))
            value = found.margin if mode == "margin" else found.distance
            optima.setdefault(mode, [[] for _ in range(options.inputs)])[row].append(value)
    for (engine, solver, mode), times in spent.items():
        print(
            f"| {options.model.stem} | {norm} | {mode} | {engine} | {solver} | "
            f"{statistics.median(times):.1f} | {max(times):.1f} |",
            flush=True,
        )
    for mode, values in optima.items():
        known = [v for v in values if np.isfinite(v).all()]
        gap = max((max(v) - min(v) for v in known), default=0.0)
        print(f"\n{mode}: {len(known)} optima, largest difference {gap:.1e}\n")


def engines(options: argparse.Namespace) -> None:
    print("| model | norm | mode | engine | solver | median ms | most ms |\n" + "| --- " * 7 + "|")
    variants = [
        (engine, "glop", mode) for mode in ("margin", "distance") for engine in ("rows", "stacked")
    ]
    with threadpool_limits(1):
        lp_times(options, "linf", variants, options.eps)


def quadratic(options: argparse.Namespace) -> None:
    print("| model | norm | mode | engine | solver | median ms | most ms |\n" + "| --- " * 7 + "|")
    with threadpool_limits(1):
        lp_times(
            options, "l2",
            [("rows", "clarabel", "distance"), ("rows", "pdlp", "distance"),
             ("rows", "clarabel", "margin")],
            options.eps,
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("table2")
    command.add_argument("models", type=Path)
    command.add_argument("data", type=Path)
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--rows", nargs="*")
    for name, eps, inputs in (
        ("ingredients", 0.1, 0),
        ("engines", 0.1, 20),
        ("quadratic", 0.5, 20),
    ):
        command = commands.add_parser(name)
        command.add_argument("model", type=Path)
        command.add_argument("data", type=Path)
        command.add_argument("--eps", type=float, default=eps)
        command.add_argument("--first", type=int, default=1000)
        command.add_argument("--inputs", type=int, default=inputs)
    command = commands.add_parser("gradient")
    command.add_argument("model", type=Path, nargs="+")
    command.add_argument("--batch", type=int, default=900)
    command.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    print(machine() + "\n")
    {
        "table2": table2,
        "ingredients": ingredients,
        "gradient": gradient,
        "engines": engines,
        "quadratic": quadratic,
    }[options.command](options)


if __name__ == "__main__":
    main()
