"""The features that adversarial examples move most, in their own units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

import numpy as np

from onnx_lippa.reports.page.reported import ReportedRun

_MOST: Final = 20
"""Most features in the table of a run."""
_PER_WITNESS: Final = 5


@final
@dataclass(frozen=True)
class MovedFeature:
    """What the witnesses of a run do to one feature.

    Attributes:
        name: its name.
        mean: mean of the absolute change, over all witnesses.
        most: largest absolute change.
        up: number of witnesses that raise it.
        down: number of witnesses that lower it.
    """

    name: str
    mean: float
    most: float
    up: int
    down: int


@final
@dataclass(frozen=True)
class Move:
    """The change of one feature of one input.

    Attributes:
        name: name of the feature.
        clean: its clean value.
        adversarial: its value in the witness.
    """

    name: str
    clean: float
    adversarial: float

    @property
    def difference(self) -> float:
        """Adversarial minus clean value."""
        return self.adversarial - self.clean


def find_moved_features(run: ReportedRun) -> tuple[MovedFeature, ...]:
    """The features that all witnesses together move most; none without clean inputs."""
    d = int(np.prod(run.run.input_shape))
    total, most, up, down = np.zeros(d), np.zeros(d), np.zeros(d, int), np.zeros(d, int)
    count = 0
    for record in run.broken:
        difference = run.difference(record.index)
        if difference is None:
            continue
        moves = difference.ravel()
        total += np.abs(moves)
        most = np.maximum(most, np.abs(moves))
        up += moves > 0
        down += moves < 0
        count += 1
    means = total / max(1, count)
    chosen = np.argsort(-means, kind="stable")[:_MOST]
    return tuple(
        MovedFeature(
            run.feature_name(int(feature)), float(means[feature]), float(most[feature]),
            int(up[feature]), int(down[feature]),
        )
        for feature in chosen
        if means[feature] > 0
    )  # fmt: skip


def find_moves(run: ReportedRun, index: int) -> tuple[Move, ...]:
    """The features that one witness moves most, the largest change first."""
    clean, witness, difference = run.clean(index), run.witness(index), run.difference(index)
    if clean is None or witness is None or difference is None:
        return ()
    sizes = np.abs(difference.ravel())
    chosen = np.argsort(-sizes, kind="stable")[:_PER_WITNESS]
    return tuple(
        Move(run.feature_name(int(one)), float(clean.flat[one]), float(witness.flat[one]))
        for one in chosen
        if sizes[one] > 0
    )
