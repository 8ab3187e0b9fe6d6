"""What is answered to a property."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from onnx_lippa.arrays import Floats
from onnx_lippa.ending import Reason
from onnx_lippa.errors import InputError
from onnx_lippa.runs.files import replace_file
from onnx_lippa.witness import Effort, FoundBy


class Answer(Enum):
    """Whether an input exists that the property seeks; a failed search proves nothing."""

    SAT = "sat"
    UNSAT = "unsat"
    UNKNOWN = "unknown"
    TIMEOUT = "timeout"


@dataclass(frozen=True)
class Finding:
    """What a search found.

    Attributes:
        answer: SAT only with a witness that replays exactly, UNSAT only with a proof.
        x: (d,) the input, in the type of the model; None without one.
        outputs: (k,) what ONNX Runtime gives for it; None without one.
        rounded: inputs that stand for a number no float of the model's type equals, since the
            property leaves them no other; the nearest float is taken for it.
        found_by: which part of the attack found it.
        effort: the work spent; its seconds are wall time of the whole search.
        best_margin: the least margin met by any point.
        bound: proven lower bound of the margin over all cases; -inf without one.
        reason: why nothing was proven, where a proof was tried; None without more to say.
        contradiction: why no input whatever meets the property, where it contradicts itself.
    """

    answer: Answer
    x: Floats | None = None
    outputs: Floats | None = None
    rounded: tuple[int, ...] = ()
    found_by: FoundBy = FoundBy.NOTHING
    effort: Effort = Effort()  # noqa: RUF009 - it is frozen
    best_margin: float = np.inf
    bound: float = -np.inf
    reason: Reason | None = None
    contradiction: str = ""

    @property
    def note(self) -> str:
        """What a reader must know of the numbers in the property; mostly empty."""
        if self.contradiction:
            return f"no input can ever meet the property, because {self.contradiction}"
        if not self.rounded:
            return ""
        count = "1 input" if len(self.rounded) == 1 else f"{len(self.rounded)} inputs"
        return (
            f"the property fixes {count} to numbers that no float of the model's type equals: the "
            "nearest one is taken for each"
        )


def counterexample_text(found: Finding) -> str:
    """Inputs and outputs as ``((X_0 0.5) ... (Y_0 1.25) ...)``, each number exactly.

    The outputs are those that ONNX Runtime gives. Every number is written with as many digits as
    it takes to read the same float64 back, so none changes.
    """
    if found.x is None or found.outputs is None:
        return ""
    pairs = [f"(X_{i} {float(value)!r})" for i, value in enumerate(found.x)]
    pairs += [f"(Y_{j} {float(value)!r})" for j, value in enumerate(found.outputs)]
    return "(" + "\n".join(pairs) + ")"


def write_counterexample(path: Path, found: Finding) -> None:
    """Writes a counterexample to a file.

    Raises:
        InputError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    replace_file(path, counterexample_text(found).encode() + b"\n")
