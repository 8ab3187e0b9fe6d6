"""The solvers by name. A new solver of MathOpt is one line of :data:`_MATHOPT`."""

from __future__ import annotations

from typing import Final

from ortools.math_opt import parameters_pb2 as mathopt

from onnx_lippa.errors import InputError
from onnx_lippa.lp.solver import Solver
from onnx_lippa.lp.solvers.clarabel import Clarabel
from onnx_lippa.lp.solvers.fallback import FallbackSolver
from onnx_lippa.lp.solvers.mathopt import Backend, MathOptSolver

_PDLP_ITERATIONS: Final = 100_000
"""Where PDLP gives up: on some infeasible programs it would go on for ever."""
_PDLP_ACCURACY: Final = 1e-9
_SEED: Final = 1
"""Of SCIP and Gurobi, fixed so that a change of their default changes no result."""


def _plain() -> mathopt.SolveParametersProto:
    return mathopt.SolveParametersProto(threads=1)


def _glop() -> mathopt.SolveParametersProto:
    """The warm dual simplex. Without presolve, a changed program starts from the last basis."""
    parameters = mathopt.SolveParametersProto(threads=1, presolve=mathopt.EMPHASIS_OFF)
    parameters.glop.use_dual_simplex = True
    return parameters


def _highs() -> mathopt.SolveParametersProto:
    """MathOpt's HiGHS refuses a number of threads; its parallel parts are switched off instead.

    An interrupt is heard when a solve has ended, not before.
    """
    parameters = mathopt.SolveParametersProto()
    parameters.highs.string_options["parallel"] = "off"
    return parameters


def _pdlp() -> mathopt.SolveParametersProto:
    """The first-order solver; takes the ℓ2 distance, not the ℓ2 ball."""
    parameters = _plain()
    criteria = parameters.pdlp.termination_criteria
    criteria.simple_optimality_criteria.eps_optimal_absolute = _PDLP_ACCURACY
    criteria.simple_optimality_criteria.eps_optimal_relative = _PDLP_ACCURACY
    criteria.iteration_limit = _PDLP_ITERATIONS
    return parameters


def _seeded() -> mathopt.SolveParametersProto:
    return mathopt.SolveParametersProto(threads=1, random_seed=_SEED)


def _scip() -> mathopt.SolveParametersProto:
    """SCIP with its own handler of Ctrl-C, which ends a solve at once and says so on stdout.

    Python's would be heard after the solve, and MathOpt's interrupter prints an error with every
    one. SCIP's limits on objective and bound (``limits/primal``, ``limits/dual``) must not be
    set: MathOpt does not know the status that they end with, and aborts the whole process.
    """
    parameters = _seeded()
    parameters.gscip.bool_params["misc/catchctrlc"] = True
    return parameters


def _lean_scip() -> mathopt.SolveParametersProto:
    """SCIP without cuts, heuristics and presolve, for small dense programs.

    There, what SCIP does at the root takes longer than all nodes together (docs/performance.md).
    """
    parameters = _scip()
    parameters.cuts = parameters.heuristics = parameters.presolve = mathopt.EMPHASIS_OFF
    return parameters


_MATHOPT: Final = (
    Backend("glop", mathopt.SOLVER_TYPE_GLOP, _glop),
    # Presolve and scaling included: slower, and finishes where the other fails.
    Backend("glop-cautious", mathopt.SOLVER_TYPE_GLOP, _plain),
    Backend("pdlp", mathopt.SOLVER_TYPE_PDLP, _pdlp, takes_quadratic=True, verbose=True),
    Backend("highs", mathopt.SOLVER_TYPE_HIGHS, _highs, takes_integers=True),
    Backend("scip", mathopt.SOLVER_TYPE_GSCIP, _scip, takes_integers=True),
    Backend("lean scip", mathopt.SOLVER_TYPE_GSCIP, _lean_scip, takes_integers=True),
    Backend(
        "gurobi", mathopt.SOLVER_TYPE_GUROBI, _seeded, takes_integers=True,
        requirement="OR-Tools finds no Gurobi with a licence on this machine: install it and set "
        "GUROBI_HOME, or choose scip",
    ),
)  # fmt: skip

_LP_CHAINS: Final[dict[str, tuple[str, ...]]] = {
    "glop": ("glop", "glop-cautious", "highs"),
    "highs": ("highs", "glop-cautious"),
    "pdlp": ("pdlp", "clarabel"),
    "clarabel": ("clarabel", "pdlp"),
}
"""The solvers for linear programs and norms, each with those that try a program it failed on."""

_MIP_CHAINS: Final[dict[str, tuple[str, ...]]] = {
    "scip": ("scip", "highs"),
    "highs": ("highs", "scip"),
    "gurobi": ("gurobi", "scip", "highs"),
}
"""The same for mixed-integer programs.

CP-SAT is none of them: it puts continuous variables on a grid, so its bounds are those of the
grid (docs/performance.md).
"""

SOLVER_NAMES: Final = tuple(_LP_CHAINS)
MIP_SOLVER_NAMES: Final = tuple(_MIP_CHAINS)


def make_solver(name: str) -> Solver:
    """A new solver of linear programs, with fallbacks for programs it fails on.

    Raises:
        InputError: there is no such solver.
    """
    return _make_chain(name, _LP_CHAINS)


def make_mip_solver(name: str) -> Solver:
    """A new solver of mixed-integer programs, with fallbacks.

    Raises:
        InputError: there is no such solver, or it is not installed.
    """
    return _make_chain(name, _MIP_CHAINS)


def make_partial_solver() -> Solver:
    """A new solver for the small dense programs of partial patterns, with a fallback."""
    return FallbackSolver([make_single("lean scip"), make_single("highs")])


def make_single(name: str) -> Solver:
    """A new solver without fallbacks, one of MathOpt's or Clarabel.

    Raises:
        InputError: it is not installed.
    """
    if name == Clarabel.name:
        return Clarabel()
    return MathOptSolver(next(backend for backend in _MATHOPT if backend.name == name))


def _make_chain(name: str, chains: dict[str, tuple[str, ...]]) -> Solver:
    if name not in chains:
        raise InputError(f"there is no solver '{name}': choose one of {', '.join(chains)}")
    return FallbackSolver([make_single(each) for each in chains[name]])
