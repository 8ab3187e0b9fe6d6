"""The folder of a run: what had finished is on disk, whatever happens next."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from onnx_lippa.arrays import AnyArray, Float32, Integers, Shape
from onnx_lippa.attacks import FoundBy, Outcome, Verdict
from onnx_lippa.errors import InputError
from onnx_lippa.runs.summary import Summary
from onnx_lippa.witness import Witness

SUMMARY: Final = "summary.json"
RESULTS: Final = "results.jsonl"
ADVERSARIALS: Final = "adversarials.npz"
RUN: Final = "run.json"
DATA: Final = "data.npz"
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
        eps: radius or None.
        lower: lower end of the domain.
        upper: its upper end.
        targets: which wrong classes count.
        options: the attack's settings, as text.
    """

    model: str
    model_sha256: str
    data: str
    data_sha256: str
    indices: tuple[int, ...]
    norm: str
    eps: float | None
    lower: float
    upper: float
    targets: str
    options: str


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
        text = json.dumps(vars(asked), indent=1)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            known = self.path / RUN
            if known.exists():
                if json.loads(known.read_text()) != json.loads(text):
                    raise InputError(
                        f"{self.path} holds the results of another run: give another --out, "
                        "or the arguments of that run to continue it"
                    )
                self._take_up()
            elif (self.path / RESULTS).exists() or (self.path / SUMMARY).exists():
                raise InputError(
                    f"{self.path} holds results that are not of this run: give another --out"
                )
            _write(known, text.encode())
            with (self.path / RESULTS).open("a"):
                pass
        except OSError as error:
            raise InputError(
                f"cannot write to {self.path} ({error.strerror or error}): give another --out"
            ) from error
        except json.JSONDecodeError as error:
            raise InputError(
                f"{self.path / RUN} is damaged, so the run cannot be continued: give another --out"
            ) from error

    @property
    def finished(self) -> list[Outcome]:
        """Outcomes on disk, by index."""
        return [self._outcomes[index] for index in sorted(self._outcomes)]

    def add(self, outcome: Outcome) -> None:
        """Writes one outcome; witnesses follow every few seconds, and at the end."""
        self._outcomes[outcome.index] = outcome
        with (self.path / RESULTS).open("a") as file:
            file.write(json.dumps(self._line(outcome)) + "\n")
        if time.monotonic() - self._saved > _SAVE_EVERY:
            self.save_witnesses()

    def save_witnesses(self) -> None:
        """Writes the adversarial inputs found so far."""
        known = [o for o in self.finished if o.witness is not None]
        stored = [o.witness for o in known if o.witness is not None]
        inputs = np.array([w.x for w in stored], dtype=np.float32)
        arrays: dict[str, AnyArray] = {
            "index": np.array([o.index for o in known], dtype=np.int64),
            "inputs": inputs.reshape(len(stored), *self._shape),
            "labels": np.array([self._labels[o.index] for o in known], dtype=np.int64),
            "predictions": np.array([w.prediction for w in stored], dtype=np.int64),
            "outputs": np.array([w.outputs for w in stored], dtype=np.float32),
        }
        _write_arrays(self.path / ADVERSARIALS, arrays)
        self._saved = time.monotonic()

    def save_data(self, inputs: Float32, labels: Integers) -> None:
        """Keeps inputs that exist nowhere else."""
        shaped = inputs.reshape(len(inputs), *self._shape)
        _write_arrays(self.path / DATA, {"inputs": shaped, "labels": labels})

    def close(self, summary: Summary) -> None:
        """Writes what is known at the end, or at an interrupt."""
        self.save_witnesses()
        _write(self.path / SUMMARY, (json.dumps(summary.as_json(), indent=2) + "\n").encode())

    def _line(self, outcome: Outcome) -> dict[str, Any]:
        distance = None
        if outcome.witness is not None:
            distance = outcome.witness.distance
        elif outcome.verdict is Verdict.MISCLASSIFIED:
            distance = 0.0
        return {
            "index": outcome.index,
            "label": self._labels[outcome.index],
            "prediction": self._predictions[outcome.index],
            "verdict": outcome.verdict.value,
            "target": outcome.target if outcome.target >= 0 else None,
            "distance": distance,
            "seconds": outcome.seconds,
            "found_by": outcome.found_by.value,
            "lp_steps": outcome.lp_steps,
            "lp_seconds": outcome.lp_seconds,
            "best_margin": outcome.best_margin,
        }

    def _take_up(self) -> None:
        """Reads the outcomes of an interrupted run; a claim without its witness is dropped."""
        witnesses: dict[int, tuple[Float32, Float32]] = {}
        stored = self.path / ADVERSARIALS
        if stored.exists():
            with np.load(stored, allow_pickle=False) as arrays:
                pairs = zip(arrays["inputs"], arrays["outputs"], strict=True)
                witnesses = dict(zip(arrays["index"].tolist(), pairs, strict=True))
        lines = []
        for line in read_lines(self.path / RESULTS):
            index, verdict = int(line["index"]), Verdict(line["verdict"])
            witness = None
            if verdict is Verdict.ADVERSARIAL:
                if index not in witnesses:
                    continue
                x, outputs = witnesses[index]
                witness = Witness(x.ravel(), outputs, line["distance"])
            target = -1 if line["target"] is None else int(line["target"])
            self._outcomes[index] = Outcome(
                index, verdict, witness, target, FoundBy(line["found_by"]), line["lp_steps"],
                line["seconds"], line["lp_seconds"], line["best_margin"],
            )  # fmt: skip
            lines.append(json.dumps(line) + "\n")
        _write(self.path / RESULTS, "".join(lines).encode())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a results file; a last line cut short by a crash is left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


def _write(path: Path, content: bytes) -> None:
    """Replaces a file in one step, so that a crash leaves the old one or the new one."""
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(content)
    os.replace(draft, path)


def _write_arrays(path: Path, arrays: dict[str, AnyArray]) -> None:
    draft = path.with_name(path.name + ".part")
    with draft.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # numpy's stub of **kwds
    os.replace(draft, path)
