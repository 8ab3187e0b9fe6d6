"""Formulations of the mixed-integer program on the first correctly classified inputs."""

from __future__ import annotations

import statistics
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.attacks import Lippa
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.reduced.build import reduce_network
from onnx_lippa.bounds.reduced.reduction import Tightening
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ending import Ending
from onnx_lippa.mip.decision import MipSettings, decide
from onnx_lippa.mip.formulation import BigM
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.spec import Problem
from tools.bench.common import add_models_and_data, attacked, header, problems_of, row


@dataclass(frozen=True)
class Variant:
    """One formulation, warm-started by the attack or not."""

    name: str
    tightening: Tightening
    big_m: BigM
    cuts: int = 0
    warm: bool = False


VARIANTS = (
    Variant(
        "naive: one M, intervals, all units", Tightening(linear=False, eliminate=False), BigM.ONE
    ),
    Variant("stable ReLUs, bounds of each unit", Tightening(steps=10), BigM.OF_EACH_UNIT),
    Variant("the same, warm-started", Tightening(steps=10), BigM.OF_EACH_UNIT, warm=True),
    Variant("the same, with 200 implications", Tightening(steps=10), BigM.OF_EACH_UNIT, 200),
)
NETWORKS = (("LPD_MLP_B_0.2", 0.2), ("MMR_ADV_MLP_C", 0.1), ("ADV_MLP_B_0.1", 0.1))


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the table."""
    add_models_and_data(parser)
    parser.add_argument("--inputs", type=int, default=20, help="correctly classified inputs")
    parser.add_argument("--seconds", type=float, default=20.0, help="limit of a solve")


def run(options: Namespace) -> None:
    """Prints the table."""
    header("network", "eps", "variant", "decided", "unsafe", "of", "median s", "sum of s", "nodes")
    for name, eps in NETWORKS:
        if options.rows and name not in options.rows:
            continue
        model = load(options.models / f"{name}.onnx", threads=1)
        problems = problems_of(model, options.data, eps, options.inputs)
        for variant in VARIANTS:
            times, nodes, endings = measure(model, problems, variant, options.seconds)
            row(
                name, eps, variant.name, endings[Ending.PROVEN] + endings[Ending.UNSAFE],
                endings[Ending.UNSAFE], len(problems), f"{statistics.median(times):.2f}",
                f"{sum(times):.0f}", nodes,
            )  # fmt: skip


def measure(
    model: Model, problems: list[Problem], variant: Variant, limit: float
) -> tuple[list[float], int, Counter[Ending]]:
    """Seconds of each input, nodes of all of them, and how often a solve ended how."""
    times, nodes, endings = [], 0, Counter[Ending]()
    for problem in problems:
        started = time.perf_counter()
        with threadpool_limits(limits=1):
            reduced = reduce_network(
                model.network, InputDomain.of(problem.stated), variant.tightening
            )
            answer = decide(
                reduced, problem.unsafe.disjuncts,
                MipSettings(time_limit=limit, big_m=variant.big_m, cuts=variant.cuts),
                best_of_attack(model, problem, reduced) if variant.warm else None,
            )  # fmt: skip
        times.append(time.perf_counter() - started)
        nodes += answer.effort.nodes
        endings[answer.ending] += 1
    return times, nodes, endings


def best_of_attack(model: Model, problem: Problem, reduced: ReducedNetwork) -> Float64:
    """The attack's witness; its best end point where it found none."""
    attack = attacked(model, [problem], Lippa(restarts=1)).attacks[0]
    best: Floats = attack.state.problem.inputs.center
    if attack.state.witness is not None:
        best = attack.state.witness.x
    elif attack.end_points:
        best = attack.end_points[0].x
    return reduced.restrict(best[None].astype(np.float64))[0]
