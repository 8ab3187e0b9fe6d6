"""LP steps in the regions where PGD ends: both engines against each other, linear norms."""

from __future__ import annotations

import statistics
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from onnx_lippa.lp import make_engine
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.spec import Conjunction, InputSet, UnsafeSet, get_norm
from tools.bench.common import add_model_and_data, header, labelled, row

Variant = tuple[str, str, str]
"""Engine, solver and mode."""

LINEAR: tuple[Variant, ...] = (
    ("rows", "glop", "margin"),
    ("stacked", "glop", "margin"),
    ("rows", "glop", "distance"),
    ("stacked", "glop", "distance"),
)


def add_arguments(parser: ArgumentParser, eps: float = 0.1) -> None:
    """The options of the table."""
    add_model_and_data(parser, eps)
    parser.add_argument("--inputs", type=int, default=20)


def run(options: Namespace) -> None:
    """Prints the table."""
    print_lp_times(options, "linf", LINEAR)


def print_lp_times(options: Namespace, norm: str, variants: Sequence[Variant]) -> None:
    """Times of LP steps in the same regions, and how far their optima are apart."""
    header("model", "norm", "mode", "engine", "solver", "median ms", "most ms")
    with threadpool_limits(limits=1):
        spent, optima = lp_times(options, norm, variants)
    for (engine, solver, mode), times in spent.items():
        middle, most = f"{statistics.median(times):.1f}", f"{max(times):.1f}"
        row(options.model.stem, norm, mode, engine, solver, middle, most)
    for mode, values in optima.items():
        known = [v for v in values if np.isfinite(v).all()]
        gap = max((max(v) - min(v) for v in known), default=0.0)
        print(f"\n{mode}: {len(known)} optima, largest difference {gap:.1e}\n")


def lp_times(
    options: Namespace, norm: str, variants: Sequence[Variant]
) -> tuple[dict[Variant, list[float]], dict[str, list[list[float]]]]:
    """Milliseconds of each variant, and for each mode and input the optima of the variants."""
    model = load(options.model)
    x, labels = labelled(model, options.data)
    spent: dict[Variant, list[float]] = {variant: [] for variant in variants}
    optima: dict[str, list[list[float]]] = {}
    engines = {(e, s): make_engine(e, model.network, make_solver(s)) for e, s, _ in variants}
    for index in range(options.inputs):
        center = x[index].astype(np.float64)
        d = center.size
        inputs = InputSet(center, get_norm(norm), options.eps, np.zeros(d), np.ones(d))
        region, disjunct = region_at_pgd_end(model, inputs, int(labels[index]))
        for engine, solver, mode in variants:
            session = engines[engine, solver].begin(inputs)
            started = time.perf_counter()
            found = (
                session.least_margin(region, disjunct)
                if mode == "margin"
                else session.least_distance(region, disjunct, 0.0)
            )
            spent[engine, solver, mode].append(1e3 * (time.perf_counter() - started))
            value = found.margin if mode == "margin" else found.distance
            optima.setdefault(mode, [[] for _ in range(options.inputs)])[index].append(value)
    return spent, optima


def region_at_pgd_end(
    model: Model, inputs: InputSet, label: int
) -> tuple[LinearRegion, Conjunction]:
    """The region where a plain float64 PGD run towards the runner-up ends."""
    network, x = model.network, inputs.center.copy()
    unsafe = UnsafeSet.misclassification(label, network.output_size)
    disjunct = unsafe.disjuncts[int(unsafe.margins(network.forward(x[None]))[0].argmin())]
    project = inputs.norm.projector(
        inputs.center[None], np.array([inputs.eps]), inputs.lower, inputs.upper
    )
    for share in 0.5 * 0.9 ** np.arange(40):
        _, slope = network.value_and_gradient(x[None], disjunct.matrix[:1])
        step = share * inputs.eps * inputs.norm.steepest_descent(slope)
        x = project(x[None] + step)[0]
    return LinearRegion.of(network, x), disjunct
