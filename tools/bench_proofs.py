"""The measurements of proofs in docs/performance.md.

Each command prints Markdown:

    python tools/bench_proofs.py audit MODELS DATA.npz --out RUNS [--rows NAME ...] [--minutes M]
    python tools/bench_proofs.py bounds MODELS DATA.npz [--first N]
    python tools/bench_proofs.py mip MODELS DATA.npz [--inputs N] [--seconds S]
    python tools/bench_proofs.py unsat INSTANCES.csv --timeout S
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from onnx_lippa.attacks import Settings
from onnx_lippa.attacks.driver import engine_for
from onnx_lippa.attacks.ledger import Ledger
from onnx_lippa.attacks.plan import plan_for
from onnx_lippa.bounds.reduced.build import rectified
from onnx_lippa.bounds.reduced.domain import Reach
from onnx_lippa.bounds.reduced.folding import Tightening, states_by
from onnx_lippa.bounds.reduced.system import RectifiedSystem
from onnx_lippa.data import read_data
from onnx_lippa.mip.decision import MipSettings, MipStatus, decide
from onnx_lippa.mip.formulation import BigM
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.proofs import CertifySettings, ProofMethod, certify_batch
from onnx_lippa.search.leaves import Leaves
from onnx_lippa.spec import Features, LInf, Problem, UnsafeSet
from onnx_lippa.witness import Verdict
from tools.bench import ROWS, machine


@dataclass(frozen=True)
class Audited:
    """A row of the audit table: its network, radius, and minutes given."""

    name: str
    eps: float
    minutes: float
    published: str


AUDITED = (
    Audited("LPD_MLP_B_0.2", 0.2, 1, "38.3 to 36.33*"),
    Audited("ADV_MLP_B_0.1", 0.1, 20, "20.40 to 34.3*"),
    Audited("MMR_MLP_C", 0.1, 20, "22.5 to 24.9"),
    Audited("MMR_CNN", 0.1, 20, "6 to 6"),
    Audited("MMR_ADV_MLP_C", 0.1, 20, "14 to 14.1"),
    Audited("MMR_ADV_CNN", 0.1, 20, "3.6 to 3.6"),
    Audited("ADV_CNN", 0.1, 30, "4.50 to 100"),
    Audited("ADV_MLP_C", 0.1, 30, "11.90 to 99"),
    Audited("NOR_MLP_B", 0.05, 60, "63.30 to 94.04*"),
    Audited("NOR_MLP_C", 0.1, 20, "94.3 to 100"),
)


def problems_of(model: Model, data: Path, eps: float, count: int) -> list[Problem]:
    """The classification problems of the first inputs that are classified rightly."""
    read = read_data(data, model.network.input_shape, model.interface.dtype)
    features = Features.given(model.network.input_size, lower=0.0, upper=1.0, eps=eps)
    predicted = model.runtime.outputs(read.inputs[: 4 * count + 50]).argmax(axis=1)
    right = [i for i in range(len(predicted)) if predicted[i] == read.labels[i]][:count]
    k = model.network.output_size
    return [
        Problem(
            i,
            features.input_set(read.inputs[i], LInf()),
            UnsafeSet.misclassification(int(read.labels[i]), k),
            UnsafeSet.misclassification(int(read.labels[i]), k),
        )
        for i in right
    ]


def audit(options: argparse.Namespace) -> None:
    print(
        "| row | eps | robust error, lower | upper | open | published | budget, min | "
        "whole command, s | proven by linear bounds | by search | nodes |"
    )
    print("| --- " * 11 + "|")
    for row in AUDITED:
        if options.rows and row.name not in options.rows:
            continue
        minutes = options.minutes or row.minutes
        out = options.out / row.name
        arguments = [
            str(options.models / f"{row.name}.onnx"), str(options.data), "--eps", str(row.eps),
            "--first", "1000", "--budget", str(60 * minutes), "--time-limit",
            str(60 * minutes), "--out", str(out), "--json",
        ]  # fmt: skip
        started = time.perf_counter()
        done = subprocess.run(
            ["onnx-lippa", "audit", *arguments], capture_output=True, text=True, check=True
        )
        seconds, said = time.perf_counter() - started, json.loads(done.stdout)
        error, proven = said["robust_error"], said["proved_by"]
        print(
            f"| {row.name} | {row.eps} | **{error['lower']:.1%}** | **{error['upper']:.1%}** | "
            f"{said['counts']['unknown']} | {row.published} | {minutes:g} | {seconds:.0f} | "
            f"{proven['linear']} | {proven['complete']} | {said['nodes']} |",
            flush=True,
        )


def bounds(options: argparse.Namespace) -> None:
    print("| network | eps | method | proven | of | median s per input |\n" + "| --- " * 6 + "|")
    methods = (ProofMethod.INTERVAL, ProofMethod.LINEAR, ProofMethod.COMPLETE)
    for name, eps in ROWS:
        if options.rows and name not in options.rows:
            continue
        model = load(options.models / f"{name}.onnx", threads=1)
        problems = problems_of(model, options.data, eps, options.first)
        if "CNN" not in name:  # some minutes an input there
            print_relaxation(name, eps, model, problems)
        for method in methods:
            # One node for each row: the dual bounds of the rectified system, without a split.
            limit = np.inf if method is not ProofMethod.COMPLETE else 1
            settings = CertifySettings(method=method, time_limit=60, node_limit=limit)
            with threadpool_limits(limits=1):
                found = list(certify_batch(model, problems, settings))
            proven = sum(one.verdict is Verdict.ROBUST for one in found)
            seconds = statistics.median(one.seconds for one in found)
            said = "dual of the rectified system" if limit == 1 else method.value
            print(f"| {name} | {eps} | {said} | {proven} | {len(found)} | {seconds:.4f} |",
                  flush=True)  # fmt: skip


def print_relaxation(name: str, eps: float, model: Model, problems: list[Problem]) -> None:
    """The line of the LP relaxation."""
    times, proven = [], 0
    with threadpool_limits(limits=1):
        for problem in problems:
            started = time.perf_counter()
            proven += relaxation(model, problem)
            times.append(time.perf_counter() - started)
    seconds = statistics.median(times)
    print(f"| {name} | {eps} | LP relaxation (planet) | {proven} | {len(problems)} | "
          f"{seconds:.4f} |", flush=True)  # fmt: skip


def relaxation(model: Model, problem: Problem) -> bool:
    """Whether the linear program with every undecided ReLU as a triangle proves an input."""
    system = rectified(model.network, Reach.of(problem.inputs), Tightening())
    lower, upper, leaves = system.unit_lower, system.unit_upper, Leaves(system)
    state = states_by(lower, upper)
    return all(
        leaves.decide(disjunct, lower, upper, state).bound > 0
        for disjunct in problem.unsafe.disjuncts
    )


def mip(options: argparse.Namespace) -> None:
    print(
        "| network | eps | variant | decided | unsafe | of | median s | sum of s | nodes |\n"
        + "| --- " * 9
        + "|"
    )
    for name, eps in (("LPD_MLP_B_0.2", 0.2), ("MMR_ADV_MLP_C", 0.1), ("ADV_MLP_B_0.1", 0.1)):
        if options.rows and name not in options.rows:
            continue
        model = load(options.models / f"{name}.onnx", threads=1)
        problems = problems_of(model, options.data, eps, options.inputs)
        naive = Tightening(linear=False, fold=False)
        for said, tightening, big_m, cuts, warm in (
            ("naive: one M, intervals, all units", naive, BigM.ONE, 0, False),
            (
                "stable ReLUs, bounds of each unit",
                Tightening(steps=10),
                BigM.OF_EACH_UNIT,
                0,
                False,
            ),
            ("the same, warm-started", Tightening(steps=10), BigM.OF_EACH_UNIT, 0, True),
            (
                "the same, with 200 implications",
                Tightening(steps=10),
                BigM.OF_EACH_UNIT,
                200,
                False,
            ),
        ):
            times, nodes, verdicts = [], 0, Counter()
            for problem in problems:
                started = time.perf_counter()
                with threadpool_limits(limits=1):
                    system = rectified(model.network, Reach.of(problem.inputs), tightening)
                    answer = decide(
                        system, problem.unsafe.disjuncts,
                        MipSettings(time_limit=options.seconds, big_m=big_m, cuts=cuts),
                        _best_of_attack(model, problem, system) if warm else None,
                    )  # fmt: skip
                times.append(time.perf_counter() - started)
                nodes += answer.nodes
                verdicts[answer.status] += 1
            decided = len(problems) - verdicts[MipStatus.UNKNOWN]
            print(
                f"| {name} | {eps} | {said} | {decided} | {verdicts[MipStatus.UNSAFE]} | "
                f"{len(problems)} | {statistics.median(times):.2f} | {sum(times):.0f} | {nodes} |",
                flush=True,
            )


def attacked(model: Model, problems: list[Problem], settings: Settings | None = None) -> Ledger:
    """The books of an attack, the default one unless settings say otherwise, all of it."""
    settings = settings or Settings()
    ledger = Ledger(problems, model, engine_for(model, problems[0], settings), settings)
    for stage in plan_for(settings):
        stage.run(ledger)
    return ledger


def _best_of_attack(model: Model, problem: Problem, system: RectifiedSystem) -> np.ndarray:
    """The attack's witness; its best end point where it found none."""
    entry = attacked(model, [problem], Settings(restarts=1)).progress[0]
    best = entry.problem.inputs.center
    if entry.witness is not None:
        best = entry.witness.x
    elif entry.end_points:
        best = entry.end_points[0].x
    return system.reduced(best[None].astype(np.float64))[0]


