"""What ``unknown`` means in a run: why inputs stayed open, and what may settle them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final, final

from onnx_lippa.ending import Ending
from onnx_lippa.reports.page.reported import ReportedRun
from onnx_lippa.witness import Verdict

_SEARCHED: Final = "the attack did all that was planned and found nothing"
_ADVICE: Final = {
    Ending.OUT_OF_TIME: "Give more time: --time-limit for each input, --budget for an audit.",
    Ending.OUT_OF_NODES: "Allow more nodes of branch and bound.",
    Ending.OUT_OF_MEMORY: "Give fewer workers, or more memory.",
    Ending.TIE: "Two classes tie in real arithmetic; a slightly smaller eps decides.",
    Ending.LOOSE_BOUNDS: "The method's bounds are too loose; audit, or certify --method complete, "
    "goes further.",
    Ending.NO_BOUNDS: "Give bounds of the domain: --lower, --upper.",
    Ending.NO_RELAXATION: "A layer has no linear relaxation; an attack alone can break it.",
    Ending.TOO_LARGE: "The network is too large for this proof; certify --method linear may do.",
    Ending.UNSUPPORTED: "Choose another method or norm.",
    Ending.FAILED: "A solver failed; another --solver may not.",
    Ending.CRASHED: "Report it as a bug, with the input.",
    Ending.ERROR: "Report it as a bug, with the input.",
}
_OTHERS: Final = "Run audit, which attacks and proves, or give more time."


@final
@dataclass(frozen=True)
class OpenInputs:
    """Unknown inputs that have one reason.

    Attributes:
        reason: the reason, as a sentence.
        count: number of inputs.
        examples: indices of the first of them.
        advice: what may settle them.
    """

    reason: str
    count: int
    examples: tuple[int, ...]
    advice: str


def explain_unknown(run: ReportedRun) -> tuple[OpenInputs, ...]:
    """The unknown inputs by reason, the commonest first."""
    unknown = run.by_verdict[Verdict.UNKNOWN]
    counted = Counter((one.ending, one.reason) for one in unknown)
    found = []
    for (ending, reason), count in counted.most_common():
        indices = [one.index for one in unknown if (one.ending, one.reason) == (ending, reason)]
        advice = _ADVICE.get(ending, _OTHERS)
        found.append(OpenInputs(reason or _SEARCHED, count, tuple(indices[:10]), advice))
    return tuple(found)
