"""What comes back from a solver."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.ending import Ending


@dataclass(frozen=True)
class Solution:
    """One solve.

    Attributes:
        ending: OPTIMAL, INFEASIBLE, a limit, or FAILED. Only OPTIMAL always carries values; a limit
            does where a mixed-integer program was stopped with an incumbent.
        values: the variables at the optimum, or at the best incumbent of a mixed-integer program
            that was stopped; empty where there is neither.
        objective: the value there (NaN where there are no values).
        detail: the solver's own words where the ending is FAILED.
        bound: what the solver says no solution is below, its word and no more: the objective of a
            linear program, perhaps less for a mixed-integer one; inf where it is INFEASIBLE, -inf
            where nothing is known.
        nodes: subproblems of a mixed-integer program that were solved.
        duals: multipliers of the rows of a program without integers, positive on lower sides and
            negative on upper ones; of an INFEASIBLE one, a ray of them that shows it. Empty where
            the solver gives none. :func:`certified_bound` makes a proof of them.
    """

    ending: Ending
    values: Float64
    objective: float
    detail: str = ""
    bound: float = -np.inf
    nodes: int = 0
    duals: Float64 = field(default_factory=lambda: np.zeros(0))
