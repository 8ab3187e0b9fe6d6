"""The record of one input: a line of ``results.jsonl``, and with its witness of the journal."""

from __future__ import annotations

import base64
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, Final, final

import numpy as np

from onnx_lippa.arrays import Floats
from onnx_lippa.ending import Ending, Reason
from onnx_lippa.errors import DamagedFolderError
from onnx_lippa.runs.files import (
    LineFile,
    checksum,
    complete_lines,
    explain_read_errors,
    seal_line,
    unseal_line,
)
from onnx_lippa.text import printable
from onnx_lippa.witness import Effort, FoundBy, ProvedBy, Result, Verdict, Witness


@dataclass(frozen=True)
class Record:
    """The result of one input, with its label and prediction, as it is written.

    Attributes:
        index: index of the input in the data.
        label: its class.
        prediction: class that the model gives the clean input.
        verdict: the verdict.
        target: class of the witness; None without one.
        distance: distance of the witness; 0 where the clean input is misclassified, else None.
        effort: the work spent; its fields stand beside the others in the file, those of
            :data:`LATER_COUNTS` only where they are not 0.
        found_by: which part of the attack found the witness.
        best_margin: the least margin of any point evaluated; None without one.
        bound: proven lower bound of the margin; None without one.
        proved_by: which method proved an input robust.
        reason: why an input is unknown, where there is more to say, as a sentence.
        ending: the kind of that reason; not in the file where there is none.
        distance_bound: lower bound of the distance of every adversarial input, where the method
            ``distance`` computed one; None where the domain holds no adversarial input.
        distance_proved_by: which method proved it.
        broken_by: the attack of a portfolio whose witness it is; empty, and not in the file, where
            there is none.
        group: the group of inputs it belongs to; empty, and not in the file, where there is none.
    """

    index: int
    label: int
    prediction: int
    verdict: Verdict
    target: int | None
    distance: float | None
    effort: Effort
    found_by: FoundBy
    best_margin: float | None
    bound: float | None = None
    proved_by: ProvedBy = ProvedBy.NOTHING
    reason: str = ""
    ending: Ending = Ending.UNRECORDED
    distance_bound: float | None = 0.0
    distance_proved_by: ProvedBy = ProvedBy.NOTHING
    broken_by: str = ""
    group: str = ""

    @classmethod
    def of(cls, result: Result, label: int, prediction: int, group: str = "") -> Record:
        """The record of a result."""
        distance = 0.0 if result.verdict is Verdict.MISCLASSIFIED else None
        if result.witness is not None:
            distance = result.witness.distance
        return cls(
            index=result.index,
            label=label,
            prediction=prediction,
            verdict=result.verdict,
            target=result.target if result.target >= 0 else None,
            distance=distance,
            effort=result.effort,
            found_by=result.found_by,
            best_margin=_finite(result.best_margin),
            bound=_finite(result.bound),
            proved_by=result.proved_by,
            reason=str(result.reason or ""),
            ending=Ending.UNRECORDED if result.reason is None else result.reason.ending,
            distance_bound=_finite(result.distance_bound),
            distance_proved_by=result.distance_proved_by,
            broken_by=result.broken_by,
            group=group,
        )

    @classmethod
    def parse(cls, line: bytes) -> Record:
        """Parses a line.

        Raises:
            ValueError: the line holds no record.
        """
        return cls.of_json(json.loads(line))

    @classmethod
    def of_json(cls, values: object) -> Record:
        """The record in plain JSON values.

        Raises:
            ValueError: the values are no record.
        """
        if not isinstance(values, dict):
            raise ValueError("not an object")
        values = _SINCE_PROOFS | LEFT_OUT | dict.fromkeys(LATER_COUNTS, 0) | values
        for name, kinds in _KINDS.items():
            if name not in values or not _is_one(values[name], kinds):
                raise ValueError(f"'{name}' is missing or of the wrong type")
            if name in _SIZES and values[name] is not None and values[name] < 0:
                raise ValueError(f"'{name}' is negative")
        fields = {name: values[name] for name in _KINDS}
        effort = {name: fields.pop(name) for name in _EFFORT}
        fields |= {
            "effort": Effort(**effort),
            "verdict": Verdict(fields["verdict"]),
            "found_by": FoundBy(fields["found_by"]),
            "proved_by": ProvedBy(fields["proved_by"]),
            "distance_proved_by": ProvedBy(fields["distance_proved_by"]),
            "ending": Ending(fields["ending"]),
        }
        return cls(**fields)

    def line(self) -> str:
        """The line of the record."""
        return json.dumps(self.as_json(), allow_nan=False) + "\n"

    def checksum(self) -> int:
        """A checksum of the record's values."""
        return checksum(self.as_json())

    def as_json(self) -> dict[str, Any]:
        """The record as plain JSON values."""
        values = {k: v.value if isinstance(v, Enum) else v for k, v in vars(self).items()}
        values |= effort_as_json(values.pop("effort"))
        return {k: v for k, v in values.items() if LEFT_OUT.get(k, ...) != v}

    def result(self, witness: Witness | None) -> Result:
        """The result again, with the witness, which is stored elsewhere."""
        return Result(
            index=self.index,
            verdict=self.verdict,
            witness=witness,
            target=-1 if self.target is None else self.target,
            found_by=self.found_by,
            best_margin=math.inf if self.best_margin is None else self.best_margin,
            bound=-math.inf if self.bound is None else self.bound,
            proved_by=self.proved_by,
            effort=self.effort,
            reason=Reason(self.ending, self.reason) if self.reason else None,
            distance_bound=math.inf if self.distance_bound is None else self.distance_bound,
            distance_proved_by=self.distance_proved_by,
            broken_by=self.broken_by,
        )


