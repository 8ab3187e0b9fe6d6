"""The arguments that calls share, and the one way from them to a run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import AnyArray
from onnx_lippa.attacks import Method, Settings
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.runs.events import Listener
from onnx_lippa.runs.inputs import take_arrays
from onnx_lippa.runs.results import Curve, Results
from onnx_lippa.runs.session import Budgets, Task, run, run_curve
from onnx_lippa.runs.specification import RunSpecification, Targets
from onnx_lippa.spec import InputSpecification, Norm, get_norm

Network: TypeAlias = Model | str | Path
"""A model from :func:`onnx_lippa.load`, or the path of one."""
Radius: TypeAlias = float | np.floating[Any] | AnyArray
Fixed: TypeAlias = Sequence[int] | AnyArray | None
NormName: TypeAlias = Literal["linf", "l1", "l2"]
TargetsName: TypeAlias = Literal["all", "runner-up"]
AttackName: TypeAlias = Literal["lippa", "lippa+mip", "pgd"]
ProofName: TypeAlias = Literal["auto", "interval", "linear", "mip", "complete"]
EngineName: TypeAlias = Literal["auto", "rows", "stacked"]
SolverName: TypeAlias = Literal["glop", "highs", "pdlp", "clarabel"]
MipSolverName: TypeAlias = Literal["scip", "highs", "gurobi"]

E = TypeVar("E", bound=Enum)


class RunOptions(TypedDict, total=False):
    """What :func:`attack`, :func:`certify` and :func:`audit` have in common."""

    norm: NormName | float | Norm
    targets: TargetsName | Sequence[int]
    lower: npt.ArrayLike
    upper: npt.ArrayLike
    fixed: Fixed
    grid: npt.ArrayLike
    time_limit: float
    seed: int
    workers: int
    out: str | Path | None
    on_event: Listener | None


class AttackOptions(RunOptions, total=False):
    """Those of :func:`attack`."""

    minimize: bool | None
    method: AttackName
    restarts: int | None
    gradient_steps: int
    lp_steps: int | None
    engine: EngineName
    solver: SolverName | None


class CertifyOptions(RunOptions, total=False):
    """Those of :func:`certify`."""

    method: ProofName
    solver: MipSolverName


class AuditOptions(RunOptions, total=False):
    """Those of :func:`audit`."""

    method: AttackName
    budget: float


def run_arrays(
    network: Network,
    x: npt.ArrayLike,
    y: npt.ArrayLike | None,
    eps: Radius | Sequence[float] | None,
    budgets: Budgets,
    settings: Settings,
    options: RunOptions,
) -> Results | Curve:
    """A run over inputs as a caller gives them; with a list of radii, one at each of them.

    Args:
        network: the model.
        x: the inputs.
        y: their labels.
        eps: the radius, or a list of them.
        budgets: what to do with the inputs.
        settings: the attack's settings, which also hold the seed and the LP engine.
        options: the other arguments, all of them.

    Raises:
        InputError: an argument that cannot be used.
        ModelError: a model that cannot be used.
    """
    started = time.monotonic()
    radii = eps if isinstance(eps, list | tuple) else [eps]
    if len(radii) == 0 or len({str(one) for one in radii}) < len(radii):
        raise InputError(f"the radii are {list(radii)}: give at least one, and different ones")
    model = open_model(network, options)
    specifications = [specify(model, one, settings, options) for one in radii]
    inputs = take_arrays(model, x, y, specifications[0].features)
    heard = options["on_event"]
    task = Task(model, inputs, budgets, () if heard is None else (heard,), started)
    out = None if options["out"] is None else Path(options["out"])
    if isinstance(eps, list | tuple):
        return run_curve(task, specifications, out, [repr(float(one)) for one in eps])
    return run(task, specifications[0], out)


def open_model(network: Network, options: RunOptions) -> Model:
    """The model, a classifier, loaded where a path is given."""
    lower, upper = options["lower"], options["upper"]
    model = network if isinstance(network, Model) else load(network, lower=lower, upper=upper)
    model.require_classes()
    return model


def specify(
    model: Model, eps: npt.ArrayLike | None, settings: Settings, options: RunOptions
) -> RunSpecification:
    """The specification at one radius.

    Raises:
        InputError: an argument that cannot be used.
    """
    features = InputSpecification.build(
        model.network.input_size, lower=options["lower"], upper=options["upper"], eps=eps,
        fixed=options["fixed"], grid=options["grid"],
    )  # fmt: skip
    targets = options["targets"]
    return RunSpecification(
        get_norm(options["norm"]),
        features,
        Targets.parse(targets) if isinstance(targets, str) else Targets(classes=tuple(targets)),
        settings,
        options["workers"],
    )


def method_named(name: str) -> Method:
    """The attack of this name.

    Raises:
        InputError: there is no such method.
    """
    return _member(Method, name)


def _member(kind: type[E], name: str) -> E:
    try:
        return kind(name)
    except ValueError as error:
        names = ", ".join(method.value for method in kind)
        raise InputError(f"there is no method '{name}': choose one of {names}") from error
