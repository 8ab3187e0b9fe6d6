"""PDLP, OR-Tools' first-order solver, through MathOpt."""

from __future__ import annotations

from typing import ClassVar, final

from ortools.math_opt import parameters_pb2

from onnx_lippa.lp.solvers.mathopt import MathOptSolver

_ITERATIONS = 100_000
"""Where to give up: on some infeasible programs PDLP would go on for ever."""


@final
class Pdlp(MathOptSolver):
    """PDLP to a relative accuracy of 1e-9; takes the ℓ2 distance, not the ℓ2 ball."""

    name: ClassVar[str] = "pdlp"

    @property
    def solver_type(self) -> int:
        """See :meth:`MathOptSolver.solver_type`."""
        return int(parameters_pb2.SOLVER_TYPE_PDLP)

    @property
    def takes_quadratic(self) -> bool:
        """See :meth:`MathOptSolver.takes_quadratic`."""
        return True

    @property
    def talks(self) -> bool:
        """See :attr:`MathOptSolver.talks`."""
        return True

    def parameters(self) -> parameters_pb2.SolveParametersProto:
        """See :meth:`MathOptSolver.parameters`."""
        parameters = parameters_pb2.SolveParametersProto(threads=1)
        optimality = parameters.pdlp.termination_criteria.simple_optimality_criteria
        optimality.eps_optimal_absolute = 1e-9
        optimality.eps_optimal_relative = 1e-9
        parameters.pdlp.termination_criteria.iteration_limit = _ITERATIONS
        return parameters
