"""A finished run, re-checked from its files alone."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onnx_lippa.arrays import Float32, Integers
from onnx_lippa.attacks import Settings, Verdict
from onnx_lippa.errors import FalseClaimError, InputError
from onnx_lippa.onnx_io import Model
from onnx_lippa.question import norm_named
from onnx_lippa.runs.folder import ADVERSARIALS, RESULTS, RUN, SUMMARY, Asked, read_lines
from onnx_lippa.runs.specification import RunSpecification, Targets
from onnx_lippa.witness import Judge


@dataclass(frozen=True)
class Replayed:
    """What a replay confirmed.

    Attributes:
        inputs: results read.
        adversarial: witnesses replayed.
        misclassified: clean inputs confirmed to be misclassified.
    """

    inputs: int
    adversarial: int
    misclassified: int


def read_asked(path: Path) -> Asked:
    """What a folder's run was asked.

    Raises:
        InputError: the folder holds no run.
    """
    try:
        fields = json.loads((path / RUN).read_text())
        return Asked(**{**fields, "indices": tuple(fields["indices"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path} holds no run that can be replayed ({RUN} is missing or damaged): "
            "give the --out folder of a run"
        ) from error


def replay(path: Path, asked: Asked, model: Model, inputs: Float32, labels: Integers) -> Replayed:
    """Checks every claim of a run: alone, in a batch, and in the batch of all witnesses.

    Args:
        path: the run's folder.
        asked: what it was asked.
        model: the model, freshly loaded.
        inputs: (n, d) the clean inputs, in the order of ``asked.indices``.
        labels: (n,) their labels.

    Raises:
        InputError: a file of the run is missing or damaged.
        FalseClaimError: the first claim that does not hold.
    """
    records = {int(record["index"]): record for record in read_lines(path / RESULTS)}
    stored = _stored(path / ADVERSARIALS)
    claims = {i for i, r in records.items() if r["verdict"] == Verdict.ADVERSARIAL.value}
    if claims != set(stored.index.tolist()) or len(set(stored.index.tolist())) != len(stored.index):
        raise FalseClaimError(
            f"{RESULTS} claims {len(claims)} adversarial inputs, but {ADVERSARIALS} holds "
            f"{len(stored.index)}, or others"
        )
    place = {index: row for row, index in enumerate(asked.indices)}
    outputs = model.runtime.outputs(inputs)
    specification = _specification(asked)
    for index, record in records.items():
        if index not in place:
            raise FalseClaimError(f"input {index}: the run was not asked about it")
        label = int(labels[place[index]])
        _require(record["label"] == label, index, "its label is not that of the data")
        _check_clean(record, index, specification, inputs, labels, outputs, place)
    together = model.runtime.outputs(stored.inputs) if len(stored.index) else np.zeros((0, 1))
    judge = Judge(model.runtime)
    for row, index in enumerate(stored.index.tolist()):
        at = place[index]
        problem = specification.problem(index, inputs[at], int(labels[at]), outputs[at])
        witness = judge.replay(stored.inputs[row], problem.inputs, problem.unsafe)
        _require(
            witness is not None, index, "its stored adversarial input does not replay: it is not "
            "misclassified, or it leaves the eps ball or the domain",
        )  # fmt: skip
        _require(
            problem.unsafe.contains(together[row]), index,
            "its adversarial input is not misclassified in the batch of all of them",
        )  # fmt: skip
        if witness is not None:
            _require(
                witness.prediction == int(stored.predictions[row]), index,
                "its stored prediction is not what ONNX Runtime gives",
            )  # fmt: skip
            _require(
                witness.distance == records[index]["distance"], index,
                "its stated distance is not that of the stored input",
            )  # fmt: skip
    wrong = sum(r["verdict"] == Verdict.MISCLASSIFIED.value for r in records.values())
    _check_summary(path / SUMMARY, records, wrong, len(claims))
    return Replayed(len(records), len(claims), wrong)


@dataclass(frozen=True)
class _Stored:
    index: Integers
    inputs: Float32
    predictions: Integers


def _stored(path: Path) -> _Stored:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            inputs = arrays["inputs"]
            if inputs.dtype != np.float32:
                raise FalseClaimError(f"{path.name} holds inputs of type {inputs.dtype}")
            return _Stored(
                arrays["index"],
                inputs.reshape(len(inputs), math.prod(inputs.shape[1:])),
                arrays["predictions"],
            )
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(f"{path} is missing or damaged: run the attack again") from error


def _specification(asked: Asked) -> RunSpecification:
    settings = Settings(minimize=asked.eps is None)
    return RunSpecification(
        Path(asked.model), norm_named(asked.norm), asked.eps, asked.lower, asked.upper,
        Targets.parse(asked.targets), settings,
    )  # fmt: skip


def _check_clean(
    record: dict[str, Any],
    index: int,
    specification: RunSpecification,
    inputs: Float32,
    labels: Integers,
    outputs: Float32,
    place: dict[int, int],
) -> None:
    """A clean input is misclassified exactly where the run says so."""
    at = place[index]
    problem = specification.problem(index, inputs[at], int(labels[at]), outputs[at])
    unsafe = problem.unsafe.contains(outputs[at])
    claimed = record["verdict"] == Verdict.MISCLASSIFIED.value
    _require(
        unsafe == claimed, index,
        "its clean input is classified otherwise than the run says",
    )  # fmt: skip


def _check_summary(path: Path, records: dict[int, dict[str, Any]], wrong: int, broken: int) -> None:
    try:
        summary = json.loads(path.read_text())
        counts, error = summary["counts"], summary["robust_error"]["lower"]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise InputError(f"{path} is missing or damaged: run the attack again") from problem
    total = len(records)
    if (
        summary["inputs"] != total
        or counts["misclassified"] != wrong
        or counts["adversarial"] != broken
        or not math.isclose(error, (wrong + broken) / max(1, total), abs_tol=1e-12)
    ):
        raise FalseClaimError(f"{SUMMARY} does not add up to the results of the run")


def _require(holds: bool, index: int, otherwise: str) -> None:
    if not holds:
        raise FalseClaimError(f"input {index}: {otherwise}")
