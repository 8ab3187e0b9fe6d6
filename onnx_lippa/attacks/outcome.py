"""What an attack says of one input."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from onnx_lippa.witness import Witness


class Verdict(Enum):
    """The four things that can be said. Only a replay gives ADVERSARIAL, only a proof ROBUST."""

    MISCLASSIFIED = "misclassified"
    ADVERSARIAL = "adversarial"
    ROBUST = "robust"
    UNKNOWN = "unknown"


class FoundBy(Enum):
    """Which part of an attack found the witness."""

    NOTHING = "nothing"
    CLEAN = "clean"
    GRADIENT = "gradient"
    SAMPLING = "sampling"
    LP = "lp"
    GRID = "grid"


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
