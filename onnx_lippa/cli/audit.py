"""``onnx-lippa audit``."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from onnx_lippa.api import method_named
from onnx_lippa.attacks import Method, Settings
from onnx_lippa.cli import options
from onnx_lippa.cli.property import PropertyQuestion, answer
from onnx_lippa.cli.run import Arguments, carry_out
from onnx_lippa.errors import InputError
from onnx_lippa.proofs import CertifySettings
from onnx_lippa.runs import AuditSettings


def audit(
    model: options.ModelPath = None,
    data: options.DataPath = None,
    eps: options.Radius = None,
    norm: options.NormName = "linf",
    targets: options.TargetClasses = "all",
    budget: Annotated[
        float | None, typer.Option(help="Seconds for everything; no limit if not given.")
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(help="Seconds for the complete search of one input; 60 if not given."),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help=f"The attack: {', '.join(one.value for one in Method)}. By default partial "
            "patterns (lippa+mip) come only where searches stall."
        ),
    ] = "lippa",
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
    seed: options.Seed = 0,
    workers: options.WorkerCount = None,
    out: options.OutFolder = None,
    load_memory: options.LoadMemory = options.LOAD_MEMORY,
    load_time: options.LoadTime = options.LOAD_TIME,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Attack and prove, cheapest first: the robust error as an interval that narrows.

    Gradients, linear bounds, LiPPA and complete search, partial patterns where these stall.
    """
    settings = Settings(method=method_named(method), seed=seed)
    arguments = Arguments(
        model, data, eps, norm, targets, output, lower, upper, fixed, grid, first, indices, seed,
        workers, out, as_json, quiet, options.load_limits(load_memory, load_time),
    )  # fmt: skip
    question = PropertyQuestion(property_, instances, counterexample, timeout, time_limit)
    if question.is_asked:
        answer(arguments, question, settings, CertifySettings(time_limit=math.inf))
        return
    question.require_nothing()
    if eps is None:
        raise InputError("there is no --eps: give the radius to audit")
    limit = 60.0 if time_limit is None else time_limit
    asked = AuditSettings(
        settings,
        CertifySettings(time_limit=limit),
        math.inf if budget is None else budget,
    )
    carry_out(arguments, asked, settings)
