"""Positions that are a slice with nothing but zeros around it, which runtimes copy fastest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import Integers


@dataclass(frozen=True)
class StraightRun:
    """``before`` zeros, ``count`` entries from ``start`` on in steps, ``after`` zeros."""

    before: int
    start: int
    step: int
    count: int
    after: int


def straight_run(indices: Integers) -> StraightRun | None:
    """The run that positions (-1 for a zero) describe, None where they are more irregular."""
    real = np.flatnonzero(indices >= 0)
    if real.size == 0 or real[-1] - real[0] + 1 != real.size:
        return None
    taken = indices[real]
    steps = np.diff(taken)
    if steps.size and (np.any(steps != steps[0]) or steps[0] == 0):
        return None
    step = int(steps[0]) if steps.size else 1
    after = len(indices) - int(real[-1]) - 1
    return StraightRun(int(real[0]), int(taken[0]), step, int(real.size), after)
