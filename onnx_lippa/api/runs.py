"""``onnx_lippa.attack``, ``certify`` and ``audit``: a verdict for each of many inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Unpack, overload

import numpy.typing as npt

from onnx_lippa.api.options import (
    AttackName,
    AttackOptions,
    AuditOptions,
    CertifyOptions,
    EngineName,
    Fixed,
    Inputs,
    MipSolverName,
    ModelOrPath,
    NormName,
    OneHot,
    ProofName,
    Radii,
    Radius,
    RunOptions,
    SolverName,
    TargetsName,
    run_arrays,
)
from onnx_lippa.attacks import AttackMethod, make_attack
from onnx_lippa.data.options import DEFAULT_OPTIONS, DataOptions
from onnx_lippa.onnx_io import Preprocess
from onnx_lippa.proofs import ProofMethod, make_proof
from onnx_lippa.runs.audit import Audit
from onnx_lippa.runs.results import Curve, Listener, Results
from onnx_lippa.spec import Norm
from onnx_lippa.spec.feature_names import Amounts
from onnx_lippa.state import Budget


@overload
def attack(
    model: ModelOrPath, x: Inputs, y: npt.ArrayLike | None = None, *,
    eps: Radii, **options: Unpack[AttackOptions],
) -> Curve: ...  # fmt: skip
@overload
def attack(
    model: ModelOrPath, x: Inputs, y: npt.ArrayLike | None = None, *,
    eps: Radius | None = None, **options: Unpack[AttackOptions],
) -> Results: ...  # fmt: skip
def attack(
    model: ModelOrPath,
    x: Inputs,
    y: npt.ArrayLike | None = None,
    *,
    eps: Radius | Radii | None = None,
    scale: Amounts | None = None,
    norm: NormName | float | Norm = "linf",
    minimize: bool | None = None,
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
    method: AttackName | AttackMethod = "lippa",
    restarts: int | None = None,
    gradient_steps: int | None = None,
    lp_steps: int | None = None,
    engine: EngineName = "auto",
    solver: SolverName | None = None,
    time_limit: float = math.inf,
    seed: int = 0,
    workers: int | None = None,
    cluster: str | None = None,
    out: str | Path | None = None,
    on_event: Listener | None = None,
) -> Results | Curve:
    """Searches for adversarial examples: a lower bound of the robust error.

    Args:
        model: a model from :func:`load`, or the path of one.
        x: (n, *input_shape) inputs or a single one, inside the domain: floats, or bytes as
            fractions of 255; flat, or with axes of extent 1 added or left out. Or the path of a
            data file, or an iterable of pairs (x, y), such as a data loader.
        y: (n,) or (n, 1) labels, class numbers or names, or one-hot rows; None takes the model's
            own predictions.
        eps: radius of the ball; None minimises the distance. A list of radii gives a curve, with
            what is known at one radius carried over to the others. Radii by the names of features,
            ``{"income": 0.1, "*": 0.02}``, are a scale with eps=1; features that are not named do
            not move.
        scale: scale of each feature, in which distances are measured: the ball is
            ``||(x' - x) / scale|| <= eps``. Radii for each feature are a scale with eps=1.
        norm: norm of the ball: ``"linf"``, ``"l1"``, ``"l2"``, or ``np.inf``, 1, 2.
        minimize: whether to minimise the distance of the adversarial example; None means only
            where eps is None.
        targets: classes that count as adversarial: ``"all"``, ``"runner-up"``, or a list of them.
        lower: lower bound of the domain: a number, an array with one per feature, or numbers by
            the names of features, as for eps.
        upper: upper bound of the domain.
        fixed: features that keep their clean values: a boolean mask, or a list of names or of
            numbers counted in the flattened input. Domain and grid do not apply to them.
        only_up: features that may only rise, as ``fixed``.
        only_down: features that may only fall.
        one_hot: groups of features of which one is 1 and the others are 0, by the stem of their
            names (``"city"`` for ``city=Ulm``), a pattern, or one by one. Proofs cover all values
            between.
        relations: linear equations that inputs keep, as ``"total = a + 2 * b"``. Attacks move
            their points onto them, and proofs cover the other points too.
        grid: step between the values of a feature, such as 1/255 or 1; 0 where it is continuous; a
            number, an array with one per feature, or numbers by the names of features.
        data_options: how data is read: columns, groups, and names of classes and features.
        preprocess: what becomes of an input before the model takes it, as in :func:`load`.
        method: ``"pgd"`` (gradients only), ``"lippa"`` (adds linear programs), ``"lippa+mip"``
            (adds large neighbourhood search by MIPs), or one of the others in
            ``docs/reference/methods.md``. A value such as ``Lippa(lp_steps=8)`` holds its
            options. Options that the method does not have are refused.
        restarts: PGD restarts per input, all used unless the input breaks; None is 8, fewer on
            inputs far from the decision boundary.
        gradient_steps: gradient steps per run; None is the method's own number (lippa and pgd: 60).
        lp_steps: LPSteps of Algorithm 1 per input, all used unless the input breaks; None is 8,
            more on small networks, none on inputs far from the decision boundary.
        engine: formulation of the linear programs: ``"auto"``, ``"rows"`` or ``"stacked"``.
        solver: solver of the linear programs: ``"glop"``, ``"highs"``, ``"pdlp"`` or
            ``"clarabel"``; None is chosen by the norm.
        time_limit: seconds per input.
        seed: random seed.
        workers: worker processes, by default one for each core; results do not depend on them.
        cluster: address of a Dask scheduler whose workers do the work instead, such as
            ``"tcp://10.0.0.1:8786"``.
        out: folder for the results, which the command line reads and writes too; the same call
            resumes an interrupted run.
        on_event: is called with each event: :class:`Started`, :class:`Improved`,
            :class:`Finished`, :class:`Ended`.

    Returns:
        The results, one for each input; of a list of radii a curve, which has results at each.

    Raises:
        InputError: an argument that cannot be used, with the reason.
        ModelError: a model that cannot be used (where a path is given).
        WorkerError: worker processes or the cluster cannot be used.
        InterruptedRun: a KeyboardInterrupt, with the results of the inputs that were finished.
    """
    chosen = make_attack(
        method, restarts=restarts, gradient_steps=gradient_steps, lp_steps=lp_steps,
        engine=engine, solver=solver,
    )  # fmt: skip
    options = RunOptions(
        scale=scale, norm=norm, targets=targets, lower=lower, upper=upper, fixed=fixed,
        only_up=only_up, only_down=only_down, one_hot=one_hot,
        relations=relations, grid=grid, data_options=data_options,
        preprocess=preprocess, workers=workers, cluster=cluster, out=out,
        on_event=on_event,
    )  # fmt: skip
    nearest = eps is None if minimize is None else minimize
    budget = Budget(time_limit, seed)
    return run_arrays(model, x, y, eps, chosen, budget, options, minimize=nearest)


@overload
def certify(
    model: ModelOrPath, x: Inputs, y: npt.ArrayLike | None = None, *,
    eps: Radii, **options: Unpack[CertifyOptions],
) -> Curve: ...  # fmt: skip
@overload
def certify(
    model: ModelOrPath, x: Inputs, y: npt.ArrayLike | None = None, *,
    eps: Radius, **options: Unpack[CertifyOptions],
) -> Results: ...  # fmt: skip
def certify(
    model: ModelOrPath,
    x: Inputs,
    y: npt.ArrayLike | None = None,
    *,
    eps: Radius | Radii,
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
    method: ProofName | ProofMethod = "auto",
    solver: MipSolverName = "scip",
    naive: bool = False,
    time_limit: float = 60.0,
    workers: int | None = None,
    cluster: str | None = None,
    out: str | Path | None = None,
    on_event: Listener | None = None,
) -> Results | Curve:
    """Proves inputs robust, or finds that they are not.

    What each verdict proves is in ``docs/verdicts.md``.

    Args:
        model: a model from :func:`load`, or the path of one.
        x: inputs, as in :func:`attack`.
        y: labels, as in :func:`attack`.
        eps: radius of the ball; a list of radii gives a curve.
        scale: scale of each feature, as in :func:`attack`.
        norm: norm of the ball, as in :func:`attack`.
        targets: classes that count as adversarial, as in :func:`attack`.
        lower: lower bound of the domain.
        upper: upper bound of the domain.
        fixed: features that keep their clean values, as in :func:`attack`.
        only_up: features that may only rise, as in :func:`attack`.
        only_down: features that may only fall.
        one_hot: groups of one-hot features, as in :func:`attack`.
        relations: linear equations that inputs keep, as in :func:`attack`.
        grid: step between the values of a feature. A proof covers all values between the steps.
        data_options: how data is read, as in :func:`attack`.
        preprocess: what becomes of an input before the model takes it, as in :func:`load`.
        method: ``"auto"``, ``"interval"``, ``"linear"``, ``"mip"`` or ``"complete"``.
        solver: solver of ``"mip"``: ``"scip"``, ``"highs"`` or ``"gurobi"``.
        naive: with ``"mip"``, the paper's program as it first stands, without stable ReLUs fixed.
        time_limit: seconds per input; then it stays unknown.
        workers: worker processes, as in :func:`attack`.
        cluster: address of a Dask scheduler, as in :func:`attack`.
        out: folder for the results, as in :func:`attack`.
        on_event: is called with each event, as in :func:`attack`.

    Returns:
        The results, one for each input; of a list of radii a curve, which has results at each.

    Raises:
        InputError: an argument that cannot be used, with the reason.
        ModelError: a model that cannot be used (where a path is given).
        WorkerError: worker processes or the cluster cannot be used.
        InterruptedRun: a KeyboardInterrupt, with the results of the inputs that were finished.
    """
    chosen, budget = make_proof(method, solver, naive), Budget(time_limit)
    options = RunOptions(
        scale=scale, norm=norm, targets=targets, lower=lower, upper=upper, fixed=fixed,
        only_up=only_up, only_down=only_down, one_hot=one_hot,
        relations=relations, grid=grid, data_options=data_options,
        preprocess=preprocess, workers=workers, cluster=cluster, out=out,
        on_event=on_event,
    )  # fmt: skip
    return run_arrays(model, x, y, eps, chosen, budget, options)


@overload
def audit(
    model: ModelOrPath, x: Inputs, y: npt.ArrayLike | None = None, *,
    eps: Radii, **options: Unpack[AuditOptions],
) -> Curve: ...  # fmt: skip
@overload
def audit(
    model: ModelOrPath, x: Inputs, y: npt.ArrayLike | None = None, *,
    eps: Radius, **options: Unpack[AuditOptions],
) -> Results: ...  # fmt: skip
def audit(
    model: ModelOrPath,
    x: Inputs,
    y: npt.ArrayLike | None = None,
    *,
    eps: Radius | Radii,
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
    method: AttackName | AttackMethod = "lippa",
    budget: float = math.inf,
    time_limit: float = 60.0,
    seed: int = 0,
    workers: int | None = None,
    cluster: str | None = None,
    out: str | Path | None = None,
    on_event: Listener | None = None,
) -> Results | Curve:
    """Attacks and proves, cheapest first: the robust error as an interval that narrows.

    PGD, linear bounds, LiPPA, then branch and bound.

    Args:
        model: a model from :func:`load`, or the path of one.
        x: inputs, as in :func:`attack`.
        y: labels, as in :func:`attack`.
        eps: radius of the ball; a list of radii gives a curve.
        scale: scale of each feature, as in :func:`attack`.
        norm: norm of the ball, as in :func:`attack`.
        targets: classes that count as adversarial, as in :func:`attack`.
        lower: lower bound of the domain.
        upper: upper bound of the domain.
        fixed: features that keep their clean values, as in :func:`attack`.
        only_up: features that may only rise, as in :func:`attack`.
        only_down: features that may only fall.
        one_hot: groups of one-hot features, as in :func:`attack`.
        relations: linear equations that inputs keep, as in :func:`attack`.
        grid: step between the values of a feature, as in :func:`attack`.
        data_options: how data is read, as in :func:`attack`.
        preprocess: what becomes of an input before the model takes it, as in :func:`load`.
        method: the attack, as in :func:`attack`; with ``"lippa"`` the MIPs of ``"lippa+mip"`` are
            used where branch and bound stalls.
        budget: seconds for the audit; those of a curve are shared by its radii.
        time_limit: seconds of branch and bound per input.
        seed: random seed.
        workers: worker processes, as in :func:`attack`.
        cluster: address of a Dask scheduler, as in :func:`attack`.
        out: folder for the results, as in :func:`attack`.
        on_event: is called with each event, as in :func:`attack`.

    Returns:
        The results, one for each input; of a list of radii a curve, which has results at each.

    Raises:
        InputError: an argument that cannot be used, with the reason.
        ModelError: a model that cannot be used (where a path is given).
        ContradictionError: a witness and a proof for one input, which is a bug.
        WorkerError: worker processes or the cluster cannot be used.
        InterruptedRun: a KeyboardInterrupt, with the results of the inputs that were finished.
    """
    chosen = Audit(make_attack(method), budget=budget)
    options = RunOptions(
        scale=scale, norm=norm, targets=targets, lower=lower, upper=upper, fixed=fixed,
        only_up=only_up, only_down=only_down, one_hot=one_hot,
        relations=relations, grid=grid, data_options=data_options,
        preprocess=preprocess, workers=workers, cluster=cluster, out=out,
        on_event=on_event,
    )  # fmt: skip
    return run_arrays(model, x, y, eps, chosen, Budget(time_limit, seed), options)
