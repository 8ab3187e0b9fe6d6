"""What a folder of results holds, read back; only what can be vouched for is believed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

import numpy as np

from onnx_lippa.arrays import AnyArray, Floats, Integers, Shape, size
from onnx_lippa.data.npz import read_member
from onnx_lippa.errors import DamagedFolderError, InputError
from onnx_lippa.runs.files import checksum, reading, whole_lines
from onnx_lippa.runs.journal import JOURNAL, read_journal
from onnx_lippa.runs.records import Record, parse_records
from onnx_lippa.runs.run_file import RunFile
from onnx_lippa.witness import Witness

SUMMARY: Final = "summary.json"
RESULTS: Final = "results.jsonl"
ADVERSARIALS: Final = "adversarials.npz"
DATA: Final = "data.npz"
AGAIN: Final = "run the attack again with another --out"
"""What to do about a damaged folder."""
_ARRAYS: Final = ("index", "inputs", "labels", "predictions", "outputs")
_TYPES: Final = (np.float32, np.float64)
"""What a model may take and give."""


@dataclass(frozen=True)
class Kept:
    """What the files of a run hold that can be believed.

    Attributes:
        records: results by index, in the order in which they were written.
        witnesses: witnesses by index.
        has_journal: whether the run has not ended, or was killed.
    """

    records: dict[int, Record]
    witnesses: dict[int, Witness]
    has_journal: bool


def read_kept(folder: Path, run: RunFile, sample_shape: Shape) -> Kept:
    """The results and witnesses of a run, finished or not.

    Results count that a checksum or the journal vouches for; in folders of before there were any,
    all of them.

    Raises:
        DamagedFolderError: a file is damaged.
    """
    path = folder / RESULTS
    records: dict[int, Record] = {}
    with reading(path, AGAIN):
        lines = whole_lines(path.read_bytes()) if path.exists() else []
        if not run.is_old:
            lines = lines[: 0 if run.sealed is None else len(run.sealed.results)]
        listed = parse_records(path, lines)
        require_sealed(path, listed, run)
        records = {record.index: record for record in listed}
    witnesses: dict[int, Witness] = {}
    with reading(folder / ADVERSARIALS, AGAIN):
        if (folder / ADVERSARIALS).exists():
            stored = read_witnesses(folder / ADVERSARIALS, sample_shape)
            for row, index in enumerate(stored.index.tolist()):
                record = records.get(index)
                if record is not None and record.distance is not None:
                    pair = (stored.inputs[row], stored.outputs[row])
                    witnesses[index] = Witness(*pair, record.distance)
    entries = read_journal(folder)
    for entry in entries or ():
        index = entry.record.index
        if entry.witness is not None and entry.witness.x.shape != (size(sample_shape),):
            raise DamagedFolderError(
                f"{folder / JOURNAL} holds a witness of another shape: {AGAIN}"
            )
        records[index] = entry.record
        witnesses.pop(index, None)
        if entry.witness is not None:
            witnesses[index] = entry.witness
    return Kept(records, witnesses, entries is not None)


def require_sealed(path: Path, records: list[Record], run: RunFile) -> None:
    """Raises DamagedFolderError where the first records are not those that were sealed."""
    checks = () if run.sealed is None else run.sealed.results
    for number, (record, check) in enumerate(zip(records, checks, strict=False), start=1):
        if record.checksum() != check:
            raise DamagedFolderError(
                f"line {number} of {path} is damaged (its checksum is another): {AGAIN}"
            )


def summary_checksum(figures: dict[str, Any]) -> int:
    """The checksum of a summary, from its plain JSON values."""
    return checksum({name: v for name, v in figures.items() if name not in ("model", "data")})


@dataclass(frozen=True)
class StoredWitnesses:
    """What ``adversarials.npz`` holds.

    Attributes:
        index: (n,) places of the clean inputs in the data.
        inputs: (n, d) in the type of the model.
        labels: (n,) their labels.
        predictions: (n,) what the model makes of them.
        outputs: (n, k) the model's outputs.
    """

    index: Integers
    inputs: Floats
    labels: Integers
    predictions: Integers
    outputs: Floats


def read_witnesses(path: Path, sample_shape: Shape) -> StoredWitnesses:
    """The adversarial inputs of a run.

    Raises:
        DamagedFolderError: the file is missing or damaged.
    """
    with reading(path, AGAIN):
        with ZipFile(path) as archive:
            arrays = [_read_array(archive, path, name) for name in _ARRAYS]
        stored = StoredWitnesses(*arrays)
        n = len(stored.index)
        exact = stored.inputs.dtype in _TYPES and stored.outputs.dtype in _TYPES
        whole = all(a.dtype == np.int64 and a.shape == (n,)
                    for a in (stored.index, stored.labels, stored.predictions))  # fmt: skip
        if not exact or not whole or stored.inputs.shape != (n, *sample_shape):
            raise ValueError("arrays of other types or shapes")
        if len(stored.outputs) != n:
            raise ValueError("arrays of different lengths")
        return replace(stored, inputs=stored.inputs.reshape(n, size(sample_shape)))


def _read_array(archive: ZipFile, path: Path, name: str) -> AnyArray:
    try:
        found = read_member(archive, archive.getinfo(f"{name}.npy"), path, str(path)).values
    except InputError as error:
        raise DamagedFolderError(f"{error}: {AGAIN}") from error
    return np.array(found) if isinstance(found, np.memmap) else found
