"""Solvers: one file each. The only package that imports a solver library."""

from onnx_lippa.solvers.named import SOLVER_NAMES, solver_named

__all__ = ["SOLVER_NAMES", "solver_named"]
