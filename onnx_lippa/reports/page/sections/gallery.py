"""Adversarial examples beside their clean inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.reports.page.images import show_difference, show_image
from onnx_lippa.reports.page.pictures import data_uri
from onnx_lippa.reports.page.reported import ReportedRun
from onnx_lippa.reports.page.sections.moved import Move, find_moves
from onnx_lippa.runs.record import Record

_MOST: Final = 12
"""Most examples of a run."""


@final
@dataclass(frozen=True)
class Example:
    """One adversarial example.

    Attributes:
        record: the record of its input.
        label: name of its class.
        target: name of the class that the model gives it.
        clean: the clean image as an address; empty where inputs are no images.
        adversarial: the adversarial image.
        difference: their difference, from blue (less) over white to red (more).
        most: largest absolute change of a feature, the end of the difference's scale.
        changed: number of features that change.
        moves: the features that change most.
    """

    record: Record
    label: str
    target: str
    clean: str
    adversarial: str
    difference: str
    most: float
    changed: int
    moves: tuple[Move, ...]


def choose_examples(run: ReportedRun) -> tuple[Example, ...]:
    """The nearest witnesses of each class in turn; none where the clean inputs are not found."""
    examples: list[Example] = []
    for record in _take_turns(run.broken):
        clean, witness = run.clean(record.index), run.witness(record.index)
        difference = run.difference(record.index)
        if clean is None or witness is None or difference is None:
            continue
        images = ("", "", "")
        if run.is_image:
            box = run.run.identity.features.box(clean.size)
            images = (
                data_uri(show_image(clean, box)),
                data_uri(show_image(witness, box)),
                data_uri(show_difference(difference)),
            )
        examples.append(Example(
            record, run.class_name(record.label), run.class_name(record.target), *images,
            float(np.abs(difference).max()), int(np.count_nonzero(difference)),
            find_moves(run, record.index),
        ))  # fmt: skip
        if len(examples) == _MOST:
            break
    return tuple(examples)


def _take_turns(records: Sequence[Record]) -> Iterator[Record]:
    """The first record of each class, then the second of each, and so on."""
    by_class: dict[int, list[Record]] = {}
    for record in records:
        by_class.setdefault(record.label, []).append(record)
    for turn in range(max(map(len, by_class.values()), default=0)):
        for label in sorted(by_class):
            yield from by_class[label][turn : turn + 1]
