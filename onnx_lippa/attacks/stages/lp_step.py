"""One LPStep on behalf of a ledger: solved, replayed, counted."""

from __future__ import annotations

from onnx_lippa.attacks.ledger import Ledger
from onnx_lippa.attacks.outcome import FoundBy
from onnx_lippa.network import ActivationPattern
from onnx_lippa.regions import LinearRegion, Optimum


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
    with ledger.timed([position], lp=True):
        optimum = ledger.session(entry).least_margin(
            LinearRegion(ledger.model.network, pattern),
            entry.problem.unsafe.disjuncts[disjunct],
            ledger.remaining(entry),
        )
    entry.lp_steps += 1
    if optimum.found:
        if optimum.margin <= 0:
            ledger.accept(position, optimum.x, FoundBy.LP)
        entry.least_optimum = min(entry.least_optimum, optimum.margin)
    return optimum
