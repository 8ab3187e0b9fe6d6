"""``onnx-lippa attack``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from onnx_lippa.attacks import ATTACK_METHODS, make_attack
from onnx_lippa.cli.arguments.gates import GateOptions
from onnx_lippa.cli.arguments.options import METHOD, Arguments, Properties, option, spread
from onnx_lippa.cli.property import answer
from onnx_lippa.cli.run import run_command
from onnx_lippa.lp import ENGINE_NAMES
from onnx_lippa.lp.solvers.table import SOLVER_NAMES


@dataclass(frozen=True, kw_only=True)
class MethodOptions:
    """The attack and its options."""

    method: Annotated[
        str,
        option(
            METHOD,
            f"The attack: {', '.join(ATTACK_METHODS)}. lippa+mip is lippa and then large "
            "neighbourhood search by MIPs.",
        ),
    ] = "lippa"
    restarts: Annotated[
        int | None,
        option(
            METHOD,
            "PGD restarts per input, all used unless the input breaks. Default: 8, fewer on inputs "
            "far from the decision boundary.",
        ),
    ] = None
    gradient_steps: Annotated[
        int | None,
        option(METHOD, "Gradient steps per run. Default: the method's own; lippa and pgd: 60."),
    ] = None
    lp_steps: Annotated[
        int | None,
        option(
            METHOD,
            "LPSteps of Algorithm 1 per input, all used unless the input breaks. Default: 8, more "
            "on small networks, none on inputs far from the decision boundary.",
        ),
    ] = None
    engine: Annotated[
        str,
        option(METHOD, f"Formulation of the linear programs: {', '.join(ENGINE_NAMES)}."),
    ] = "auto"
    solver: Annotated[
        str | None,
        option(
            METHOD,
            f"Solver of the linear programs: {', '.join(SOLVER_NAMES)}. Default: by the norm.",
        ),
    ] = None
    method_option: Annotated[
        list[str] | None,
        option(METHOD, "A further option of the method, NAME=VALUE; may be repeated."),
    ] = None


@spread
def attack(
    arguments: Arguments,
    properties: Properties,
    gates: GateOptions,
    method: MethodOptions,
    minimize: Annotated[
        bool,
        option(
            METHOD,
            "Minimise the distance of the adversarial example; implied without --eps.",
            "--minimize",
        ),
    ] = False,
    time_limit: Annotated[
        float | None,
        option(METHOD, "Time limit per input, in seconds. Default: none."),
    ] = None,
) -> None:
    """Search for adversarial examples: a lower bound of the robust error.

    Without --eps, the distance of the adversarial examples is minimised.
    """
    chosen = make_attack(
        method.method, method.method_option or (), restarts=method.restarts,
        gradient_steps=method.gradient_steps, lp_steps=method.lp_steps, engine=method.engine,
        solver=method.solver,
    )  # fmt: skip
    if properties.are_given:
        others = {"time_limit": time_limit, "minimize": minimize}
        answer(arguments, properties, gates, chosen, None, others)
        return
    properties.require_none()
    arguments = arguments.with_example()
    limit = math.inf if time_limit is None else time_limit
    run_command(arguments, gates, chosen, limit, minimize=minimize or arguments.eps is None)
