"""The journal of a run in progress: each outcome with its witness, in one line of its own.

A line is written before the outcome is listed anywhere else, so a process that is killed at any
moment loses the line it was writing and nothing else. Each line holds a checksum.
"""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from onnx_lippa.arrays import Floats
from onnx_lippa.runs.files import LineFile, reading, seal_line, unseal_line, whole_lines
from onnx_lippa.runs.records import Record
from onnx_lippa.witness import Witness

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
        """The line that holds the entry."""
        values: dict[str, Any] = {"record": self.record.as_json()}
        if self.witness is not None:
            values |= {
                "inputs": _encode(self.witness.x),
                "outputs": _encode(self.witness.outputs),
            }
        return seal_line(values)

    @classmethod
    def parse(cls, line: bytes) -> Entry:
        """The entry that a line holds.

        Raises:
            ValueError, TypeError, KeyError: it holds none.
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
    """Appends entries to the journal of a folder.

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
    """The entries of a folder's journal, without a last one that was cut short; None without one.

    Raises:
        DamagedFolderError: a line of it is damaged.
    """
    path = folder / JOURNAL
    with reading(path, "remove it to go on without what it holds, or give another --out"):
        if not path.exists():
            return None
        lines = whole_lines(path.read_bytes())
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
