"""Gurobi, through MathOpt, for those who have it."""

from __future__ import annotations

from typing import ClassVar, final

from ortools.math_opt import model_pb2, parameters_pb2
from ortools.math_opt.core.python import solver as core

from onnx_lippa.errors import InputError
from onnx_lippa.lp.solvers.mathopt import MathOptSolver

_SEED = 1
"""As for SCIP."""


@final
class Gurobi(MathOptSolver):
    """Gurobi on one thread. OR-Tools brings none: it loads the one that is installed.

    Raises:
        InputError: there is none, or it has no licence.
    """

    name: ClassVar[str] = "gurobi"

    def __init__(self) -> None:
        super().__init__()
        try:
            initial = parameters_pb2.SolverInitializerProto()
            core.new(self.solver_type, model_pb2.ModelProto(), initial)
        except Exception as error:  # whatever class: MathOpt has many for this
            raise InputError(
                "solver 'gurobi' cannot be used, since OR-Tools finds no Gurobi with a licence on "
                "this machine: install it and set GUROBI_HOME, or choose scip"
            ) from error

    @property
    def solver_type(self) -> int:
        """See :meth:`MathOptSolver.solver_type`."""
        return int(parameters_pb2.SOLVER_TYPE_GUROBI)

    @property
    def takes_integers(self) -> bool:
        """See :attr:`MathOptSolver.takes_integers`."""
        return True

    def parameters(self) -> parameters_pb2.SolveParametersProto:
        """See :meth:`MathOptSolver.parameters`."""
        return parameters_pb2.SolveParametersProto(threads=1, random_seed=_SEED)
