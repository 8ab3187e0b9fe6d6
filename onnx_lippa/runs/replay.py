"""A finished run, re-checked from its files alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np

from onnx_lippa.arrays import Floats, Integers
from onnx_lippa.attacks import Settings
from onnx_lippa.errors import FalseClaimError, InputError
from onnx_lippa.onnx_io import Model
from onnx_lippa.question import norm_named
from onnx_lippa.runs.folder import (
    ADVERSARIALS,
    RESULTS,
    SUMMARY,
    Asked,
    StoredWitnesses,
    read_witnesses,
)
from onnx_lippa.runs.records import Record, read_records
from onnx_lippa.runs.specification import RunSpecification, Targets
from onnx_lippa.runs.summary import RunFacts, summarise
from onnx_lippa.witness import FoundBy, Judge, Outcome, ProvedBy, Verdict, Witness

_NOT_CHECKED: Final = ("versions",)
"""Fields of a summary that neither the question nor the results determine."""
_FACTS: Final = tuple(field.name for field in fields(RunFacts) if field.name != "features")
"""The question's fields that a summary holds as they are."""
_SINCE_PROOFS: Final = {
    "nodes": 0,
    "seconds_per_proven": None,
    "proved_by": {"interval": 0, "linear": 0, "mip": 0, "complete": 0},
}
"""What summaries written before there were proofs lack, and mean."""
_SINCE_FEATURES: Final = {"fixed": 0, "grid": 0.0}
"""What summaries written before there were masks and grids lack, and mean."""


@dataclass(frozen=True)
class Replayed:
    """What a replay confirmed.

    Attributes:
        inputs: results read.
        adversarial: witnesses replayed.
        misclassified: clean inputs confirmed to be misclassified.
        robust: inputs that the run says are proven robust. A proof is not repeated by a replay.
    """

    inputs: int
    adversarial: int
    misclassified: int
    robust: int = 0


def replay(path: Path, asked: Asked, model: Model, inputs: Floats, labels: Integers) -> Replayed:
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
    records = read_records(path / RESULTS)
    stored = read_witnesses(path / ADVERSARIALS, model.network.input_shape)
    _check_that_claims_have_witnesses(records, stored)
    clean = _Clean(_specification(asked), model, asked.indices, inputs, labels)
    for record in records:
        clean.check(record)
    witnesses = _witnesses(model, stored, records, clean)
    _check_summary(path / SUMMARY, asked, records, witnesses)
    wrong = sum(record.verdict is Verdict.MISCLASSIFIED for record in records)
    proven = sum(record.verdict is Verdict.ROBUST for record in records)
    return Replayed(len(records), len(witnesses), wrong, proven)


class _Clean:
    """The clean inputs of a run, and what its records say of them."""

    def __init__(
        self,
        specification: RunSpecification,
        model: Model,
        indices: tuple[int, ...],
        inputs: Floats,
        labels: Integers,
    ) -> None:
        outputs = model.runtime.outputs(inputs)
        self.problems = {
            problem.index: problem
            for problem in specification.problems(np.array(indices), inputs, labels, outputs)
        }
        self.labels = dict(zip(indices, labels.tolist(), strict=True))
        self._outputs = dict(zip(indices, outputs, strict=True))

    def check(self, record: Record) -> None:
        """Checks what a record says without a witness."""
        index = record.index
        require = _requirement(index)
        require(index in self.problems, "the run was not asked about it")
        problem, outputs = self.problems[index], self._outputs[index]
        require(record.label == self.labels[index], "its label is not that of the data")
        require(
            record.prediction == int(outputs.argmax()),
            "its stated prediction is not what ONNX Runtime gives for the clean input",
        )
        require(
            problem.wrong.contains(outputs) == (record.verdict is Verdict.MISCLASSIFIED),
            "its clean input is classified otherwise than the run says",
        )
        proven = record.proved_by is not ProvedBy.NOTHING
        require(
            proven == (record.verdict is Verdict.ROBUST), "it does not say what proves it robust"
        )
        positive = record.bound is not None and record.bound > 0
        require(positive or not proven, "its proven bound is not positive")
        if record.verdict is Verdict.ADVERSARIAL:
            found = record.found_by not in (FoundBy.NOTHING, FoundBy.CLEAN)
            require(not positive, "it is adversarial and has a positive proven bound")
            require(found, "it does not say what found its adversarial input")
        else:
            wrong = record.verdict is Verdict.MISCLASSIFIED
            stated = (record.target, record.distance, record.found_by)
            due = (None, 0.0, FoundBy.CLEAN) if wrong else (None, None, FoundBy.NOTHING)
            require(stated == due, "it states more than its verdict allows")


