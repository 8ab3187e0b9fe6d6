"""Linear regions, the LPStep over them, and linear and mixed-integer programs.

A program is data (:mod:`~onnx_lippa.lp.program`), a solver one line of a table
(:mod:`~onnx_lippa.lp.solvers.table`). A region engine states the LPStep of a region, eq. (12), as
such a program.
"""

from __future__ import annotations

from typing import Final

from onnx_lippa.errors import InputError
from onnx_lippa.ir.network import Network
from onnx_lippa.lp.engine import RegionEngine
from onnx_lippa.lp.engine_rows import RowsEngine
from onnx_lippa.lp.engine_stacked import StackedEngine
from onnx_lippa.lp.solver import Solver

_ENGINES: Final[tuple[type[RegionEngine], ...]] = (RowsEngine, StackedEngine)
"""A new engine is one line here."""

ENGINE_NAMES: Final[tuple[str, ...]] = ("auto", *(engine.name for engine in _ENGINES))


def make_engine(name: str, network: Network, solver: Solver) -> RegionEngine:
    """A new engine; ``auto`` is the faster one, ``rows``.

    Raises:
        InputError: there is no such engine.
    """
    if name == "auto":
        return RowsEngine(network, solver)
    for engine in _ENGINES:
        if engine.name == name:
            return engine(network, solver)
    raise InputError(f"there is no LP engine '{name}': choose one of {', '.join(ENGINE_NAMES)}")
