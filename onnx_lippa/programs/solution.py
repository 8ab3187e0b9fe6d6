"""What comes back from a solver."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from onnx_lippa.arrays import Float64


class Status(Enum):
    """How a solve ended. Only OPTIMAL carries values; none of them is a verdict."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    LIMIT = "limit"
    FAILED = "failed"


@dataclass(frozen=True)
class Solution:
    """One solve.

    Attributes:
        status: how it ended.
        values: the variables at the optimum (empty unless optimal).
        objective: the optimal value (NaN unless optimal).
        detail: the solver's own words where the status is FAILED.
    """

    status: Status
    values: Float64
    objective: float
    detail: str = ""
