"""The least distance of an unsafe input, by mixed-integer programs in distance mode."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ending import Ending, Reason
from onnx_lippa.lp.solvers.table import make_mip_solver
from onnx_lippa.mip.decision import MipSettings
from onnx_lippa.mip.formulation import build_distance_program
from onnx_lippa.mip.variables import NoProgramError
from onnx_lippa.spec import Conjunction, StatedSet
from onnx_lippa.witness import Effort


@dataclass(frozen=True)
class DistortionBounds:
    """Bounds of the least distance at which an output is unsafe.

    Attributes:
        lower: no unsafe input is nearer, on the solver's word within its tolerances; infinite
            where no input of the reduced network is unsafe.
        upper: distance of the nearest one found; infinite without one. It is unsafe up to the
            solver's tolerances, so only a replay makes it a witness.
        x: (d,) that input, or empty.
        effort: programs solved, their nodes and their seconds.
        reason: why the bounds differ; None where they meet.
    """

    lower: float
    upper: float
    x: Float64
    effort: Effort
    reason: Reason | None = None


def bound_distortion(
    reduced: ReducedNetwork,
    disjuncts: Sequence[Conjunction],
    inputs: StatedSet,
    settings: MipSettings,
    start: Float64 | None = None,
) -> DistortionBounds:
    """Bounds the least distance to the centre at which an output is unsafe.

    Only inputs of the reduced network count, so the bounds hold up to the radius that it was built
    for. A disjunct is searched up to the nearest input of those before it.

    Args:
        reduced: the reduced network, over a ball that holds an unsafe input if one is to be found.
        disjuncts: the unsafe outputs.
        inputs: the set whose norm and centre define the distance.
        settings: formulation, solver and limits.
        start: (d,) an unsafe point of the reduced network to start from.

    Raises:
        InputError: there is no such solver.
    """
    started = time.monotonic()
    solver = make_mip_solver(settings.solver)
    lower, upper, best, effort = np.inf, np.inf, np.zeros(0), Effort()
    reason: Reason | None = None
    for disjunct in disjuncts:
        try:
            stated = build_distance_program(
                reduced, disjunct, inputs, settings.big_m, settings.cuts
            )
        except NoProgramError as error:
            lower, reason = 0.0, reason or error.reason
            continue
        session, warm_start = solver.open(stated.program), None
        if np.isfinite(upper):
            session.add_rows(stated.cut_off(upper))
        if start is not None:
            warm_start = stated.start(start, inputs.distance(reduced.embed(start[None])[0]))
        solution = session.solve(started + settings.time_limit - time.monotonic(), warm_start)
        effort += Effort(mips=1, nodes=solution.nodes)
        if solution.values.size:
            x = stated.x(solution.values)
            distance = inputs.distance(reduced.embed(x[None])[0])
            if distance < upper:
                upper, best = distance, x
        lower = min(lower, max(solution.bound, 0.0))
        if solution.ending is Ending.FAILED:
            reason = reason or Reason(Ending.FAILED, f"no MIP solver finished: {solution.detail}")
        elif solution.ending.is_limit:
            reason = reason or Reason(solution.ending)
    effort = replace(effort, mip_seconds=time.monotonic() - started)
    return DistortionBounds(min(lower, upper), upper, best, effort, reason)
