"""The folder of a run: what had finished is on disk, whatever happens next."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np

from onnx_lippa.arrays import AnyArray, Floats, Integers, Shape, size
from onnx_lippa.errors import InputError
from onnx_lippa.question import Features
from onnx_lippa.runs.records import Record, read_records
from onnx_lippa.runs.summary import Summary
from onnx_lippa.witness import Outcome, Verdict, Witness

SUMMARY: Final = "summary.json"
RESULTS: Final = "results.jsonl"
ADVERSARIALS: Final = "adversarials.npz"
RUN: Final = "run.json"
DATA: Final = "data.npz"
_TYPES: Final = (np.float32, np.float64)
"""What a model may take and give."""
_SAVE_EVERY: Final = 5.0
"""Seconds between writes of the adversarial inputs."""


@dataclass(frozen=True)
class Asked:
    """What a folder's run was asked; a second run into the folder must ask the same.

    Attributes:
        model: path of the model.
        model_sha256: digest of its file.
        data: path of the data; empty where the inputs are in the folder's own ``data.npz``.
        data_sha256: digest of that file.
        indices: the inputs, by their place in the data.
        norm: name of the norm.
        features: radius, domain, and what else is said of the features.
        targets: which wrong classes count.
        options: the attack's settings, as text.
    """

    model: str
    model_sha256: str
    data: str
    data_sha256: str
    indices: tuple[int, ...]
    norm: str
    features: Features
    targets: str
    options: str

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON values, the features' fields among the others."""
        own = {name: value for name, value in vars(self).items() if name != "features"}
        return own | vars(self.features)

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Asked:
        """What a file says; files of before there were masks and grids lack these two.

        Raises:
            ValueError, TypeError, KeyError, InputError: it says nothing that can be asked.
        """
        words: dict[str, Any] = {"fixed": [], "grid": 0.0} | values
        said = {name: words.pop(name) for name in ("lower", "upper", "eps", "fixed", "grid")}
        for name, value in said.items():
            numbers = value if isinstance(value, list) else [value]
            kinds = (int,) if name == "fixed" else (int, float)
            if not (name == "eps" and value is None) and not _are(numbers, kinds):
                raise TypeError(f"{name} is of the wrong type")
            said[name] = tuple(value) if isinstance(value, list) else value
        indices = tuple(words.pop("indices"))
        if not indices or not _are(indices, (int,)) or not _are(words.values(), (str,)):
            raise TypeError("a field is of the wrong type")
        return cls(**words, indices=indices, features=Features(**said))


