"""How many of the first correctly classified inputs each bound proves without a search."""

from __future__ import annotations

import statistics
import time
from argparse import ArgumentParser, Namespace

from threadpoolctl import threadpool_limits

from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.reduced.build import reduce_network
from onnx_lippa.bounds.reduced.reduction import Tightening, decide_signs
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.proofs import BranchAndBound, Intervals, LinearBounds
from onnx_lippa.search.leaves import Leaves
from onnx_lippa.spec import Problem
from onnx_lippa.state import Budget
from onnx_lippa.witness import Verdict
from tools.bench.common import ROWS, add_models_and_data, header, problems_of, row


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the table."""
    add_models_and_data(parser)
    parser.add_argument("--first", type=int, default=50, help="correctly classified inputs")


def run(options: Namespace) -> None:
    """Prints the table."""
    header("network", "eps", "method", "proven", "of", "median s per input")
    for name, eps in ROWS:
        if options.rows and name not in options.rows:
            continue
        model = load(options.models / f"{name}.onnx", threads=1)
        problems = problems_of(model, options.data, eps, options.first)
        if "CNN" not in name:  # some minutes an input there
            print_relaxation(name, eps, model, problems)
        # One node for each row: the dual bounds of the reduced network, without a split.
        dual = BranchAndBound(node_limit=1)
        for method in (Intervals(), LinearBounds(), dual):
            with threadpool_limits(limits=1):
                found = list(method.solve(model, problems, Budget(60.0)))
            proven = sum(one.verdict is Verdict.ROBUST for one in found)
            seconds = statistics.median(one.effort.seconds for one in found)
            said = "dual of the reduced network" if method is dual else method.name
            row(name, eps, said, proven, len(found), f"{seconds:.4f}")


def print_relaxation(name: str, eps: float, model: Model, problems: list[Problem]) -> None:
    """The row of the LP relaxation."""
    times, proven = [], 0
    with threadpool_limits(limits=1):
        for problem in problems:
            started = time.perf_counter()
            proven += relaxation_proves(model, problem)
            times.append(time.perf_counter() - started)
    seconds = f"{statistics.median(times):.4f}"
    row(name, eps, "LP relaxation (planet)", proven, len(problems), seconds)


def relaxation_proves(model: Model, problem: Problem) -> bool:
    """Whether the linear program with every undecided ReLU as a triangle proves an input."""
    reduced = reduce_network(model.network, InputDomain.of(problem.stated), Tightening())
    lower, upper, leaves = reduced.unit_lower, reduced.unit_upper, Leaves(reduced)
    signs = decide_signs(lower, upper)
    return all(
        leaves.decide(disjunct, lower, upper, signs).proven.value > 0
        for disjunct in problem.unsafe.disjuncts
    )
