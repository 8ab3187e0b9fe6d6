"""What searches share: their limits, their answer, and the rows they bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.certify.rectified.dual import Objectives
from onnx_lippa.certify.rectified.system import RectifiedSystem
from onnx_lippa.question import Conjunction

Offer: TypeAlias = Callable[[Float64], bool]
"""Told an input (all features,) that should be unsafe; True where a replay accepts it."""


class SearchStatus(Enum):
    """How a search ended."""

    PROVEN = "proven"
    UNSAFE = "unsafe"
    OPEN = "open"


@dataclass(frozen=True)
class Searched:
    """What a search found.

    Attributes:
        status: PROVEN: no input allowed is unsafe. UNSAFE: a candidate was accepted.
        bound: proven lower bound of the margin over all inputs and disjuncts.
        nodes: nodes bounded.
        lp_steps: linear programs solved at leaves.
        reason: why it is OPEN.
    """

    status: SearchStatus
    bound: float
    nodes: int
    lp_steps: int
    reason: str = ""


@dataclass(frozen=True)
class Limits:
    """When a search gives up.

    Attributes:
        deadline: ``time.monotonic()`` at which it does.
        nodes: nodes bounded.
        memory: bytes for open nodes.
    """

    deadline: float
    nodes: float
    memory: float


def rows_of(system: RectifiedSystem, disjuncts: Sequence[Conjunction]) -> Objectives:
    """The margins ``A f(x) - b`` of all rows of all disjuncts as objectives."""
    matrix = np.concatenate([disjunct.matrix for disjunct in disjuncts])
    bound = np.concatenate([disjunct.bound for disjunct in disjuncts])
    return Objectives.of(
        system.reach,
        matrix @ system.outputs_on_input,
        matrix @ system.outputs_on_units,
        matrix @ system.outputs_offset - bound,
    )
