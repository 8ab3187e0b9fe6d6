"""What a user can set about a proof."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from onnx_lippa.errors import InputError


class ProofMethod(Enum):
    """How to prove. AUTO is COMPLETE, which begins with the bounds of the reduced network anyway,
    and LINEAR where that does not fit into memory."""

    AUTO = "auto"
    INTERVAL = "interval"
    LINEAR = "linear"
    MIP = "mip"
    COMPLETE = "complete"


@dataclass(frozen=True)
class CertifySettings:
    """Budgets and choices.

    Attributes:
        method: which method.
        time_limit: seconds for one input; an input that runs out of them stays unknown. It is
            the one setting that can make two runs differ.
        node_limit: subproblems that a complete search may bound for one input.
        memory_limit: bytes that the open subproblems of one input may take.
        solver: solver of the mixed-integer programs.
    """

    method: ProofMethod = ProofMethod.AUTO
    time_limit: float = 60.0
    node_limit: float = math.inf
    memory_limit: float = 2e9
    solver: str = "scip"

    def __post_init__(self) -> None:
        if not self.time_limit > 0:
            raise InputError(f"the time limit is {self.time_limit}: give a positive number")
        if not self.node_limit > 0 or not self.memory_limit > 0:
            raise InputError("limits on nodes and memory must be positive numbers")
