"""``onnx-lippa certify``."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from onnx_lippa.api import mip_solver, proof_method_named
from onnx_lippa.attacks import Settings
from onnx_lippa.cli import options
from onnx_lippa.cli.property import PropertyQuestion, answer
from onnx_lippa.cli.run import Arguments, carry_out
from onnx_lippa.errors import InputError
from onnx_lippa.lp.solvers.named import MIP_SOLVER_NAMES
from onnx_lippa.proofs import CertifySettings, ProofMethod


def certify(
    model: options.ModelPath = None,
    data: options.DataPath = None,
    eps: options.Radius = None,
    norm: options.NormName = "linf",
    targets: options.TargetClasses = "all",
    method: Annotated[
        str, typer.Option(help=f"One of {', '.join(one.value for one in ProofMethod)}.")
    ] = "auto",
    time_limit: Annotated[
        float | None, typer.Option(help="Seconds for one input; 60 if not given.")
    ] = None,
    solver: Annotated[
        str, typer.Option(help=f"Solver of --method mip: {', '.join(MIP_SOLVER_NAMES)}.")
    ] = "scip",
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
    """Prove inputs robust, or a property unsat, or find a counterexample on the way.

    docs/verdicts.md says what each verdict proves.
    """
    wanted = proof_method_named(method)
    mip_solver(solver)
    arguments = Arguments(
        model, data, eps, norm, targets, output, lower, upper, fixed, grid, first, indices, seed,
        workers, out, as_json, quiet, options.load_limits(load_memory, load_time),
    )  # fmt: skip
    question = PropertyQuestion(property_, instances, counterexample, timeout, time_limit)
    if question.is_asked:
        answer(
            arguments,
            question,
            Settings(seed=seed),
            CertifySettings(wanted, math.inf, solver=solver),
        )
        return
    question.require_nothing()
    if eps is None:
        raise InputError("there is no --eps: give the radius within which to prove")
    limit = 60.0 if time_limit is None else time_limit
    proof = CertifySettings(wanted, limit, solver=solver)
    carry_out(arguments, proof, Settings(seed=seed))
