"""``onnx_lippa.trace``: the path of an attack on one input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy.typing as npt
from threadpoolctl import threadpool_limits

from onnx_lippa.api.options import (
    AttackName,
    Fixed,
    Inputs,
    ModelOrPath,
    NormName,
    OneHot,
    Radius,
    RunOptions,
    TargetsName,
    open_model,
    specify,
)
from onnx_lippa.attacks import AttackMethod, Trace, make_attack, trace_attack
from onnx_lippa.data.options import DEFAULT_OPTIONS, DataOptions
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model, Preprocess
from onnx_lippa.reports.trace import check_trace_file, write_trace
from onnx_lippa.runs.inputs import RunInputs, open_arrays
from onnx_lippa.spec import Norm, Specification
from onnx_lippa.spec.feature_names import Amounts
from onnx_lippa.state import Budget


def trace(
    model: ModelOrPath,
    x: Inputs,
    y: npt.ArrayLike | None = None,
    *,
    eps: Radius | None = None,
    index: int = 0,
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
    method: AttackName | AttackMethod = "lippa-paper",
    lp_steps: int | None = None,
    time_limit: float = math.inf,
    seed: int = 0,
    out: str | Path | None = None,
) -> Trace:
    """Attacks one input and records the path: LPSteps, GSSteps and linear regions.

    Args:
        model: a model from :func:`load`, or the path of one.
        x: inputs, as in :func:`attack`.
        y: labels, as in :func:`attack`.
        eps: radius of the ball; None minimises the distance.
        index: which of the inputs.
        scale: scale of each feature, as in :func:`attack`.
        norm: norm of the ball, as in :func:`attack`.
        minimize: whether to minimise the distance; None means only where eps is None.
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
        method: ``"lippa-paper"``, the paper's Algorithm 1, whose path is whole; or ``"lippa"``,
            ``"lippa+mip"`` or ``"pgd"``, whose path has the points at which something improved.
        lp_steps: LPSteps, where the method has such; None is the method's own number.
        time_limit: seconds.
        seed: random seed.
        out: a file: ``.png`` or ``.svg`` is a picture, ``.json`` and ``.csv`` have the numbers of
            all points. Beside a ``.json`` file the points themselves lie in an ``.npz`` file.

    Returns:
        The path. Its ``result`` has the witness, which was replayed as that of an attack.

    Raises:
        InputError: an argument that cannot be used, a misclassified input, or a picture without
            the extra ``report``.
        ModelError: a model that cannot be used (where a path is given).
    """
    target = None if out is None else Path(out)
    if target is not None:
        check_trace_file(target)
    chosen = make_attack(method, lp_steps=lp_steps)
    options = RunOptions(
        scale=scale, norm=norm, targets=targets, lower=lower, upper=upper, fixed=fixed,
        only_up=only_up, only_down=only_down, one_hot=one_hot, relations=relations, grid=grid,
        data_options=data_options, preprocess=preprocess,
    )  # fmt: skip
    model = open_model(model, options)
    opened = open_arrays(model, x, y, data_options)
    nearest = eps is None if minimize is None else minimize
    specification = specify(model, eps, options, nearest, opened)
    inputs = opened.check(specification.features)
    budget = Budget(time_limit, seed)
    traced = trace_input(model, inputs, specification, index, chosen, budget)
    if target is not None:
        write_trace(traced, model, target)
    return traced


def trace_input(
    model: Model,
    inputs: RunInputs,
    specification: Specification,
    index: int,
    method: AttackMethod,
    budget: Budget,
) -> Trace:
    """The path of an attack on one of some inputs; see :func:`trace`."""
    if not 0 <= index < len(inputs.indices):
        count = len(inputs.indices)
        raise InputError(f"index is {index}: the data holds {count} inputs, give 0 to {count - 1}")
    (problem,) = inputs.problems(specification, [index])
    with threadpool_limits(limits=1):  # BLAS rounds alike on any number of cores
        return trace_attack(method, model, problem, budget)
