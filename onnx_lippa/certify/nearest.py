"""The least distance of an unsafe input, from both sides, by the MIP in distance mode."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from onnx_lippa.certify.mip import MipSettings, least_distortion
from onnx_lippa.certify.rectified import (
    NoRelaxationError,
    Reach,
    Tightening,
    TooLargeError,
    rectified,
)
from onnx_lippa.certify.settings import CertifySettings
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.onnx_io import Model
from onnx_lippa.question import Problem
from onnx_lippa.witness import Judge, Witness

_STEPS: Final = 10
"""Steps of ascent for bounds of ẑ."""


@dataclass(frozen=True)
class Nearest:
    """The distance of the nearest unsafe input, between two bounds.

    Attributes:
        index: place of the input in the data.
        lower: no unsafe input is nearer, in real arithmetic, by the solver's word and within its
            tolerances.
        upper: distance of the witness; infinite without one.
        witness: the nearest unsafe input known, replayed.
        nodes: subproblems solved.
        seconds: wall time.
        reason: why the bounds differ; empty where the solver finished.
    """

    index: int
    lower: float
    upper: float
    witness: Witness | None = None
    nodes: int = 0
    seconds: float = 0.0
    reason: str = ""


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
    radius = min(inputs.eps, float(np.nextafter(upper, np.inf)))
    if not np.isfinite(radius):
        return Nearest(index, 0.0, upper, known, reason="no radius and no witness limit the search")
    ball, searched = problem.stated.with_eps(radius), inputs.with_eps(radius)
    deadline = started + settings.time_limit
    try:
        tightening = Tightening(steps=_STEPS, deadline=deadline)
        system = rectified(model.network, Reach.of(ball), tightening)
    except (TooLargeError, OutOfTimeError, NoRelaxationError) as error:
        return Nearest(
            index, 0.0, upper, known, seconds=time.monotonic() - started, reason=str(error)
        )
    start = None
    if known is not None and system.exact:
        start = system.reduced(known.x[None].astype(np.float64))[0]
    nodes = None if np.isinf(settings.node_limit) else int(settings.node_limit)
    asked = MipSettings(settings.solver, max(deadline - time.monotonic(), 1e-3), nodes)
    found = least_distortion(system, problem.unsafe.disjuncts, ball, asked, start)
    witness = known
    if found.x.size:
        whole = system.whole(found.x[None])[0]
        replayed = Judge(model.runtime).witness(whole, searched, problem.unsafe)
        if replayed is not None and replayed.distance < upper:
            witness, upper = replayed, replayed.distance
    lower = min(found.lower, upper, radius)
    seconds = time.monotonic() - started
    return Nearest(index, lower, upper, witness, found.nodes, seconds, found.reason)
