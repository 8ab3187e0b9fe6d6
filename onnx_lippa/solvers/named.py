"""The solvers by name; the one list a new solver is added to."""

from __future__ import annotations

from typing import Final

from onnx_lippa.errors import InputError
from onnx_lippa.programs import Solver
from onnx_lippa.solvers.clarabel import Clarabel
from onnx_lippa.solvers.glop import CautiousGlop, Glop
from onnx_lippa.solvers.highs import Highs
from onnx_lippa.solvers.pdlp import Pdlp
from onnx_lippa.solvers.resilient import Resilient

_CHAINS: Final[tuple[tuple[type[Solver], ...], ...]] = (
    (Glop, CautiousGlop, Highs),
    (Highs, CautiousGlop),
    (Pdlp, Clarabel),
    (Clarabel, Pdlp),
)

SOLVER_NAMES: Final[tuple[str, ...]] = tuple(chain[0].name for chain in _CHAINS)


def solver_named(name: str) -> Solver:
    """A new solver of this name, with others behind it for the programs it fails on.

    Raises:
        InputError: there is no such solver.
    """
    for chain in _CHAINS:
        if chain[0].name == name:
            return Resilient([solver() for solver in chain])
    raise InputError(f"there is no solver '{name}': choose one of {', '.join(SOLVER_NAMES)}")
