"""``onnx_lippa.minimal_distortion``: certified distances of adversarial examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from onnx_lippa.api.options import (
    Fixed,
    Inputs,
    MipSolverName,
    ModelOrPath,
    NormName,
    OneHot,
    Radius,
    RunOptions,
    TargetsName,
    run_arrays_once,
)
from onnx_lippa.data.options import DEFAULT_OPTIONS, DataOptions
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Preprocess
from onnx_lippa.runs.distances import Distance
from onnx_lippa.runs.results import Listener, Results
from onnx_lippa.spec import Norm
from onnx_lippa.spec.feature_names import Amounts
from onnx_lippa.state import Budget


def minimal_distortion(
    model: ModelOrPath,
    x: Inputs,
    y: npt.ArrayLike | None = None,
    *,
    eps: Radius | None = None,
    scale: Amounts | None = None,
    norm: NormName | float | Norm = "linf",
    targets: TargetsName | Sequence[int] = "all",
    lower: Amounts = 0.0,
    upper: Amounts = 1.0,
    fixed: Fixed = None,
    only_up: Fixed = None,
    only_down: Fixed = None,
    one_hot: OneHot = None,
    relations: Sequence[str] | None = None,
    grid: Amounts = 0.0,
    data_options: DataOptions = DEFAULT_OPTIONS,
    preprocess: Preprocess | str | None = None,
    solver: MipSolverName = "scip",
    time_limit: float = 60.0,
    seed: int = 0,
    workers: int | None = None,
    cluster: str | None = None,
    out: str | Path | None = None,
    on_event: Listener | None = None,
) -> Results:
    """Bounds the minimal distortion of each input: LiPPA from above, the paper's MIP from below.

    The attack's nearest witness is the first solution of the MIP (7) and limits its search. Branch
    and bound on the ball just below the MIP's bound proves this bound or corrects it; if time does
    not suffice, the ball is attacked, and the bound is called the solver's word.

    Args:
        model: a model from :func:`load`, or the path of one.
        x: inputs, as in :func:`attack`.
        y: labels, as in :func:`attack`.
        eps: the largest distance considered; None is that of the attack's witness.
        scale: scale of each feature, as in :func:`attack`.
        norm: norm of the distance: ``"linf"`` or ``"l1"``, whose balls are polytopes.
        targets: classes that count as adversarial, as in :func:`attack`.
        lower: lower bound of the domain.
        upper: upper bound of the domain.
        fixed: features that keep their clean values, as in :func:`attack`.
        only_up: features that may only rise, as in :func:`attack`.
        only_down: features that may only fall.
        one_hot: groups of one-hot features, as in :func:`attack`.
        relations: linear equations that inputs keep, as in :func:`attack`.
        grid: step between the values of a feature, as in :func:`attack`. Lower bounds are for all
            values between the steps.
        data_options: how data is read, as in :func:`attack`.
        preprocess: what becomes of an input before the model takes it, as in :func:`load`.
        solver: MIP solver: ``"scip"``, ``"highs"`` or ``"gurobi"``.
        time_limit: seconds of MIP and branch and bound per input; then its bounds may differ.
        seed: random seed.
        workers: worker processes, as in :func:`attack`.
        cluster: address of a Dask scheduler, as in :func:`attack`.
        out: folder for the results, as in :func:`attack`.
        on_event: is called with each event, as in :func:`attack`.

    Returns:
        The results, whose ``distance_bounds`` and ``distances`` are lower and upper bounds of the
        minimal distortions. ``distance_proved_by`` of a result is COMPLETE where branch and bound
        has proven its lower bound, and MIP where it is the solver's word, up to a relative error of
        1e-6; ``reason`` says why its bounds differ.

    Raises:
        InputError: an argument that cannot be used, with the reason.
        ModelError: a model that cannot be used (where a path is given).
        WorkerError: worker processes or the cluster cannot be used.
        InterruptedRun: a KeyboardInterrupt, with the results of the inputs that were finished.
    """
    if not (eps is None or isinstance(eps, Mapping)) and np.ndim(eps) > 0:
        raise InputError("eps is a list: give one largest distance, or None")
    options = RunOptions(
        scale=scale, norm=norm, targets=targets, lower=lower, upper=upper, fixed=fixed,
        only_up=only_up, only_down=only_down, one_hot=one_hot,
        relations=relations, grid=grid, data_options=data_options,
        preprocess=preprocess, workers=workers, cluster=cluster, out=out,
        on_event=on_event,
    )  # fmt: skip
    method, budget = Distance(solver=solver), Budget(time_limit, seed)
    return run_arrays_once(model, x, y, eps, method, budget, options, minimize=True)
