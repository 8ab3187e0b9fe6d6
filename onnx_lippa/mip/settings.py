"""What can be chosen about the mixed-integer programs, and what comes out of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from onnx_lippa.arrays import Float64
from onnx_lippa.mip.formulation import BigM


@dataclass(frozen=True)
class MipSettings:
    """How to state and to solve.

    Attributes:
        solver: name of the solver.
        time_limit: seconds for all programs of one question.
        node_limit: subproblems of each program, or None.
        big_m: which constants.
        cuts: at most so many implications between units are added.
        wants_bound: whether the least margin itself is wanted; else only its sign, which takes
            less time.
    """

    solver: str = "scip"
    time_limit: float = math.inf
    node_limit: int | None = None
    big_m: BigM = BigM.OF_EACH_UNIT
    cuts: int = 0
    wants_bound: bool = False


class MipStatus(Enum):
    """What a mixed-integer program says of a question."""

    UNSAFE = "unsafe"
    SAFE = "safe"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class MipAnswer:
    """What is known after the programs of all disjuncts.

    Attributes:
        status: SAFE is the MIP solver's proof, within its tolerances on rows and integrality: it
            is asked for a margin above them. UNSAFE is a point of the system, evaluated without
            the solver, and accepted by a replay where there is one.
        bound: what no margin is below, by the solver's word.
        x: (d,) the point; empty unless UNSAFE.
        margin: its margin, by evaluating the system (infinite without one).
        nodes: subproblems solved.
        seconds: wall time.
        reason: why it is UNKNOWN.
    """

    status: MipStatus
    bound: float
    x: Float64
    margin: float
    nodes: int
    seconds: float
    reason: str = ""