def name_class(classes: Sequence[str] | None, number: int | None) -> str:
    """The name of a class, or its number where classes have no names."""
    if classes is None or number is None or not 0 <= number < len(classes):
        return str(number)
    return printable(classes[number])


LATER_COUNTS: Final = (
    "gradients", "queries", "lps", "mips", "gradient_seconds", "mip_seconds",
)  # fmt: skip
"""Fields of an effort that old files lack. They are left out where they are 0, so that an old
record has the same checksum when it is written again."""
_EFFORT: Final = tuple(field.name for field in fields(Effort))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def effort_as_json(effort: Effort) -> dict[str, Any]:
    """An effort as plain JSON values."""
    return {name: v for name, v in vars(effort).items() if v or name not in LATER_COUNTS}


_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "index": (int,),
    "label": (int,),
    "prediction": (int,),
    "verdict": (str,),
    "target": (int, NoneType),
    "distance": (int, float, NoneType),
    "found_by": (str,),
    "best_margin": (int, float, NoneType),
    "bound": (int, float, NoneType),
    "proved_by": (str,),
    "reason": (str,),
    "ending": (str,),
    "distance_bound": (int, float, NoneType),
    "distance_proved_by": (str,),
    "broken_by": (str,),
    "group": (str,),
} | {
    field.name: (int,) if isinstance(field.default, int) else (int, float)
    for field in fields(Effort)
}
_SIZES: Final = frozenset({"index", "label", "prediction", "distance", "distance_bound", *_EFFORT})
"""Numbers that are not negative."""
_MOST: Final = 2**63
_SINCE_PROOFS: Final[dict[str, Any]] = {
    "bound": None,
    "proved_by": "nothing",
    "nodes": 0,
    "reason": "",
}
"""Values of fields that lines from before there were proofs lack."""
LEFT_OUT: Final[dict[str, Any]] = {
    "distance_bound": 0.0,
    "distance_proved_by": "nothing",
    "ending": "unrecorded",
    "broken_by": "",
    "group": "",
}
"""Fields that lines lack where they have these values, as all lines did before there were such
fields: the checksums of old lines remain."""