def _check_that_claims_have_witnesses(records: list[Record], stored: StoredWitnesses) -> None:
    for index, times in Counter(record.index for record in records).items():
        _requirement(index)(times == 1, f"{RESULTS} has {times} results for it")
    claims = sorted(r.index for r in records if r.verdict is Verdict.ADVERSARIAL)
    if claims != sorted(stored.index.tolist()):
        raise FalseClaimError(
            f"{RESULTS} claims {len(claims)} adversarial inputs, but {ADVERSARIALS} holds "
            f"{len(stored.index)}, or others"
        )


def _witnesses(
    model: Model, stored: StoredWitnesses, records: list[Record], clean: _Clean
) -> dict[int, Witness]:
    """Every stored adversarial input, replayed."""
    if len(stored.index) and stored.inputs.dtype != model.interface.dtype:
        raise InputError(
            f"{ADVERSARIALS} holds {stored.inputs.dtype} inputs where the model takes "
            f"{model.interface.dtype}: run the attack again with another --out"
        )
    together = model.runtime.outputs(stored.inputs) if len(stored.index) else stored.outputs
    judge = Judge(model.runtime)
    stated = {record.index: record for record in records}
    found = {}
    for row, index in enumerate(stored.index.tolist()):
        problem, require = clean.problems[index], _requirement(index)
        witness = judge.replay(stored.inputs[row], problem.inputs, problem.unsafe)
        if witness is None:
            raise FalseClaimError(
                f"input {index}: its stored adversarial input does not replay: it is not "
                "misclassified, or it leaves the eps ball, the domain or the grid"
            )
        require(
            problem.unsafe.contains(together[row]),
            "its adversarial input is not misclassified in the batch of all of them",
        )
        reached = {d.target for d in problem.unsafe.disjuncts if d.contains(witness.outputs)}
        require(
            stated[index].target in reached,
            "its stated target is not a class that counts and outdoes its label",
        )
        require(
            stored.labels[row] == clean.labels[index],
            f"its label in {ADVERSARIALS} is not that of the data",
        )
        require(
            witness.prediction == stored.predictions[row],
            "its stored prediction is not what ONNX Runtime gives",
        )
        require(
            witness.distance == stated[index].distance,
            "its stated distance is not that of the stored input",
        )
        found[index] = witness
    return found


def _specification(asked: Asked) -> RunSpecification:
    settings = Settings(minimize=asked.features.eps is None)
    return RunSpecification(
        Path(asked.model), norm_named(asked.norm), asked.features, Targets.parse(asked.targets),
        settings,
    )  # fmt: skip


def _check_summary(
    path: Path, asked: Asked, records: list[Record], witnesses: dict[int, Witness]
) -> None:
    """Sums the results up again: every figure and every fact of the question must be the same."""
    try:
        stored = _SINCE_FEATURES | json.loads(path.read_bytes())
        stored = _SINCE_PROOFS | stored
        stored["found_by"] = {"grid": 0, "mip": 0, "search": 0} | stored["found_by"]
        facts = {name: stored[name] for name in _FACTS}
        seconds = stored["seconds"]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise InputError(f"{path} is missing or damaged: run the attack again") from problem
    for name in ("model_sha256", "norm", "features", "targets"):
        facts[name] = getattr(asked, name)
    facts["requested"] = len(asked.indices)
    outcomes: list[Outcome] = [record.outcome(witnesses.get(record.index)) for record in records]
    expected = summarise(RunFacts(**facts), outcomes, seconds).as_json()
    for name, value in expected.items():
        if name not in _NOT_CHECKED and stored.get(name) != value:
            raise FalseClaimError(
                f"{SUMMARY} says {name} is {stored.get(name)}, but the run's other files give "
                f"{value}"
            )


def _requirement(index: int) -> Callable[[bool, str], None]:
    """A check of one input's claims."""

    def require(holds: bool, otherwise: str) -> None:
        if not holds:
            raise FalseClaimError(f"input {index}: {otherwise}")

    return require
