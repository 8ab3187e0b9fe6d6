"""GLOP, the simplex solver of OR-Tools: the default."""

from __future__ import annotations

from typing import ClassVar, final

from ortools.math_opt import parameters_pb2

from onnx_lippa.lp.solvers.mathopt import MathOptSolver


@final
class Glop(MathOptSolver):
    """Warm dual simplex: without presolve, a changed program starts from the last basis."""

    name: ClassVar[str] = "glop"

    @property
    def solver_type(self) -> int:
        """See :meth:`MathOptSolver.solver_type`."""
        return int(parameters_pb2.SOLVER_TYPE_GLOP)

    def parameters(self) -> parameters_pb2.SolveParametersProto:
        """See :meth:`MathOptSolver.parameters`."""
        parameters = parameters_pb2.SolveParametersProto(
            threads=1, presolve=parameters_pb2.EMPHASIS_OFF
        )
        parameters.glop.use_dual_simplex = True
        return parameters


@final
class CautiousGlop(MathOptSolver):
    """GLOP as it comes, presolve and scaling included: slower, and fails where Glop does not."""

    name: ClassVar[str] = "glop-cautious"

    @property
    def solver_type(self) -> int:
        """See :meth:`MathOptSolver.solver_type`."""
        return int(parameters_pb2.SOLVER_TYPE_GLOP)

    def parameters(self) -> parameters_pb2.SolveParametersProto:
        """See :meth:`MathOptSolver.parameters`."""
        return parameters_pb2.SolveParametersProto(threads=1)