class RunFolder:
    """Writes results as they come, and reads them back.

    Args:
        path: the folder.
        sample_shape: shape of one input, in which adversarial inputs are stored.
    """

    def __init__(self, path: Path, sample_shape: Shape) -> None:
        self.path, self._shape = path, sample_shape
        self._outcomes: dict[int, Outcome] = {}
        self._labels: dict[int, int] = {}
        self._predictions: dict[int, int] = {}
        self._saved = time.monotonic()

    def open(self, asked: Asked, predictions: dict[int, int], labels: dict[int, int]) -> None:
        """Prepares the folder; takes up an interrupted run that asked the same.

        Args:
            asked: what this run is asked.
            predictions: class the model gives each clean input, by index.
            labels: label of each input, by index.

        Raises:
            InputError: the folder cannot be written, or holds another run.
        """
        self._labels, self._predictions = labels, predictions
        known = self.path / RUN
        with _writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            started = known.exists()
        if started:
            if read_asked(self.path) != asked:
                raise InputError(
                    f"{self.path} holds the results of another run: give another --out, "
                    "or the arguments of that run to continue it"
                )
            self._take_up()
        for name in () if started else (RESULTS, SUMMARY, ADVERSARIALS, DATA):
            if (self.path / name).exists():
                raise InputError(
                    f"{self.path} holds a {name} that is not of this run: give another --out"
                )
        replaced(known, json.dumps(asked.as_json(), indent=1).encode())
        self._write_results()

    @property
    def finished(self) -> list[Outcome]:
        """Outcomes on disk, by index."""
        return [self._outcomes[index] for index in sorted(self._outcomes)]

    def add(self, outcome: Outcome) -> None:
        """Writes one outcome; witnesses follow every few seconds, and at the end."""
        self._outcomes[outcome.index] = outcome
        with _writing(self.path), (self.path / RESULTS).open("a") as file:
            file.write(self._record(outcome).line())
        if time.monotonic() - self._saved > _SAVE_EVERY:
            self.save_witnesses()

    def save_witnesses(self) -> None:
        """Writes the adversarial inputs found so far."""
        known = [o for o in self.finished if o.witness is not None]
        stored = [o.witness for o in known if o.witness is not None]
        inputs = np.array([w.x for w in stored], dtype=None if stored else np.float32)
        arrays: dict[str, AnyArray] = {
            "index": np.array([o.index for o in known], dtype=np.int64),
            "inputs": inputs.reshape(len(stored), *self._shape),
            "labels": np.array([self._labels[o.index] for o in known], dtype=np.int64),
            "predictions": np.array([w.prediction for w in stored], dtype=np.int64),
            "outputs": np.array([w.outputs for w in stored], dtype=None if stored else np.float32),
        }
        _write_arrays(self.path / ADVERSARIALS, arrays)
        self._saved = time.monotonic()

    def save_data(self, inputs: Floats, labels: Integers) -> None:
        """Keeps inputs that exist nowhere else."""
        shaped = inputs.reshape(len(inputs), *self._shape)
        _write_arrays(self.path / DATA, {"inputs": shaped, "labels": labels})

    def close(self, summary: Summary) -> None:
        """Writes what is known at the end, or at an interrupt: three files that agree."""
        self._write_results()
        self.save_witnesses()
        replaced(self.path / SUMMARY, (json.dumps(summary.as_json(), indent=2) + "\n").encode())

    def _write_results(self) -> None:
        lines = [self._record(outcome).line() for outcome in self._outcomes.values()]
        replaced(self.path / RESULTS, "".join(lines).encode())

    def _record(self, outcome: Outcome) -> Record:
        index = outcome.index
        return Record.of(outcome, self._labels[index], self._predictions[index])

    def _take_up(self) -> None:
        """Reads the outcomes of an interrupted run; a claim without its witness is dropped."""
        witnesses: dict[int, tuple[Floats, Floats]] = {}
        if (self.path / ADVERSARIALS).exists():
            stored = read_witnesses(self.path / ADVERSARIALS, self._shape)
            pairs = zip(stored.inputs, stored.outputs, strict=True)
            witnesses = dict(zip(stored.index.tolist(), pairs, strict=True))
        results = self.path / RESULTS
        for record in read_records(results) if results.exists() else []:
            index, witness = record.index, None
            if self._labels.get(index) != record.label:
                raise InputError(
                    f"{results} has another label for input {index} than the data: "
                    "give another --out"
                )
            if record.verdict is Verdict.ADVERSARIAL:
                if index not in witnesses or record.distance is None:
                    continue
                witness = Witness(*witnesses[index], record.distance)
            self._outcomes[index] = record.outcome(witness)


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
        InputError: the file is missing or damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            stored = StoredWitnesses(
                *(arrays[name] for name in ("index", "inputs", "labels", "predictions", "outputs"))
            )
        n = len(stored.index)
        exact = stored.inputs.dtype in _TYPES and stored.outputs.dtype in _TYPES
        whole = all(a.dtype == np.int64 and a.shape == (n,)
                    for a in (stored.index, stored.labels, stored.predictions))  # fmt: skip
        if not exact or not whole or stored.inputs.shape != (n, *sample_shape):
            raise ValueError("arrays of other types or shapes")
        if len(stored.outputs) != n:
            raise ValueError("arrays of different lengths")
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, NotImplementedError) as error:
        raise InputError(
            f"{path} is missing or damaged ({error}): run the attack again with another --out"
        ) from error
    return replace(stored, inputs=stored.inputs.reshape(n, size(sample_shape)))


def read_asked(path: Path) -> Asked:
    """What a folder's run was asked.

    Raises:
        InputError: the folder holds no run.
    """
    try:
        return Asked.parse(json.loads((path / RUN).read_bytes()))
    except (OSError, ValueError, TypeError, KeyError, InputError) as error:
        raise InputError(
            f"{path} holds no run that can be read ({RUN} is missing or damaged): "
            "give the --out folder of a run"
        ) from error


def _are(values: Iterable[object], kinds: tuple[type, ...]) -> bool:
    """Whether all values are of some types; true and false are no numbers."""
    return all(isinstance(value, kinds) and not isinstance(value, bool) for value in values)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turns a failure to write into an error of ours."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot write to {path} ({error.strerror or error}): give another --out"
        ) from error


def replaced(path: Path, content: bytes) -> None:
    """Replaces a file in one step, so that a crash leaves the old one or the new one."""
    draft = path.with_name(path.name + ".part")
    with _writing(path):
        draft.write_bytes(content)
        os.replace(draft, path)


def _write_arrays(path: Path, arrays: dict[str, AnyArray]) -> None:
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]  # numpy's stub of **kwds
    replaced(path, content.getvalue())
