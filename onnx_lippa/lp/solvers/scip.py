"""SCIP, through MathOpt: the default for mixed-integer programs."""

from __future__ import annotations

from typing import ClassVar, final

from ortools.math_opt import parameters_pb2

from onnx_lippa.lp.solvers.mathopt import MathOptSolver

_SEED = 1
"""Any; SCIP's own default would be as good, but is not ours to keep."""


@final
class Scip(MathOptSolver):
    """SCIP on one thread.

    Its own limits on objective and bound (``limits/primal``, ``limits/dual``) must not be set:
    MathOpt does not know the status that they end with, and aborts the whole process.
    """

    name: ClassVar[str] = "scip"

    @property
    def solver_type(self) -> int:
        """See :meth:`MathOptSolver.solver_type`."""
        return int(parameters_pb2.SOLVER_TYPE_GSCIP)

    @property
    def takes_integers(self) -> bool:
        """See :attr:`MathOptSolver.takes_integers`."""
        return True

    def parameters(self) -> parameters_pb2.SolveParametersProto:
        """See :meth:`MathOptSolver.parameters`."""
        parameters = parameters_pb2.SolveParametersProto(threads=1, random_seed=_SEED)
        # Its own handler of Ctrl-C ends a solve at once; Python's would be heard after it. It says
        # so on stdout. (MathOpt's interrupter prints an error with every solve.)
        parameters.gscip.bool_params["misc/catchctrlc"] = True
        return parameters
