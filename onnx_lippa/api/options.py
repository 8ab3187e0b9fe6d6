"""The arguments that calls have in common, and the way from them to a run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import AnyArray
from onnx_lippa.attacks import AttackMethod
from onnx_lippa.data import DataOptions
from onnx_lippa.errors import InputError
from onnx_lippa.method import Method
from onnx_lippa.onnx_io import Model, Preprocess, load
from onnx_lippa.proofs import ProofMethod
from onnx_lippa.runs.inputs import OpenedInputs, open_arrays
from onnx_lippa.runs.pools import WorkerChoice
from onnx_lippa.runs.results import Curve, Listener, Results
from onnx_lippa.runs.session import Task, run, run_curve
from onnx_lippa.spec import InputSpecification, Norm, Specification, Targets, get_norm
from onnx_lippa.spec.feature_names import Amounts, FeatureChoice, per_feature
from onnx_lippa.state import Budget

ModelOrPath: TypeAlias = Model | str | Path
"""A model from :func:`onnx_lippa.load`, or the path of one."""
Radius: TypeAlias = float | np.floating[Any] | Mapping[str, float]
"""A radius, or radii by the names of features."""
Radii: TypeAlias = Sequence[float] | AnyArray
"""Several radii: a curve."""
Fixed: TypeAlias = FeatureChoice
OneHot: TypeAlias = Sequence[str | Sequence[str] | Sequence[int]] | None
"""Groups of features: by the stem of their names, by a pattern, or one by one."""
Inputs: TypeAlias = npt.ArrayLike | Iterable[Any] | Path
"""Inputs: arrays, the path of a data file, or an iterable of pairs (x, y)."""
NormName: TypeAlias = Literal["linf", "l1", "l2"]
TargetsName: TypeAlias = Literal["all", "runner-up"]
AttackName: TypeAlias = Literal[
    "lippa",
    "lippa+mip",
    "lippa-paper",
    "pgd",
    "fgsm",
    "bim",
    "apgd",
    "deepfool",
    "fab",
    "cw",
    "bb",
    "square",
    "linear-regions",
    "portfolio",
]
ProofName: TypeAlias = Literal["auto", "interval", "linear", "mip", "complete"]
EngineName: TypeAlias = Literal["auto", "rows", "stacked"]
SolverName: TypeAlias = Literal["glop", "highs", "pdlp", "clarabel"]
MipSolverName: TypeAlias = Literal["scip", "highs", "gurobi"]


class RunOptions(TypedDict, total=False):
    """The common arguments of :func:`attack`, :func:`certify` and :func:`audit`."""

    scale: Amounts | None
    norm: NormName | float | Norm
    targets: TargetsName | Sequence[int]
    lower: Amounts
    upper: Amounts
    fixed: Fixed
    only_up: Fixed
    only_down: Fixed
    one_hot: OneHot
    relations: Sequence[str] | None
    grid: Amounts
    data_options: DataOptions
    preprocess: Preprocess | str | None
    time_limit: float
    workers: int | None
    cluster: str | None
    out: str | Path | None
    on_event: Listener | None


class AttackOptions(RunOptions, total=False):
    """The arguments of :func:`attack`."""

    minimize: bool | None
    seed: int
    method: AttackName | AttackMethod
    restarts: int | None
    gradient_steps: int | None
    lp_steps: int | None
    engine: EngineName
    solver: SolverName | None


class CertifyOptions(RunOptions, total=False):
    """The arguments of :func:`certify`."""

    method: ProofName | ProofMethod
    solver: MipSolverName
    naive: bool


class AuditOptions(RunOptions, total=False):
    """The arguments of :func:`audit`."""

    method: AttackName | AttackMethod
    budget: float
    seed: int


def run_arrays(
    model: ModelOrPath,
    x: Inputs,
    y: npt.ArrayLike | None,
    eps: Radius | Radii | None,
    method: Method,
    budget: Budget,
    options: RunOptions,
    *,
    minimize: bool = False,
) -> Results | Curve:
    """A run over a caller's inputs, or a curve if there are several radii.

    Args:
        model: the model.
        x: the inputs.
        y: their labels.
        eps: the radius, or a list of them.
        method: what is done with the inputs.
        budget: seconds for each of them, and the seed.
        options: all other arguments.
        minimize: whether the nearest adversarial example is sought.

    Raises:
        InputError: an argument that cannot be used.
        ModelError: a model that cannot be used.
    """
    radii, is_curve = read_radii(eps)
    if not is_curve:
        return run_arrays_once(model, x, y, radii[0], method, budget, options, minimize=minimize)
    task, specifications, out = _make_task(model, x, y, radii, method, budget, options, minimize)
    return run_curve(task, specifications, out, [repr(one) for one in radii])


def run_arrays_once(
    model: ModelOrPath,
    x: Inputs,
    y: npt.ArrayLike | None,
    eps: Radius | None,
    method: Method,
    budget: Budget,
    options: RunOptions,
    *,
    minimize: bool = False,
) -> Results:
    """The same at one radius."""
    task, (specification,), out = _make_task(model, x, y, [eps], method, budget, options, minimize)
    return run(task, specification, out)


def _make_task(
    model: ModelOrPath,
    x: Inputs,
    y: npt.ArrayLike | None,
    radii: Sequence[Radius | None],
    method: Method,
    budget: Budget,
    options: RunOptions,
    minimize: bool,
) -> tuple[Task, list[Specification], Path | None]:
    started = time.monotonic()
    model = open_model(model, options)
    opened = open_arrays(model, x, y, options["data_options"])
    specifications = [specify(model, one, options, minimize, opened) for one in radii]
    inputs = opened.check(specifications[0].features)
    heard, out = options["on_event"], options["out"]
    workers = WorkerChoice.of(options["workers"], options["cluster"])
    listeners = () if heard is None else (heard,)
    task = Task(model, inputs, method, budget, workers, listeners, started)
    return task, specifications, None if out is None else Path(out)


def read_radii(eps: Radius | Radii | None) -> tuple[list[Radius | None], bool]:
    """The radii that a caller gives, and whether they are a curve.

    Raises:
        InputError: they are no different numbers.
    """
    if eps is None or isinstance(eps, Mapping):
        return [eps], False
    values = per_feature("eps", eps)
    if isinstance(values, float):
        return [values], False
    if np.ndim(eps) > 1 or len(values) == 0 or len(set(values)) < len(values):
        raise InputError(
            f"eps has shape {np.shape(eps)}, or a radius twice: give a radius or a list of "
            "different ones; radii for each feature are given as scale, with eps=1"
        )
    return list(values), True


def open_model(model: ModelOrPath, options: RunOptions) -> Model:
    """The model, a classifier, loaded where a path is given."""
    lower, upper = options["lower"], options["upper"]
    model = load_with(model, options.get("preprocess"), lower, upper)
    model.require_classes()
    return model


def load_with(
    model: ModelOrPath, preprocess: Preprocess | str | None, lower: Amounts, upper: Amounts
) -> Model:
    """The model, loaded where a path is given.

    Raises:
        InputError: a preprocessing is given for a model that is loaded already.
    """
    if not isinstance(model, Model):
        return load(model, lower=lower, upper=upper, preprocess=preprocess)
    require_preprocess(model, Preprocess.of(preprocess))
    return model


def require_preprocess(model: Model, wanted: Preprocess | None) -> None:
    """Raises InputError if another preprocessing is given for a model that is loaded already."""
    if wanted is not None and model.preprocess != wanted:
        raise InputError("the model is loaded already: give the preprocessing to load")


def specify(
    model: Model,
    eps: Radius | None,
    options: RunOptions,
    minimize: bool = False,
    opened: OpenedInputs | None = None,
) -> Specification:
    """The specification at one radius; opened inputs know the names of features.

    Raises:
        InputError: an argument that cannot be used.
    """
    features = InputSpecification.build(
        model.network.input_size, lower=options["lower"], upper=options["upper"], eps=eps,
        fixed=options["fixed"], grid=options["grid"], scale=options["scale"],
        only_up=options.get("only_up"), only_down=options.get("only_down"),
        one_hot=options.get("one_hot"), relations=options.get("relations"),
        names=() if opened is None else opened.features,
    )  # fmt: skip
    if opened is not None:
        features = opened.hold_categorical(features)
    targets = options["targets"]
    return Specification(
        get_norm(options["norm"]),
        features,
        Targets.parse(targets) if isinstance(targets, str) else Targets(classes=tuple(targets)),
        minimize,
    )
