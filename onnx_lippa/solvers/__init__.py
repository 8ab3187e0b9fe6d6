"""Solvers: one file each. The only package that imports a solver library."""

from onnx_lippa.solvers.named import (
    MIP_SOLVER_NAMES,
    SOLVER_NAMES,
    mip_solver_named,
    partial_solver,
    solver_named,
)

__all__ = ["MIP_SOLVER_NAMES", "SOLVER_NAMES", "mip_solver_named", "partial_solver", "solver_named"]