def unsat(options: argparse.Namespace) -> None:
    out = options.out
    subprocess.run(
        ["onnx-lippa", "certify", "--instances", str(options.instances), "--timeout",
         str(options.timeout), "--out", str(out), "--quiet"], check=True,
    )  # fmt: skip
    with options.instances.open() as file:
        expected = {(r["onnx"], r["vnnlib"]): r for r in csv.DictReader(file)}
    table: dict[str, Counter] = {}
    slow: dict[str, float] = {}
    with (out / "results.csv").open() as file:
        for result in csv.DictReader(file):
            known = expected[result["onnx"], result["vnnlib"]]
            name = known["benchmark"]
            table.setdefault(name, Counter())[known["expected"], result["answer"]] += 1
            if result["answer"] in ("sat", "unsat"):
                slow[name] = max(slow.get(name, 0.0), float(result["seconds"]))
    print("| benchmark | unsat proven | sat found | wrong | open | slowest answer, s |")
    print("| --- " * 6 + "|")
    total: Counter = Counter()
    for name, counts in table.items():
        total += counts
        print(_line(name, counts, slow.get(name, 0.0)))
    print(_line("**all**", total, max(slow.values(), default=0.0)))


def _line(name: str, counts: Counter, seconds: float) -> str:
    of = {kind: sum(n for (e, _), n in counts.items() if e == kind) for kind in ("sat", "unsat")}
    right = {kind: counts[kind, kind] for kind in of}
    wrong = counts["sat", "unsat"] + counts["unsat", "sat"]
    open_ = sum(counts.values()) - sum(right.values()) - wrong
    return (
        f"| {name} | {right['unsat']} of {of['unsat']} | {right['sat']} of {of['sat']} | {wrong} | "
        f"{open_} | {seconds:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, call in (("audit", audit), ("bounds", bounds), ("mip", mip)):
        one = commands.add_parser(name)
        one.add_argument("models", type=Path)
        one.add_argument("data", type=Path)
        one.add_argument("--rows", nargs="*")
        one.set_defaults(call=call)
        if name == "audit":
            one.add_argument("--out", type=Path, required=True)
            one.add_argument("--minutes", type=float)
        elif name == "bounds":
            one.add_argument("--first", type=int, default=50)
        else:
            one.add_argument("--inputs", type=int, default=20)
            one.add_argument("--seconds", type=float, default=20.0)
    one = commands.add_parser("unsat")
    one.add_argument("instances", type=Path)
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--timeout", type=float, default=60.0)
    one.set_defaults(call=unsat)
    options = parser.parse_args()
    options.call(options)
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
