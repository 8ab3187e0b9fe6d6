"""HiGHS, through MathOpt."""

from __future__ import annotations

from typing import ClassVar, final

from ortools.math_opt import parameters_pb2

from onnx_lippa.solvers.mathopt import MathOptSolver


@final
class Highs(MathOptSolver):
    """HiGHS with its own settings (MathOpt's HiGHS refuses a thread count)."""

    name: ClassVar[str] = "highs"

    @property
    def solver_type(self) -> int:
        """See :meth:`MathOptSolver.solver_type`."""
        return int(parameters_pb2.SOLVER_TYPE_HIGHS)

    def parameters(self) -> parameters_pb2.SolveParametersProto:
        """See :meth:`MathOptSolver.parameters`."""
        return parameters_pb2.SolveParametersProto()
