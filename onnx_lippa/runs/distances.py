"""Bounds of minimal distortions: the attack from above, a MIP and branch and bound from below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from onnx_lippa.attacks import Settings, attack_batch
from onnx_lippa.errors import InputError
from onnx_lippa.lp.solvers.table import make_mip_solver
from onnx_lippa.onnx_io import Model
from onnx_lippa.proofs import DistanceBounds, bound_distance
from onnx_lippa.spec import Problem
from onnx_lippa.witness import FoundBy, ProvedBy, Result, Verdict

_LEAST_SECONDS: Final = 10.0


@dataclass(frozen=True)
class DistanceSettings:
    """How minimal distortions are bounded.

    Attributes:
        attack: the attack whose nearest witness is the first upper bound.
        solver: name of the MIP solver.
        time_limit: seconds of MIP and branch and bound per input; then its bounds may differ. The
            attack has as much, and at least 10 s.
    """

    attack: Settings
    solver: str = "scip"
    time_limit: float = 60.0

    def __post_init__(self) -> None:
        make_mip_solver(self.solver)  # refused now, if there is none of this name
        if not self.time_limit > 0:
            raise InputError(f"the time limit is {self.time_limit}: give a positive number")

    @property
    def limited_attack(self) -> Settings:
        """The attack with its time limit."""
        return replace(self.attack, time_limit=max(self.time_limit, _LEAST_SECONDS))


def bound_distances(
    model: Model, problems: Sequence[Problem], settings: DistanceSettings
) -> Iterator[Result]:
    """Bounds the minimal distortion of each input.

    The attack's nearest witness is the upper bound and the first solution of the MIP, whose lower
    bound is then proven or corrected by a complete search of the ball just below it. If time does
    not suffice for that, an attack on this ball tests the solver's word.

    Args:
        model: the model.
        problems: the inputs; their radius limits the search where the attack finds nothing.
        settings: the options.
    """
    by_index = {problem.index: problem for problem in problems}
    attack = settings.limited_attack
    for known in attack_batch(model, problems, attack):
        if known.verdict is Verdict.MISCLASSIFIED:
            yield known
            continue
        problem = by_index[known.index]
        bounds = bound_distance(model, problem, settings.solver, settings.time_limit, known.witness)
        if bounds.proved_by is ProvedBy.MIP:
            bounds = _test_word(model, problem, attack, bounds)
        yield _result(problem, known, bounds)


def _test_word(
    model: Model, problem: Problem, attack: Settings, bounds: DistanceBounds
) -> DistanceBounds:
    """Bounds whose lower one is a solver's word, after an attack on the ball just below it."""
    radius = bounds.lower * (1.0 - bounds.tolerance)
    below = replace(problem, inputs=problem.inputs.with_eps(radius), minimize=False)
    (result,) = attack_batch(model, [below], replace(attack, minimize=False))
    bounds = replace(bounds, effort=bounds.effort + result.effort)
    if result.witness is None:
        return bounds
    return replace(
        bounds, lower=0.0, upper=result.witness.distance, witness=result.witness,
        proved_by=ProvedBy.NOTHING, tolerance=0.0,
        reason="a witness lies below the bound of the MIP solver, which is not believed",
    )  # fmt: skip


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
