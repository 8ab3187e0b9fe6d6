"""The one loop that runs every attack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from onnx_lippa.attacks.batches import is_cheap
from onnx_lippa.attacks.ledger import Ledger
from onnx_lippa.attacks.plan import plan_for
from onnx_lippa.attacks.settings import Settings
from onnx_lippa.lp.engine import RegionEngine
from onnx_lippa.lp.engines import make_engine
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import Problem
from onnx_lippa.witness import Result


def attack_batch(model: Model, problems: Sequence[Problem], settings: Settings) -> Iterator[Result]:
    """Attacks some inputs and yields each result as soon as it is settled.

    The result of an input depends on the seed and the input, not on the others in the batch.

    Args:
        model: the model.
        problems: the inputs; all share norm and domain.
        settings: budgets.

    Raises:
        InputError: the solver cannot solve the programs of the norm.
    """
    if not problems:
        return
    ledger = Ledger(problems, model, engine_for(model, problems[0], settings), settings)
    reported: set[int] = set()
    first = problems[0]
    cheap = is_cheap(model.network)
    grid = first.inputs.grid is not None
    for stage in plan_for(settings, first.claim is not None, grid, cheap):
        yield from _newly_settled(ledger, reported)
        if not ledger.unsettled():
            break
        stage.run(ledger)
    for position in range(len(problems)):
        if position not in reported:
            yield ledger.progress[position].state.result()


def engine_for(model: Model, problem: Problem, settings: Settings) -> RegionEngine:
    """The LP engine of a batch, with the solver that suits its norm unless one is named."""
    solver = settings.solver or problem.inputs.norm.solver
    return make_engine(settings.engine, model.network, make_solver(solver))


def _newly_settled(ledger: Ledger, reported: set[int]) -> Iterator[Result]:
    open_ = set(ledger.unsettled())
    for position in range(len(ledger.progress)):
        if position not in open_ and position not in reported:
            reported.add(position)
            yield ledger.progress[position].state.result()
