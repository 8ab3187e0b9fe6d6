"""``onnx-lippa audit``."""

from __future__ import annotations

import math
from typing import Annotated

from onnx_lippa.attacks import make_attack
from onnx_lippa.cli.arguments.gates import GateOptions
from onnx_lippa.cli.arguments.options import METHOD, Arguments, Properties, option, spread
from onnx_lippa.cli.property import answer
from onnx_lippa.cli.run import run_command
from onnx_lippa.errors import InputError
from onnx_lippa.proofs import BranchAndBound
from onnx_lippa.runs.audit import Audit


@spread
def audit(
    arguments: Arguments,
    properties: Properties,
    gates: GateOptions,
    budget: Annotated[
        float | None,
        option(
            METHOD,
            "Time limit of the audit, in seconds. Default: none.",
        ),
    ] = None,
    time_limit: Annotated[
        float | None,
        option(
            METHOD,
            "Time limit of branch and bound per input, in seconds. Default: 60.",
        ),
    ] = None,
    method: Annotated[
        str,
        option(
            METHOD,
            "The attack: pgd, lippa, or lippa+mip. With lippa, the MIPs of lippa+mip are used "
            "where branch and bound stalls.",
        ),
    ] = "lippa",
) -> None:
    """Attack and prove, cheapest first: the robust error as an interval that narrows.

    PGD, linear bounds, LiPPA, then branch and bound.
    """
    attack = make_attack(method)
    if properties.are_given:
        others = {"time_limit": time_limit, "budget": budget}
        answer(arguments, properties, gates, attack, BranchAndBound(), others)
        return
    properties.require_none()
    arguments = arguments.with_example()
    if arguments.eps is None:
        raise InputError("there is no --eps: give the radius to audit")
    chosen = Audit(attack, budget=math.inf if budget is None else budget)
    run_command(arguments, gates, chosen, 60.0 if time_limit is None else time_limit)
