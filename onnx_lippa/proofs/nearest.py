"""The least distance of an unsafe input, from both sides, by the MIP in distance mode.

A MIP solver's bound is its word, within tolerances, and on weights of mixed scale it may be above
a distance at which there is a witness. So the ball just below it is searched to the end, and where
that finishes, the bound is proven.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.reduced.build import NoRelaxationError, reduce_network
from onnx_lippa.bounds.reduced.reduction import Tightening, TooLargeError
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.mip.decision import MipSettings
from onnx_lippa.mip.distortion import least_distortion
from onnx_lippa.onnx_io import Model
from onnx_lippa.proofs.driver import certify_batch
from onnx_lippa.proofs.settings import CertifySettings, ProofMethod
from onnx_lippa.spec import InputSet, Problem
from onnx_lippa.witness import ProvedBy, Verdict, Witness, check_candidate

_STEPS: Final = 10
"""Steps of ascent for bounds of ẑ."""
_TOLERANCES: Final = (1e-6, 1e-5, 1e-4)
"""How far below a solver's bound, as a share of it, the ball lies that is proven, in turn. The
first is what the solvers' own tolerances of rows and gaps amount to."""
_WHOLE: Final = 1.0 + 1e-9
"""What the radius of a ball around a whole domain is multiplied by, so that rounding leaves none
of it out."""


@dataclass(frozen=True)
class Nearest:
    """The distance of the nearest unsafe input, between two bounds.

    Attributes:
        index: place of the input in the data.
        lower: no unsafe input is nearer, in real arithmetic; infinite where there is none at all.
        upper: distance of the witness; infinite without one.
        witness: the nearest unsafe input known, replayed.
        nodes: subproblems solved.
        seconds: wall time.
        reason: why the bounds differ, or what is wrong with the lower one; empty where the solver
            finished.
        proved_by: COMPLETE where a complete search has proven the lower bound, MIP where it is the
            solver's word; NOTHING where it is 0.
        tolerance: the share of the lower bound by which the solver's word may be wrong; 0 where it
            is proven.
    """

    index: int
    lower: float
    upper: float
    witness: Witness | None = None
    nodes: int = 0
    seconds: float = 0.0
    reason: str = ""
    proved_by: ProvedBy = ProvedBy.NOTHING
    tolerance: float = 0.0


def nearest(
    model: Model, problem: Problem, settings: CertifySettings, known: Witness | None = None
) -> Nearest:
    """Bounds the distance of the nearest unsafe input of a problem.

    Args:
        model: the model.
        problem: the problem; its radius is how far is looked where nothing is known.
        settings: solver and limits; the method is always the MIP.
        known: the nearest witness known, from which the solver starts, and beyond which it does
            not look.

    Returns:
        Both bounds. Without a witness and within the limits, the lower one is the radius.

    Raises:
        InputError: there is no such solver.
    """
    started = time.monotonic()
    inputs, index = problem.inputs, problem.index
    upper = np.inf if known is None else known.distance
    # What is as far away as the witness is allowed, so that there is something to find.
    radius = min(inputs.eps, float(np.nextafter(upper, np.inf)), _whole(inputs))
    if not np.isfinite(radius):
        return Nearest(index, 0.0, upper, known, reason="no radius and no witness limit the search")
    ball, searched = problem.stated.with_eps(radius), inputs.with_eps(radius)
    deadline = started + settings.time_limit
    try:
        tightening = Tightening(steps=_STEPS, deadline=deadline)
        reduced = reduce_network(model.network, InputDomain.of(ball), tightening)
    except (TooLargeError, OutOfTimeError, NoRelaxationError) as error:
        return Nearest(
            index, 0.0, upper, known, seconds=time.monotonic() - started, reason=str(error)
        )
    start = None
    if known is not None and reduced.exact:
        start = reduced.restrict(known.x[None].astype(np.float64))[0]
    nodes = None if np.isinf(settings.node_limit) else int(settings.node_limit)
    asked = MipSettings(settings.solver, max(deadline - time.monotonic(), 1e-3), nodes)
    found = least_distortion(reduced, problem.unsafe.disjuncts, ball, asked, start)
    witness = known
    if found.x.size:
        whole = reduced.embed(found.x[None])[0]
        replayed = check_candidate(model.runtime, whole, searched, problem.unsafe)
        if replayed is not None and replayed.distance < upper:
            witness, upper = replayed, replayed.distance
    lower = min(found.lower, upper, radius)
    bracket = Nearest(index, lower, upper, witness, found.nodes, reason=found.reason)
    bracket = _checked(model, problem, settings, bracket, deadline)
    if bracket.witness is None and not bracket.reason and bracket.lower >= _whole(inputs):
        bracket = replace(bracket, lower=np.inf)
    return replace(bracket, seconds=time.monotonic() - started)


def _whole(inputs: InputSet) -> float:
    """Radius of a ball that holds the whole domain; infinite where that is unbounded."""
    bounded = np.isfinite(inputs.lower).all() and np.isfinite(inputs.upper).all()
    return _WHOLE * inputs.widest if bounded else np.inf


def _checked(
    model: Model, problem: Problem, settings: CertifySettings, bracket: Nearest, deadline: float
) -> Nearest:
    """The bracket with its lower end proven, if time permits, or corrected by what is found."""
    word = bracket
    if bracket.lower <= 0:
        return bracket
    for tolerance in _TOLERANCES:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        # A witness must lie within the ball; where there is none, the whole of it is proven.
        share = 1.0 if bracket.witness is None else 1.0 - tolerance
        radius = share * min(bracket.lower, bracket.upper)
        asked = replace(problem, inputs=problem.inputs.with_eps(radius), minimize=False)
        complete = replace(settings, method=ProofMethod.COMPLETE, time_limit=left)
        (outcome,) = certify_batch(model, [asked], complete)
        bracket = replace(bracket, nodes=bracket.nodes + outcome.effort.nodes)
        if outcome.verdict is Verdict.ROBUST:
            return replace(bracket, lower=radius, proved_by=ProvedBy.COMPLETE)
        if outcome.witness is None:
            break
        upper = outcome.witness.distance
        bracket = replace(bracket, witness=outcome.witness, upper=upper, lower=min(upper, radius))
    if bracket.upper < word.lower * (1.0 - _TOLERANCES[-1]):
        return replace(
            bracket, lower=0.0, reason="a witness lies below the bound of the MIP solver, which "
            "is not believed"
        )  # fmt: skip
    return replace(bracket, proved_by=ProvedBy.MIP, tolerance=_TOLERANCES[0])
