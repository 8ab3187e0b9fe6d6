"""Hyperplanes on which the linearised margins of disjuncts are 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from onnx_lippa.arrays import Floats, Integers
from onnx_lippa.attacks.stages.nearest import NearestRows
from onnx_lippa.attacks.stages.state import AttackState
from onnx_lippa.state import timed

_FLAT: Final = 1e-30
"""Slopes below this count as this."""


def choose_disjuncts(attacks: Sequence[AttackState], most: int) -> Integers:
    """The nearest disjuncts (n, m) of each attack; repeated where one has fewer than others."""
    most = min(most, max(len(attack.disjuncts) for attack in attacks))
    chosen = [attack.nearest_disjuncts(most) for attack in attacks]
    return np.array([np.resize(one, most) for one in chosen], dtype=np.int64)


def nearest_hyperplanes(rows: NearestRows, x: Floats, disjuncts: Integers) -> tuple[Floats, Floats]:
    """The hyperplane nearest to each point (n, d), among those of some disjuncts (n, m).

    Returns:
        (n,) the margins of the disjuncts chosen, and (n, d) the gradients of these margins: the
        hyperplane is where ``margin + gradient @ step`` is 0.
    """
    margins, gradients = rows.oracle.gradients(x, disjuncts)
    with timed(rows.states):
        n, m = disjuncts.shape
        gradients = np.stack([rows.along(gradients[:, place]) for place in range(m)], axis=1)
        slopes = rows.norm.dual(gradients.reshape(n * m, -1).astype(np.float64)).reshape(n, m)
        chosen = np.argmin(np.abs(margins) / np.maximum(slopes, _FLAT), axis=1)
        every = np.arange(n)
        return margins[every, chosen].astype(x.dtype), gradients[every, chosen]
