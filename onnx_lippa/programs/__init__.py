"""Linear, convex quadratic and mixed-integer programs as data, and what a solver must offer."""

from onnx_lippa.programs.certified import certified_bound
from onnx_lippa.programs.infeasible import elastic_program, violation_program, without_cost
from onnx_lippa.programs.program import Cone, Program, Rows
from onnx_lippa.programs.solution import Solution, Status
from onnx_lippa.programs.solver import NO_STOP, Session, Solver, SolverCounts, Stop

__all__ = [
    "NO_STOP",
    "Cone",
    "Program",
    "Rows",
    "Session",
    "Solution",
    "Solver",
    "SolverCounts",
    "Status",
    "Stop",
    "certified_bound",
    "elastic_program",
    "violation_program",
    "without_cost",
]
