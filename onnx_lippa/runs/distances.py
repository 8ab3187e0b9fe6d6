"""Bounds of minimal distortions: above by an attack, below by a MIP and branch and bound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final, final

from typing_extensions import override

from onnx_lippa.attacks import AttackMethod, Lippa
from onnx_lippa.lp.solvers.table import make_mip_solver
from onnx_lippa.method import RadiusOrder, SingleStage, Stage
from onnx_lippa.onnx_io import Model
from onnx_lippa.proofs import DistanceBounds, bound_distance
from onnx_lippa.proofs.distance import BOUND_REFUTED, WORD_TOLERANCE
from onnx_lippa.spec import Norm, Problem
from onnx_lippa.state import Budget
from onnx_lippa.witness import FoundBy, ProvedBy, Result, Verdict

_LEAST_SECONDS: Final = 10.0


@final
@dataclass(frozen=True)
class Distance(SingleStage):
    """Bounds of the minimal distortion of each input.

    The attack's nearest witness is the upper bound and the first solution of the MIP. Branch and
    bound on the ball just below the MIP's bound proves this bound or corrects it; if time does not
    suffice, an attack on this ball tests it. The radius of a problem limits the search if the
    attack finds nothing. The time limit is that of MIP and branch and bound; the attack has as
    much, and at least 10 s.

    Attributes:
        attack: the attack whose nearest witness is the first upper bound.
        solver: name of the MIP solver.
    """

    attack: AttackMethod = Lippa()  # noqa: RUF009 - it is frozen
    solver: str = "scip"

    name: ClassVar[str] = "distance"
    stage: ClassVar[Stage] = Stage.DISTANCE
    radius_order: ClassVar[RadiusOrder] = RadiusOrder.ASCENDING
    inputs_together: ClassVar[int] = 1

    def __post_init__(self) -> None:
        make_mip_solver(self.solver)  # refused now, if there is none of this name

    @override
    def extra_seconds(self, budget: Budget) -> float:
        return 2 * max(budget.time_limit, _LEAST_SECONDS)

    @override
    def check(self, norm: Norm, minimize: bool) -> None:
        self.attack.check(norm, minimize)

    @override
    def solve(self, model: Model, problems: Sequence[Problem], budget: Budget) -> Iterator[Result]:
        by_index = {problem.index: problem for problem in problems}
        limited = replace(budget, time_limit=max(budget.time_limit, _LEAST_SECONDS))
        for known in self.attack.solve(model, problems, limited):
            if known.verdict is Verdict.MISCLASSIFIED:
                yield known
                continue
            problem = by_index[known.index]
            bounds = bound_distance(model, problem, self.solver, budget.time_limit, known.witness)
            if bounds.proved_by is ProvedBy.MIP:
                bounds = _test_word(model, problem, self.attack, limited, bounds)
            yield _result(problem, known, bounds)


def _test_word(
    model: Model, problem: Problem, attack: AttackMethod, budget: Budget, bounds: DistanceBounds
) -> DistanceBounds:
    """Tests the unproven bound of a MIP solver by an attack on the ball just below it."""
    radius = bounds.lower * (1.0 - WORD_TOLERANCE)
    below = replace(problem, inputs=problem.inputs.with_eps(radius), minimize=False)
    (result,) = attack.solve(model, [below], budget)
    bounds = replace(bounds, effort=bounds.effort + result.effort)
    if result.witness is None:
        return bounds
    return DistanceBounds(0.0, result.witness, bounds.effort, BOUND_REFUTED)


def _result(problem: Problem, known: Result, bounds: DistanceBounds) -> Result:
    found = replace(
        known,
        effort=known.effort + bounds.effort,
        reason=bounds.reason,
        distance_bound=bounds.lower,
        distance_proved_by=bounds.proved_by,
    )
    if bounds.witness is None:
        is_robust = bounds.proved_by is ProvedBy.COMPLETE and bounds.lower >= problem.inputs.eps
        if not is_robust:
            return found
        return replace(
            found, verdict=Verdict.ROBUST, bound=bounds.bound, proved_by=ProvedBy.COMPLETE
        )
    if known.witness is bounds.witness:
        return found
    margins = problem.unsafe.margins(bounds.witness.outputs[None])[0]
    return replace(
        found,
        verdict=Verdict.ADVERSARIAL,
        witness=bounds.witness,
        target=problem.unsafe.disjuncts[int(margins.argmin())].target,
        found_by=FoundBy.MIP,
        best_margin=min(known.best_margin, float(margins.min())),
    )
