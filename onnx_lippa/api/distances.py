"""``onnx_lippa.minimal_distortion``: certified distances of adversarial examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from onnx_lippa.api.options import (
    Fixed,
    MipSolverName,
    Network,
    NormName,
    RunOptions,
    TargetsName,
    open_model,
    specify,
)
from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.attacks import Settings
from onnx_lippa.lp.solvers.table import make_mip_solver
from onnx_lippa.onnx_io import Model
from onnx_lippa.proofs import CertifySettings, DistanceBounds, Mip, bound_distance
from onnx_lippa.runs.inputs import take_arrays
from onnx_lippa.runs.workers import outcomes
from onnx_lippa.spec import Norm, Problem
from onnx_lippa.witness import ProvedBy, Verdict


@dataclass(frozen=True)
class Distortions:
    """The least distances at which inputs are broken, each between two bounds.

    Attributes:
        lower: (n,) no adversarial example is nearer: proven by a complete search of the ball, or,
            where that took too long, by the word of the MIP solver within its tolerance (see
            ``details``); infinite where the domain holds none.
        upper: (n,) distance of the witness; infinite without one; 0 where the clean input is
            misclassified.
        adversarials: (n, *input_shape) the witness where there is one, else the clean input.
        details: (n,) effort and reasons.
    """

    lower: Float64
    upper: Float64
    adversarials: Floats
    details: tuple[DistanceBounds, ...]


def minimal_distortion(
    network: Network,
    x: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    *,
    eps: npt.ArrayLike | None = None,
    norm: NormName | float | Norm = "linf",
    targets: TargetsName | Sequence[int] = "all",
    lower: npt.ArrayLike = 0.0,
    upper: npt.ArrayLike = 1.0,
    fixed: Fixed = None,
    time_limit: float = 60.0,
    solver: MipSolverName = "scip",
    seed: int = 0,
) -> Distortions:
    """Brackets the minimal distortion: LiPPA from above, the paper's MIP (7) from below.

    The attack's nearest witness is where the solver starts, and how far it looks. The ball just
    below the solver's bound is then searched to the end (:func:`certify`), which proves the bound
    or corrects it; where time does not suffice for that, it is attacked.

    Args:
        network: a model from :func:`load`, or the path of one.
        x: inputs, as in :func:`attack`.
        y: labels, likewise.
        eps: how far is looked at most, likewise; None for as far as the attack found something.
        norm: norm of the distance: one whose ball has flat faces, so not ``"l2"``.
        targets: the classes that count, likewise.
        lower: lower end of the domain, likewise.
        upper: its upper end, likewise.
        fixed: features that must not move, likewise.
        time_limit: seconds of solver and search for one input; then its bounds may differ.
        solver: ``"scip"``, ``"highs"`` or ``"gurobi"``.
        seed: same seed, same result, but for time limits.

    Raises:
        InputError: an argument that cannot be used, with the reason.
        ModelError: a model that cannot be used (where a path is given).
    """
    CertifySettings(Mip(solver), time_limit)  # refused now where it cannot be used
    make_mip_solver(solver)
    settings = Settings(minimize=True, seed=seed)
    options = RunOptions(
        norm=norm, targets=targets, lower=lower, upper=upper, fixed=fixed, grid=0.0, workers=1
    )
    model = open_model(network, options)
    specification = specify(model, eps, settings, options)
    inputs = take_arrays(model, x, y, specification.features)
    problems = inputs.problems(specification)
    attacked = {outcome.index: outcome for outcome in outcomes(model, problems, settings, 1)}
    found = []
    for problem in problems:
        known = attacked[problem.index]
        if known.verdict is Verdict.MISCLASSIFIED:
            found.append(DistanceBounds(problem.index, 0.0, 0.0))
        else:
            bounds = bound_distance(model, problem, solver, time_limit, known.witness)
            found.append(_attacked(model, problem, settings, bounds))
    adversarials = [
        x if f.witness is None else f.witness.x
        for x, f in zip(inputs.inputs[:], found, strict=True)
    ]
    return Distortions(
        np.array([one.lower for one in found]),
        np.array([one.upper for one in found]),
        np.array(adversarials).reshape(len(found), *model.network.input_shape),
        tuple(found),
    )


def _attacked(
    model: Model, problem: Problem, settings: Settings, found: DistanceBounds
) -> DistanceBounds:
    """A bracket whose lower end is a solver's word, after an attack just below that."""
    if found.proved_by is not ProvedBy.MIP:
        return found
    radius = found.lower * (1.0 - found.tolerance)
    below = replace(problem, inputs=problem.inputs.with_eps(radius))
    within = replace(settings, minimize=False)
    witness = next(iter(outcomes(model, [below], within, 1))).witness
    if witness is None:
        return found
    return replace(
        found, lower=0.0, upper=witness.distance, witness=witness, proved_by=ProvedBy.NOTHING,
        tolerance=0.0, reason="a witness lies below the bound of the MIP solver, which is not "
        "believed",
    )  # fmt: skip
