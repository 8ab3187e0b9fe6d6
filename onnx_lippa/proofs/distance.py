"""Bounds of the least distance of an unsafe input, by the MIP in distance mode.

A MIP solver's bound holds within its tolerances. On weights of mixed scale it may lie above the
distance of a witness. So the ball just below it is searched completely, and where that finishes
the bound is proven.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np

from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.reduced.build import reduce_network
from onnx_lippa.bounds.reduced.reduction import Tightening
from onnx_lippa.ending import Ending, Reason, StoppedError
from onnx_lippa.mip.decision import MipSettings
from onnx_lippa.mip.distortion import bound_distortion
from onnx_lippa.onnx_io import Model
from onnx_lippa.proofs.branch_and_bound import BranchAndBound
from onnx_lippa.spec import InputSet, Problem
from onnx_lippa.state import Budget
from onnx_lippa.witness import Effort, ProvedBy, Verdict, Witness, check_candidate

_STEPS: Final = 10
"""Steps of ascent for bounds of ẑ."""
WORD_TOLERANCE: Final = 1e-6
"""The relative error of a bound on the word of a solver: its tolerance on rows and gaps."""
_TOLERANCES: Final = (WORD_TOLERANCE, 1e-5, 1e-4)
"""Distances from the solver's bound to the proven ball, as shares of the bound, tried in turn."""
_WHOLE: Final = 1.0 + 1e-9
"""Factor of the radius of a ball around a whole domain, so that rounding cuts nothing off."""

BOUND_REFUTED: Final = Reason(
    Ending.REFUTED, "a witness lies below the bound of the MIP solver, which is not believed"
)


@final
@dataclass(frozen=True)
class DistanceBounds:
    """Bounds of the distance of the nearest unsafe input.

    Attributes:
        lower: no unsafe input is nearer, in real arithmetic; infinite where there is none.
        witness: the nearest known unsafe input, replayed.
        effort: the work spent.
        reason: why the bounds differ, or what is wrong with the lower one; None where the solver
            finished.
        proved_by: COMPLETE where a complete search has proven the lower bound, MIP where it is the
            solver's word, up to a relative error of :data:`WORD_TOLERANCE`; NOTHING where it is 0.
        bound: proven lower bound of the margin within the distance ``lower``.
    """

    lower: float
    witness: Witness | None = None
    effort: Effort = Effort()  # noqa: RUF009  # frozen
    reason: Reason | None = None
    proved_by: ProvedBy = ProvedBy.NOTHING
    bound: float = -np.inf

    @property
    def upper(self) -> float:
        """Distance of the witness; infinite without one."""
        return np.inf if self.witness is None else self.witness.distance


def bound_distance(
    model: Model,
    problem: Problem,
    solver: str = "scip",
    time_limit: float = 60.0,
    known: Witness | None = None,
) -> DistanceBounds:
    """Bounds the distance of the nearest unsafe input of a problem.

    Args:
        model: the model.
        problem: the problem; its radius limits the search where no witness is known.
        solver: name of the MIP solver.
        time_limit: seconds.
        known: the nearest known witness, which the solver starts from and which limits the search.

    Returns:
        Both bounds. Without a witness and within the limits, the lower one is the radius.

    Raises:
        InputError: there is no such solver.
    """
    started = time.monotonic()
    found = _bound_distance(model, problem, solver, started + time_limit, known)
    effort = replace(found.effort, seconds=time.monotonic() - started)
    return replace(found, effort=effort)


def _bound_distance(
    model: Model, problem: Problem, solver: str, deadline: float, known: Witness | None
) -> DistanceBounds:
    inputs = problem.inputs
    bounds = DistanceBounds(0.0, known)
    # The ball contains the known witness, so that the program is feasible.
    radius = min(inputs.eps, float(np.nextafter(bounds.upper, np.inf)), _whole_radius(inputs))
    if not np.isfinite(radius):
        unlimited = Reason(Ending.NO_BOUNDS, "no radius and no witness limit the search")
        return replace(bounds, reason=unlimited)
    ball = problem.stated.with_eps(radius)
    try:
        tightening = Tightening(steps=_STEPS, deadline=deadline)
        reduced = reduce_network(model.network, InputDomain.of(ball), tightening)
    except StoppedError as error:
        return replace(bounds, reason=error.reason)
    start = None
    if known is not None and reduced.exact:
        start = reduced.restrict(known.x[None].astype(np.float64))[0]
    settings = MipSettings(solver, max(deadline - time.monotonic(), 1e-3))
    found = bound_distortion(reduced, problem.unsafe.disjuncts, ball, settings, start)
    if found.x.size:
        x, searched = reduced.embed(found.x[None])[0], inputs.with_eps(radius)
        witness = check_candidate(model.runtime, x, searched, problem.unsafe)
        if witness is not None and witness.distance < bounds.upper:
            bounds = replace(bounds, witness=witness)
    lower = min(found.lower, bounds.upper, radius)
    bounds = replace(bounds, lower=lower, effort=found.effort, reason=found.reason)
    bounds = _prove_lower(model, problem, bounds, deadline)
    if bounds.witness is None and not bounds.reason and bounds.lower >= _whole_radius(inputs):
        bounds = replace(bounds, lower=np.inf)
    return bounds


def _whole_radius(inputs: InputSet) -> float:
    """Radius of a ball that holds the whole domain; infinite where that is unbounded."""
    bounded = np.isfinite(inputs.lower).all() and np.isfinite(inputs.upper).all()
    return _WHOLE * inputs.widest if bounded else np.inf


def _prove_lower(
    model: Model, problem: Problem, bounds: DistanceBounds, deadline: float
) -> DistanceBounds:
    """Proves the lower bound, if time permits, or corrects it by a witness below it."""
    word = bounds.lower
    if word <= 0:
        return bounds
    for tolerance in _TOLERANCES:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        # A witness must lie within the ball; without one, the whole ball is proven.
        share = 1.0 if bounds.witness is None else 1.0 - tolerance
        radius = share * min(bounds.lower, bounds.upper)
        below = replace(problem, inputs=problem.inputs.with_eps(radius), minimize=False)
        (result,) = BranchAndBound().solve(model, [below], Budget(left))
        bounds = replace(bounds, effort=bounds.effort + result.effort)
        if result.verdict is Verdict.ROBUST:
            proved_by, bound = ProvedBy.COMPLETE, result.bound
            return replace(bounds, lower=radius, proved_by=proved_by, bound=bound)
        if result.witness is None:
            break
        lower = min(result.witness.distance, radius)
        bounds = replace(bounds, witness=result.witness, lower=lower)
    if bounds.upper < word * (1.0 - _TOLERANCES[-1]):
        return replace(bounds, lower=0.0, reason=BOUND_REFUTED)
    return replace(bounds, proved_by=ProvedBy.MIP)
