"""``onnx-lippa attack``."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from onnx_lippa.api import method_named
from onnx_lippa.attacks import Method, Settings
from onnx_lippa.cli import options
from onnx_lippa.cli.property import PropertyQuestion, answer
from onnx_lippa.cli.run import Arguments, carry_out
from onnx_lippa.lp.engines import ENGINE_NAMES
from onnx_lippa.lp.solvers.named import SOLVER_NAMES


def attack(
    model: options.ModelPath = None,
    data: options.DataPath = None,
    eps: options.Radius = None,
    norm: options.NormName = "linf",
    minimize: Annotated[
        bool, typer.Option("--minimize", help="Look for the nearest adversarial example.")
    ] = False,
    targets: options.TargetClasses = "all",
    property_: options.PropertyPath = None,
    timeout: options.Timeout = None,
    counterexample: options.CounterexamplePath = None,
    instances: options.InstancesPath = None,
    output: options.OutputName = None,
    lower: options.Lower = "0",
    upper: options.Upper = "1",
    fixed: options.Fixed = None,
    grid: options.GridSteps = "0",
    first: options.First = None,
    indices: options.Indices = None,
    time_limit: Annotated[
        float | None, typer.Option(help="Seconds for one input; then it stays unknown.")
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help=f"One of {', '.join(one.value for one in Method)}; pgd leaves the LPs out."
        ),
    ] = "lippa",
    restarts: Annotated[
        int | None,
        typer.Option(
            help="Rounds of gradient walks after the first, all spent; if not given 8, fewer for "
            "inputs that no walk brings near."
        ),
    ] = None,
    gradient_steps: Annotated[int, typer.Option(help="Gradient steps of a walk.")] = 60,
    lp_steps: Annotated[
        int | None,
        typer.Option(
            help="LPSteps of Algorithm 1 for one input, all spent; if not given 8, more where they "
            "are cheap, none for inputs that no walk brings near."
        ),
    ] = None,
    engine: Annotated[str, typer.Option(help=f"LP engine: {', '.join(ENGINE_NAMES)}.")] = "auto",
    solver: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(SOLVER_NAMES)}; the one that suits the norm if not given."),
    ] = None,
    seed: options.Seed = 0,
    workers: options.WorkerCount = None,
    out: options.OutFolder = None,
    load_memory: options.LoadMemory = options.LOAD_MEMORY,
    load_time: options.LoadTime = options.LOAD_TIME,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Attack every input of a data set and say how robust the network is.

    Without --eps the distance of the nearest adversarial example is minimised.
    """
    settings = Settings(
        method_named(method), minimize or eps is None, restarts, gradient_steps, lp_steps,
        math.inf if time_limit is None else time_limit, seed, engine, solver,
    )  # fmt: skip
    arguments = Arguments(
        model, data, eps, norm, targets, output, lower, upper, fixed, grid, first, indices, seed,
        workers, out, as_json, quiet, options.load_limits(load_memory, load_time),
    )  # fmt: skip
    question = PropertyQuestion(property_, instances, counterexample, timeout, time_limit)
    if question.is_asked:
        answer(arguments, question, settings, None)
        return
    question.require_nothing()
    carry_out(arguments, settings, settings)
