"""``onnx-lippa certify``."""

from __future__ import annotations

from typing import Annotated

from onnx_lippa.attacks import Lippa
from onnx_lippa.cli.arguments.gates import GateOptions
from onnx_lippa.cli.arguments.options import METHOD, Arguments, Properties, option, spread
from onnx_lippa.cli.property import answer
from onnx_lippa.cli.run import run_command
from onnx_lippa.errors import InputError
from onnx_lippa.lp.solvers.table import MIP_SOLVER_NAMES
from onnx_lippa.proofs import make_proof


@spread
def certify(
    arguments: Arguments,
    properties: Properties,
    gates: GateOptions,
    method: Annotated[
        str,
        option(
            METHOD,
            "interval (interval bounds), linear (linear bounds as in CROWN), mip "
            "(mixed-integer program), complete or auto (both branch and bound).",
        ),
    ] = "auto",
    time_limit: Annotated[
        float | None,
        option(
            METHOD,
            "Time limit per input, in seconds. Default: 60.",
        ),
    ] = None,
    solver: Annotated[
        str,
        option(METHOD, f"Solver of --method mip: {', '.join(MIP_SOLVER_NAMES)}."),
    ] = "scip",
    naive: Annotated[
        bool,
        option(METHOD, "The paper's program as it first stands, with --method mip.", "--naive"),
    ] = False,
) -> None:
    """Prove inputs robust and properties unsat, or find counterexamples.

    What each verdict proves is stated in docs/verdicts.md.
    """
    wanted = make_proof(method, solver, naive)
    if properties.are_given:
        answer(arguments, properties, gates, Lippa(), wanted, {"time_limit": time_limit})
        return
    properties.require_none()
    arguments = arguments.with_example()
    if arguments.eps is None:
        raise InputError("there is no --eps: give the radius within which to prove")
    run_command(arguments, gates, wanted, 60.0 if time_limit is None else time_limit)
