"""The solvers by name; the one list a new solver is added to."""

from __future__ import annotations

from typing import Final

from onnx_lippa.errors import InputError
from onnx_lippa.lp.solver import Solver
from onnx_lippa.lp.solvers.clarabel import Clarabel
from onnx_lippa.lp.solvers.glop import CautiousGlop, Glop
from onnx_lippa.lp.solvers.gurobi import Gurobi
from onnx_lippa.lp.solvers.highs import Highs
from onnx_lippa.lp.solvers.lean_scip import LeanScip
from onnx_lippa.lp.solvers.pdlp import Pdlp
from onnx_lippa.lp.solvers.resilient import Resilient
from onnx_lippa.lp.solvers.scip import Scip

_CHAINS: Final[tuple[tuple[type[Solver], ...], ...]] = (
    (Glop, CautiousGlop, Highs),
    (Highs, CautiousGlop),
    (Pdlp, Clarabel),
    (Clarabel, Pdlp),
)

_MIP_CHAINS: Final[tuple[tuple[type[Solver], ...], ...]] = (
    (Scip, Highs),
    (Highs, Scip),
    (Gurobi, Scip, Highs),
)

SOLVER_NAMES: Final[tuple[str, ...]] = tuple(chain[0].name for chain in _CHAINS)
MIP_SOLVER_NAMES: Final[tuple[str, ...]] = tuple(chain[0].name for chain in _MIP_CHAINS)


def solver_named(name: str) -> Solver:
    """A new solver of this name, with others behind it for the programs it fails on.

    Raises:
        InputError: there is no such solver.
    """
    return _chained(name, _CHAINS)


def mip_solver_named(name: str) -> Solver:
    """The same of those that take integers; the default is ``scip``.

    CP-SAT is none of them. It knows whole numbers only and puts continuous variables on a grid, so
    its bounds are those of the grid. Of eight programs (7) with six units it called all infeasible
    with its own grid, most with one of 1e-3, and with one of 1e-5 some optimal at values 1e-3 too
    high; with twenty units it was 10 to 100 times slower than the others besides.

    Raises:
        InputError: there is no such solver, or it is not installed.
    """
    return _chained(name, _MIP_CHAINS)


def _chained(name: str, chains: tuple[tuple[type[Solver], ...], ...]) -> Solver:
    for chain in chains:
        if chain[0].name == name:
            return Resilient([solver() for solver in chain])
    names = ", ".join(chain[0].name for chain in chains)
    raise InputError(f"there is no solver '{name}': choose one of {names}")


def partial_solver() -> Solver:
    """A new solver for the small, dense programs of partial patterns, with another behind it."""
    return Resilient([LeanScip(), Highs()])
