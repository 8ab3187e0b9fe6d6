"""Finished runs made by hand: records with verdicts and distances, without a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from onnx_lippa.attacks import Lippa
from onnx_lippa.runs.audit import Audit
from onnx_lippa.runs.finished import FinishedRun
from onnx_lippa.runs.identity import Identity, describe_options
from onnx_lippa.runs.record import Record
from onnx_lippa.runs.summary import FOUND_BY, PROVED_BY
from onnx_lippa.spec import InputSpecification
from onnx_lippa.state import Budget
from onnx_lippa.witness import Effort, FoundBy, ProvedBy, Verdict

LETTERS = {
    "M": Verdict.MISCLASSIFIED,
    "A": Verdict.ADVERSARIAL,
    "R": Verdict.ROBUST,
    "U": Verdict.UNKNOWN,
}


def made_record(index: int, letter: str, distance: float | None = None, **changes: Any) -> Record:
    """A record of the verdict that a letter stands for."""
    verdict = LETTERS[letter]
    known = {"M": 0.0, "A": 0.05 if distance is None else distance}.get(letter)
    made = Record(
        index=index,
        label=index % 3,
        prediction=(index + 1) % 3 if letter == "M" else index % 3,
        verdict=verdict,
        target=(index + 1) % 3 if letter == "A" else None,
        distance=known,
        effort=Effort(seconds=0.25),
        found_by={"A": FoundBy.LP, "M": FoundBy.CLEAN}.get(letter, FoundBy.NOTHING),
        best_margin=None,
        proved_by=ProvedBy.COMPLETE if letter == "R" else ProvedBy.NOTHING,
    )
    return replace(made, **changes)


def made_run(
    letters: str,
    eps: float | None = 0.05,
    *,
    records: Sequence[Record] | None = None,
    name: str = "",
    model: str = "a" * 64,
    groups: Sequence[str] | None = None,
    minimize: bool = False,
    requested: int | None = None,
    path: str = "model.onnx",
    features: InputSpecification | None = None,
) -> FinishedRun:
    """A run with a verdict for each letter: M, A, R, U."""
    if records is None:
        records = [made_record(index, letter) for index, letter in enumerate(letters)]
    if groups is not None:
        pairs = zip(records, groups, strict=True)
        records = [replace(record, group=group) for record, group in pairs]
    n = len(records)
    counts = {verdict.value: sum(one.verdict is verdict for one in records) for verdict in Verdict}
    wrong, broken = counts["misclassified"], counts["adversarial"]
    lower, upper = (wrong + broken) / max(1, n), (n - counts["robust"]) / max(1, n)
    figures: dict[str, Any] = {
        "model": path,
        "model_sha256": model,
        "data": "data.npz",
        "norm": "linf",
        "targets": "all",
        "method": "audit",
        "minimize": minimize,
        "requested": n if requested is None else requested,
        "seed": 0,
        "workers": 1,
        "found_by": {by.value: 0 for by in FOUND_BY} | {"lp": broken},
        "proved_by": {by.value: 0 for by in PROVED_BY} | {"complete": counts["robust"]},
        "inputs": n,
        "clean_error": wrong / max(1, n),
        "robust_error": {"lower": lower, "upper": upper},
        "counts": counts,
        "median_distance": 0.05 if broken else None,
        "median_distance_bound": None,
        "seconds": 1.5,
        "versions": {"python": "3.11"},
    }
    options = describe_options(Audit(Lippa()), Budget(), minimize=minimize)
    identity = Identity(
        model, "y", "digest of the inputs", tuple(one.index for one in records) or (0,), "linf",
        features or InputSpecification(eps=eps), "all", options, "0.1.0",
    )  # fmt: skip
    clean = np.array([[float(one.index), 0.5] for one in records], dtype=np.float32)
    return FinishedRun(
        name, identity, figures, tuple(records), {}, clean, (2,),
    )  # fmt: skip
