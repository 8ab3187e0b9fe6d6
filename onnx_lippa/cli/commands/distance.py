"""``onnx-lippa distance``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from onnx_lippa.cli.arguments.gates import GateOptions
from onnx_lippa.cli.arguments.options import BALL, METHOD, Arguments, ModelPath, option, spread
from onnx_lippa.cli.output.tables import distance_table
from onnx_lippa.cli.run import run_command
from onnx_lippa.errors import InputError
from onnx_lippa.lp.solvers.table import MIP_SOLVER_NAMES
from onnx_lippa.runs.distances import Distance


@dataclass(frozen=True, kw_only=True)
class DistanceArguments(Arguments):
    """The common arguments, for one radius that may be left out."""

    model: ModelPath = field()  # required, where Arguments has a default
    eps: Annotated[
        str | None,
        option(BALL, "Largest distance considered. Default: that of the attack's witness."),
    ] = None
    norm: Annotated[str, option(BALL, "Norm of the distance: linf or l1.")] = "linf"


@spread
def distance(
    arguments: DistanceArguments,
    gates: GateOptions,
    time_limit: Annotated[
        float,
        option(METHOD, "Time limit of MIP and branch and bound per input, in seconds."),
    ] = 60.0,
    solver: Annotated[str, option(METHOD, f"MIP solver: {', '.join(MIP_SOLVER_NAMES)}.")] = "scip",
) -> None:
    """Bound the minimal distortion of each input, from above and below.

    An attack gives the upper bound, a MIP the lower one, which branch and bound proves.
    """
    if arguments.eps is not None and "," in arguments.eps:
        raise InputError(f"--eps {arguments.eps} is a list: give one largest distance, or none")
    method = Distance(solver=solver)
    run_command(arguments, gates, method, time_limit, minimize=True, per_input=distance_table)