def read_records(path: Path) -> list[Record]:
    """Reads a results file, without a last line that a crash cut short.

    Raises:
        DamagedFolderError: the file cannot be read, or a line of it is damaged.
    """
    with explain_read_errors(path, "run the attack again with another --out"):
        return parse_records(path, complete_lines(path.read_bytes()))


def parse_records(path: Path, lines: Sequence[bytes]) -> list[Record]:
    """Parses the first lines of a results file.

    Raises:
        DamagedFolderError: a line is damaged.
    """
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(Record.parse(line))
        except (ValueError, OverflowError, RecursionError) as error:
            raise DamagedFolderError(
                f"line {number} of {path} is damaged ({error}): run the attack again with "
                "another --out"
            ) from error
    return records


def _is_one(value: object, kinds: tuple[type, ...]) -> bool:
    """Whether a value has one of some types and, if it is a number, is finite."""
    if isinstance(value, bool) or not isinstance(value, kinds):
        return False
    if isinstance(value, int):
        return abs(value) < _MOST
    return not isinstance(value, float) or math.isfinite(value)


JOURNAL: Final = "journal.jsonl"
_SYNC_EVERY: Final = 5.0
"""Seconds between waits for the disk; they guard against power failures, not against kills."""
_TYPES: Final = ("<f4", "<f8")


@dataclass(frozen=True)
class Entry:
    """One line of a journal.

    Attributes:
        record: the result.
        witness: its witness; None where the verdict needs none.
    """

    record: Record
    witness: Witness | None

    def line(self) -> bytes:
        """The line of the entry."""
        values: dict[str, Any] = {"record": self.record.as_json()}
        if self.witness is not None:
            values |= {
                "inputs": _encode(self.witness.x),
                "outputs": _encode(self.witness.outputs),
            }
        return seal_line(values)

    @classmethod
    def parse(cls, line: bytes) -> Entry:
        """Parses a line.

        Raises:
            ValueError, TypeError, KeyError: the line is no entry.
        """
        values = unseal_line(line)
        record, witness = Record.of_json(values["record"]), None
        if "inputs" in values:
            if record.distance is None:
                raise ValueError("a witness without its distance")
            x, outputs = _decode(values["inputs"]), _decode(values["outputs"])
            witness = Witness(x, outputs, record.distance)
        return cls(record, witness)


@final
class Journal:
    """The journal of a folder; entries are appended.

    Args:
        folder: the folder of the run.

    Raises:
        InputError: it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._lines = LineFile(folder / JOURNAL)
        self._synced = time.monotonic()

    def append(self, entry: Entry) -> None:
        """Writes one entry.

        Raises:
            InputError: it cannot be written.
        """
        self._lines.append(entry.line())
        if time.monotonic() - self._synced > _SYNC_EVERY:
            self._lines.sync()
            self._synced = time.monotonic()

    def close(self) -> None:
        """Closes the file; it stays."""
        self._lines.close()


def read_journal(folder: Path) -> list[Entry] | None:
    """Reads a folder's journal, without a last entry that was cut short; None without a journal.

    Raises:
        DamagedFolderError: a line of it is damaged.
    """
    path = folder / JOURNAL
    with explain_read_errors(
        path, "remove it to go on without what it holds, or give another --out"
    ):
        if not path.exists():
            return None
        lines = complete_lines(path.read_bytes())
        entries = []
        for number, line in enumerate(lines, start=1):
            try:
                entries.append(Entry.parse(line))
            except Exception as error:
                raise ValueError(f"line {number}: {error}") from error
        return entries


def _encode(array: Floats) -> dict[str, str]:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return {"type": little.dtype.str, "data": base64.b64encode(little.tobytes()).decode()}


def _decode(values: dict[str, str]) -> Floats:
    if values["type"] not in _TYPES:
        raise ValueError("numbers of another type")
    kind = np.dtype(values["type"])
    array = np.frombuffer(base64.b64decode(values["data"], validate=True), dtype=kind)
    return array.astype(kind.newbyteorder("="))
