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


def straight_pieces(indices: Integers, most: int) -> list[Integers] | None:
    """Positions cut into straight runs one behind the other, None where these are too many."""
    pieces: list[Integers] = []
    begin = 0
    while begin < len(indices):
        if len(pieces) == most:
            return None
        end = begin + _straight_length(indices[begin:])
        pieces.append(indices[begin:end])
        begin = end
    return pieces if all(np.any(piece >= 0) for piece in pieces) else None


def _straight_length(indices: Integers) -> int:
    """How many positions from the first one on are one straight run, zeros around it included."""
    real = np.flatnonzero(indices >= 0)
    if real.size == 0:
        return len(indices)
    first = int(real[0])
    zeros = np.flatnonzero(indices[first:] < 0)
    run = indices[first : first + int(zeros[0])] if zeros.size else indices[first:]
    steps = np.diff(run)
    broken = np.flatnonzero((steps != steps[:1]) | (steps == 0))
    behind = first + (int(broken[0]) + 1 if broken.size else len(run))
    rest = np.flatnonzero(indices[behind:] >= 0)
    return behind + (int(rest[0]) if rest.size else len(indices) - behind)
