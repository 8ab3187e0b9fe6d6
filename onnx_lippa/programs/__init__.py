"""Linear (and convex quadratic) programs as plain data, and what a solver of them must offer."""

from onnx_lippa.programs.program import Cone, Program, Rows
from onnx_lippa.programs.solution import Solution, Status
from onnx_lippa.programs.solver import Session, Solver, SolverCounts

__all__ = ["Cone", "Program", "Rows", "Session", "Solution", "Solver", "SolverCounts", "Status"]
