"""HiGHS, through MathOpt."""

from __future__ import annotations

from typing import ClassVar, final

from ortools.math_opt import parameters_pb2

from onnx_lippa.lp.solvers.mathopt import MathOptSolver


@final
class Highs(MathOptSolver):
    """HiGHS with its own settings: linear and mixed-integer programs.

    MathOpt's HiGHS refuses the common thread count. Its parallel parts are switched off instead,
    since two workers run side by side. An interrupt is heard when a solve has ended, not before.
    """

    name: ClassVar[str] = "highs"

    @property
    def solver_type(self) -> int:
        """See :meth:`MathOptSolver.solver_type`."""
        return int(parameters_pb2.SOLVER_TYPE_HIGHS)

    @property
    def takes_integers(self) -> bool:
        """See :attr:`MathOptSolver.takes_integers`."""
        return True

    def parameters(self) -> parameters_pb2.SolveParametersProto:
        """See :meth:`MathOptSolver.parameters`."""
        parameters = parameters_pb2.SolveParametersProto()
        parameters.highs.string_options["parallel"] = "off"
        return parameters
