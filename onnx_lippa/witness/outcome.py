"""What an attack or a proof says of one input."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from onnx_lippa.witness.judge import Witness


class Verdict(Enum):
    """The four things that can be said. Only a replay gives ADVERSARIAL, only a proof ROBUST."""

    MISCLASSIFIED = "misclassified"
    ADVERSARIAL = "adversarial"
    ROBUST = "robust"
    UNKNOWN = "unknown"


class FoundBy(Enum):
    """What found the witness: a part of an attack, or a complete method on the way to a proof."""

    NOTHING = "nothing"
    CLEAN = "clean"
    GRADIENT = "gradient"
    SAMPLING = "sampling"
    LP = "lp"
    GRID = "grid"
    MIP = "mip"
    SEARCH = "search"


class ProvedBy(Enum):
    """Which method proved an input robust; NOTHING for all other verdicts."""

    NOTHING = "nothing"
    INTERVAL = "interval"
    LINEAR = "linear"
    MIP = "mip"
    COMPLETE = "complete"


@dataclass(frozen=True)
class Outcome:
    """The result for one input.

    Attributes:
        index: its place in the data.
        verdict: what is known.
        witness: the evidence where the verdict is ADVERSARIAL.
        target: the class the witness was sought for, -1 without one.
        found_by: which part of the attack found it.
        lp_steps: LPSteps spent on this input.
        seconds: wall time spent on this input, its share of batched work included.
        lp_seconds: the part of it spent in LPSteps.
        best_margin: the least margin any replayed or explored point reached (float32 logits).
        bound: proven lower bound of the margin over all inputs allowed and all disjuncts, in real
            arithmetic on the network's weights; -inf where nothing is proven.
        proved_by: which method proved it, where the verdict is ROBUST.
        nodes: subproblems bounded by a complete search or a MIP solver.
        reason: why an input is UNKNOWN where that is more than an exhausted attack: a limit that
            was reached, a numerical failure, a layer without a relaxation.
    """

    index: int
    verdict: Verdict
    witness: Witness | None = None
    target: int = -1
    found_by: FoundBy = FoundBy.NOTHING
    lp_steps: int = 0
    seconds: float = 0.0
    lp_seconds: float = 0.0
    best_margin: float = float("inf")
    bound: float = float("-inf")
    proved_by: ProvedBy = ProvedBy.NOTHING
    nodes: int = 0
    reason: str = ""
