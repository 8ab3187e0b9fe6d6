"""One line of ``results.jsonl``: an outcome beside what the data says of its input."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Final

from onnx_lippa.errors import InputError
from onnx_lippa.witness import FoundBy, Outcome, ProvedBy, Verdict, Witness


@dataclass(frozen=True)
class Record:
    """One result; null in the file where there is nothing to say.

    Attributes:
        index: place of the input in the data.
        label: its class.
        prediction: class the model gives the clean input.
        verdict: what is known.
        target: class the witness was sought for.
        distance: distance of the witness; 0 where the clean input is misclassified.
        seconds: wall time spent.
        found_by: which part of the attack found the witness.
        lp_steps: LPSteps spent.
        lp_seconds: time in them.
        best_margin: the least margin met.
        bound: proven lower bound of the margin.
        proved_by: which method proved an input robust.
        nodes: subproblems bounded on the way.
        reason: why an input is unknown, where there is more to say.
    """

    index: int
    label: int
    prediction: int
    verdict: Verdict
    target: int | None
    distance: float | None
    seconds: float
    found_by: FoundBy
    lp_steps: int
    lp_seconds: float
    best_margin: float | None
    bound: float | None = None
    proved_by: ProvedBy = ProvedBy.NOTHING
    nodes: int = 0
    reason: str = ""

    @classmethod
    def of(cls, outcome: Outcome, label: int, prediction: int) -> Record:
        """The record of an outcome."""
        distance = 0.0 if outcome.verdict is Verdict.MISCLASSIFIED else None
        if outcome.witness is not None:
            distance = outcome.witness.distance
        return cls(
            index=outcome.index,
            label=label,
            prediction=prediction,
            verdict=outcome.verdict,
            target=outcome.target if outcome.target >= 0 else None,
            distance=distance,
            seconds=outcome.seconds,
            found_by=outcome.found_by,
            lp_steps=outcome.lp_steps,
            lp_seconds=outcome.lp_seconds,
            best_margin=outcome.best_margin if math.isfinite(outcome.best_margin) else None,
            bound=outcome.bound if math.isfinite(outcome.bound) else None,
            proved_by=outcome.proved_by,
            nodes=outcome.nodes,
            reason=outcome.reason,
        )

    @classmethod
    def parse(cls, line: bytes) -> Record:
        """The record that a line holds.

        Raises:
            ValueError: it holds none.
        """
        values = json.loads(line)
        if not isinstance(values, dict):
            raise ValueError("not an object")
        values = _SINCE_PROOFS | values
        for name, kinds in _KINDS.items():
            if name not in values or not isinstance(values[name], kinds):
                raise ValueError(f"'{name}' is missing or of the wrong type")
        fields = {name: values[name] for name in _KINDS}
        fields |= {
            "verdict": Verdict(fields["verdict"]),
            "found_by": FoundBy(fields["found_by"]),
            "proved_by": ProvedBy(fields["proved_by"]),
        }
        return cls(**fields)

    def line(self) -> str:
        """The line that holds the record."""
        values: dict[str, Any] = asdict(self)
        values |= {
            "verdict": self.verdict.value,
            "found_by": self.found_by.value,
            "proved_by": self.proved_by.value,
        }
        return json.dumps(values, allow_nan=False) + "\n"

    def outcome(self, witness: Witness | None) -> Outcome:
        """The outcome again, with the witness that is stored elsewhere."""
        return Outcome(
            self.index,
            self.verdict,
            witness,
            -1 if self.target is None else self.target,
            self.found_by,
            self.lp_steps,
            self.seconds,
            self.lp_seconds,
            math.inf if self.best_margin is None else self.best_margin,
            -math.inf if self.bound is None else self.bound,
            self.proved_by,
            self.nodes,
            self.reason,
        )


_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "index": (int,),
    "label": (int,),
    "prediction": (int,),
    "verdict": (str,),
    "target": (int, NoneType),
    "distance": (int, float, NoneType),
    "seconds": (int, float),
    "found_by": (str,),
    "lp_steps": (int,),
    "lp_seconds": (int, float),
    "best_margin": (int, float, NoneType),
    "bound": (int, float, NoneType),
    "proved_by": (str,),
    "nodes": (int,),
    "reason": (str,),
}
_SINCE_PROOFS: Final[dict[str, Any]] = {
    "bound": None,
    "proved_by": "nothing",
    "nodes": 0,
    "reason": "",
}
"""What lines written before there were proofs lack, and mean."""


def read_records(path: Path) -> list[Record]:
    """The records of a results file; a last line cut short by a crash is left out.

    Raises:
        InputError: the file cannot be read, or a line of it is damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    records = []
    lines = content.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if not line.endswith(b"\n"):
            break
        try:
            records.append(Record.parse(line))
        except ValueError as error:
            raise InputError(
                f"line {number} of {path} is damaged ({error}): run the attack again with "
                "another --out"
            ) from error
    return records
