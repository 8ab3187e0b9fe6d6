"""A run as the page shows it: its name among others, and what sections and figures share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import Any, Final, final

import numpy as np

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.reports.wording import describe_record
from onnx_lippa.runs.finished import FinishedRun
from onnx_lippa.runs.record import Record
from onnx_lippa.runs.summary import NORMS
from onnx_lippa.text import printable
from onnx_lippa.witness import Verdict

_SMALLEST_IMAGE: Final = 4
"""Fewest rows and columns of an image; a smaller array is a table or a sequence."""


@final
@dataclass(frozen=True)
class ReportedRun:
    """One run of the page.

    Attributes:
        key: its number among the runs, for anchors.
        name: its name, different from those of the others.
        folder: the folder as the user named it; empty for results in memory.
        run: the run.
    """

    key: int
    name: str
    folder: str
    run: FinishedRun

    @property
    def figures(self) -> Mapping[str, Any]:
        """The values of ``summary.json``."""
        return self.run.figures

    @property
    def records(self) -> Sequence[Record]:
        """The records, by index."""
        return self.run.records

    @property
    def model(self) -> str:
        """The name of the model's file."""
        return printable(PurePath(str(self.figures["model"])).name)

    @property
    def eps(self) -> float | None:
        """The radius; None where the distance is minimised in all of the domain."""
        return self.run.identity.features.eps

    @property
    def norm(self) -> str:
        """The symbol of the norm."""
        return NORMS.get(self.run.identity.norm, self.run.identity.norm)

    @property
    def ball(self) -> str:
        """The perturbations that are allowed, in words."""
        scaled = "" if self.run.identity.features.scale is None else ", features scaled"
        if self.eps is None:
            return f"any {self.norm} distance{scaled}"
        return f"{self.norm} distance {self.eps:g}{scaled}"

    @property
    def proves(self) -> bool:
        """Whether the run tries to prove inputs robust."""
        return str(self.figures["method"]).split()[0] in ("audit", "certify")

    @property
    def minimizes(self) -> bool:
        """Whether the nearest adversarial examples were sought."""
        return bool(self.figures["minimize"])

    @property
    def bounds_distances(self) -> bool:
        """Whether the run has lower bounds of distances."""
        return str(self.figures["method"]) == "distance"

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends of the robust error."""
        error = self.figures["robust_error"]
        return float(error["lower"]), float(error["upper"])

    @cached_property
    def by_verdict(self) -> Mapping[Verdict, tuple[Record, ...]]:
        """The records of each verdict."""
        return {
            verdict: tuple(one for one in self.records if one.verdict is verdict)
            for verdict in Verdict
        }

    @cached_property
    def broken(self) -> tuple[Record, ...]:
        """The records of adversarial inputs, by increasing distance."""
        found = self.by_verdict[Verdict.ADVERSARIAL]
        return tuple(sorted(found, key=lambda one: (one.distance or 0.0, one.index)))

    @cached_property
    def _positions(self) -> Mapping[int, int]:
        return {record.index: position for position, record in enumerate(self.records)}

    def clean(self, index: int) -> Floats | None:
        """The clean input of an index, in its shape; None where the data is not found."""
        clean = self.run.clean
        return None if clean is None else clean[self._positions[index]]

    def witness(self, index: int) -> Floats | None:
        """The adversarial input of an index, in its shape; None without one."""
        witness = self.run.witnesses.get(index)
        return None if witness is None else witness.x.reshape(self.run.input_shape)

    def difference(self, index: int) -> Float64 | None:
        """Adversarial minus clean input, in the shape of an input."""
        clean, witness = self.clean(index), self.witness(index)
        if clean is None or witness is None:
            return None
        return witness.astype(np.float64) - clean.astype(np.float64)

    @cached_property
    def is_image(self) -> bool:
        """Whether inputs are images: greyscale or colour, of at least 4 by 4 pixels."""
        return image_axes(self.run.input_shape) is not None

    def group(self, record: Record) -> str:
        """The group of an input; empty without one."""
        return printable(record.group)

    def sentence(self, record: Record) -> str:
        """What is known of an input."""
        return describe_record(record, self.run.classes)

    def class_name(self, label: int | None) -> str:
        """The name of a class."""
        if label is None:
            return "–"
        names = self.run.classes
        if names is not None and 0 <= label < len(names):
            return printable(names[label])
        return str(label)

    def feature_name(self, position: int) -> str:
        """The name of a feature of the flattened input."""
        names, shape = self.run.features, self.run.input_shape
        if position < len(names):
            return printable(names[position])
        if len(shape) == 1:
            return f"feature {position}"
        place = ", ".join(map(str, np.unravel_index(position, shape)))
        return f"feature ({place})"


def image_axes(shape: Sequence[int]) -> tuple[int | None, int, int] | None:
    """The axes of channels (None without one), rows and columns; None if it is no image."""
    if len(shape) == 2 and min(shape) >= _SMALLEST_IMAGE:
        return None, 0, 1
    if len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) >= _SMALLEST_IMAGE:
        return 0, 1, 2
    if len(shape) == 3 and shape[2] in (1, 3) and min(shape[:2]) >= _SMALLEST_IMAGE:
        return 2, 0, 1
    return None


def name_runs(runs: Sequence[tuple[str, str, FinishedRun]]) -> tuple[ReportedRun, ...]:
    """Runs with different names.

    Args:
        runs: for each the group it belongs to (the name of its curve, or empty), its folder as the
            user named it, and the run.
    """
    named: list[ReportedRun] = []
    taken: set[str] = set()
    for key, (group, folder, run) in enumerate(runs, start=1):
        wanted = "/".join(filter(None, (group, run.name))) or f"run {key}"
        name = wanted
        while name in taken:
            name = f"{wanted} ({len(taken) + 1})"
        taken.add(name)
        named.append(ReportedRun(key, printable(name), folder, run))
    return tuple(named)
