"""The answer to a property, and its counterexample as text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, TypeAlias

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
    """What is known of a property.

    Attributes:
        answer: SAT only with a witness that replays exactly, UNSAT only with a proof.
        x: (d,) the input, in the type of the model; None without one.
        outputs: (k,) what ONNX Runtime gives for it; None without one.
        rounded: inputs that the property fixes to numbers which no float of the model's type
            equals; each is the nearest float.
        found_by: which part of the attack found it.
        effort: the work spent; its seconds are wall time.
        best_margin: the least margin met by any point.
        bound: proven lower bound of the margin over all cases; -inf without one.
        cases: number of cases of the property.
        proven_cases: number of cases that no input meets, as is proven.
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
    cases: int = 0
    proven_cases: int = 0
    reason: Reason | None = None
    contradiction: str = ""

    @property
    def note(self) -> str:
        """A note on the numbers in the property; mostly empty."""
        if self.contradiction:
            return f"no input can ever meet the property, because {self.contradiction}"
        if not self.rounded:
            return ""
        count = "1 input" if len(self.rounded) == 1 else f"{len(self.rounded)} inputs"
        return (
            f"the property fixes {count} to numbers that no float of the model's type equals: the "
            "nearest one is taken for each"
        )


FindingListener: TypeAlias = Callable[[Finding], None]


def ignore(_: Finding) -> None:
    """A listener that does nothing."""


def counterexample_text(found: Finding) -> str:
    """Inputs and outputs as ``((X_0 0.5) ... (Y_0 1.25) ...)``, each number exactly.

    The outputs are those of ONNX Runtime. Every number has as many digits as it takes to read the
    same float64 back.
    """
    if found.x is None or found.outputs is None:
        return ""
    pairs = [f"(X_{i} {float(value)!r})" for i, value in enumerate(found.x)]
    pairs += [f"(Y_{j} {float(value)!r})" for j, value in enumerate(found.outputs)]
    return "(" + "\n".join(pairs) + ")"


_PAIR: Final = re.compile(r"\(([XY])_(\d+) ([^()\s]+)\)")


def parse_counterexample(text: str) -> tuple[Floats | None, Floats | None]:
    """Inputs (d,) and outputs (k,) of a counterexample in float64; None where a number lacks."""
    values: dict[str, dict[int, float]] = {"X": {}, "Y": {}}
    for kind, index, value in _PAIR.findall(text):
        try:
            values[kind][int(index)] = float(value)
        except ValueError:
            values[kind][int(index)] = np.nan
    return _vector(values["X"]), _vector(values["Y"])


def _vector(values: dict[int, float]) -> Floats | None:
    if not values or set(values) != set(range(len(values))):
        return None
    return np.array([values[index] for index in range(len(values))])


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
