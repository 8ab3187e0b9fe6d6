"""One LPStep on behalf of a ledger: solved, replayed, counted."""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.attacks.ledger import Ledger
from onnx_lippa.ir.pattern import ActivationPattern
from onnx_lippa.lp.engine import Optimum
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.state import Work
from onnx_lippa.witness import Effort, FoundBy

_ROUNDING: Final = 1e-9
"""In a property a tie may count. An optimum that is one may come out this much above it."""
_MARGINS: Final = (2e-6, 2e-5, 2e-4)
"""Margins asked for in turn, relative to the largest logit: what float32 rounding can eat."""


def margin_step(
    ledger: Ledger, position: int, pattern: ActivationPattern, disjunct: int
) -> Optimum | None:
    """Solves a region in margin mode and offers its optimum to the judge.

    Returns:
        The optimum, or None where this region was solved before for this disjunct.
    """
    entry = ledger.progress[position]
    if (pattern.key, disjunct) in entry.visited:
        return None
    entry.visited.add((pattern.key, disjunct))
    with ledger.timed([position], Work.LPS) as deadline:
        region = LinearRegion(ledger.model.network, pattern)
        optimum = ledger.session(entry).least_margin(
            region, entry.state.problem.unsafe.disjuncts[disjunct], deadline - time.monotonic()
        )
    entry.state.effort += Effort(lp_steps=1)
    if optimum.found:
        if optimum.margin <= (0.0 if entry.state.problem.claim is None else _ROUNDING):
            ledger.accept(position, optimum.x, FoundBy.LP)
        entry.state.observe(optimum.margin)
    return optimum


def distance_step(
    ledger: Ledger, position: int, pattern: ActivationPattern, disjunct: int
) -> Float64 | None:
    """The nearest unsafe point of a region, if it is nearer than the witness and the judge agrees.

    Nothing is done for a region that was solved before for this disjunct.
    """
    entry = ledger.progress[position]
    if (pattern.key, disjunct) in entry.visited:
        return None
    entry.visited.add((pattern.key, disjunct))
    region = LinearRegion(ledger.model.network, pattern)
    conjunction = entry.state.problem.unsafe.disjuncts[disjunct]
    logits = region.evaluate(entry.state.problem.inputs.center[None]).outputs
    scale = max(1.0, float(np.abs(logits).max()))
    for share in _MARGINS:
        with ledger.timed([position], Work.LPS):
            optimum = ledger.session(entry).least_distance(
                region, conjunction, share * scale, entry.state.seconds_left
            )
        entry.state.effort += Effort(lp_steps=1)
        if not optimum.found:
            return None
        best = np.inf if entry.state.witness is None else entry.state.witness.distance
        if optimum.distance >= best:
            return None
        if ledger.accept(position, optimum.x, FoundBy.LP):
            return optimum.x
    return None
