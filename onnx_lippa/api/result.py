"""What the Python calls give, and a run from their arguments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import AnyArray, Float64, Floats, InputRows, Integers
from onnx_lippa.attacks import Method, Settings
from onnx_lippa.data import Stored, check_inputs, check_labels
from onnx_lippa.data.convert import to_floats, to_labels
from onnx_lippa.errors import InputError
from onnx_lippa.lp.solvers.table import make_mip_solver
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.proofs import CertifySettings
from onnx_lippa.runs.audit import AuditEvent, AuditSettings
from onnx_lippa.runs.specification import RunSpecification, Targets
from onnx_lippa.runs.tasks import events
from onnx_lippa.spec import InputSpecification, Norm, Problem, get_norm
from onnx_lippa.witness import Result, Verdict

E = TypeVar("E", bound=Enum)


@dataclass(frozen=True)
class AttackResult:
    """What an attack, a certificate or an audit gives; arrays have one entry for each input.

    Attributes:
        success: (n,) whether the input is broken: misclassified as it is, or by a witness.
        adversarials: (n, *input_shape) the witness where there is one, else the clean
            input.
        distances: (n,) distance of the witness in float64, in units of eps where there is one
            for each feature; 0 where the clean input is misclassified, infinite where nothing
            was found.
        verdicts: (n,) what is known.
        outcomes: (n,) the details.
    """

    success: npt.NDArray[np.bool_]
    adversarials: Floats
    distances: Float64
    verdicts: tuple[Verdict, ...]
    outcomes: tuple[Result, ...]

    @property
    def robust_error(self) -> tuple[float, float]:
        """Lower and upper bound of the share of inputs that can be broken."""
        proven = sum(verdict is Verdict.ROBUST for verdict in self.verdicts)
        count = len(self.verdicts)
        return int(np.count_nonzero(self.success)) / count, (count - proven) / count

    @property
    def clean_error(self) -> float:
        """Share of inputs that are misclassified as they are."""
        wrong = sum(verdict is Verdict.MISCLASSIFIED for verdict in self.verdicts)
        return wrong / len(self.verdicts)


def specified(
    network: Model | str | Path,
    norm: str | float | Norm,
    targets: str | Sequence[int],
    eps: npt.ArrayLike | None,
    lower: npt.ArrayLike,
    upper: npt.ArrayLike,
    fixed: Sequence[int] | AnyArray | None,
    grid: npt.ArrayLike,
    settings: Settings,
    workers: int,
) -> tuple[Model, RunSpecification]:
    """The model, loaded where a path is given, and the question as a caller states it."""
    model = network if isinstance(network, Model) else load(network, lower=lower, upper=upper)
    model.require_classes()
    features = InputSpecification.build(
        model.network.input_size, lower=lower, upper=upper, eps=eps, fixed=fixed, grid=grid
    )
    chosen = Targets.parse(targets) if isinstance(targets, str) else Targets(classes=tuple(targets))
    path = model.file.path
    return model, RunSpecification(path, get_norm(norm), features, chosen, settings, workers)


def run_batch(
    model: Model,
    specification: RunSpecification,
    budgets: Settings | CertifySettings | AuditSettings,
    x: Floats,
    y: npt.ArrayLike | None,
) -> AttackResult:
    """A run of any kind over inputs as a caller gives them."""
    inputs, problems = problems_of(model, specification, x, y)
    ran = events(model, problems, budgets, specification.workers)
    found = sorted((e.outcome for e in ran if e.final), key=lambda outcome: outcome.index)
    return _result(model, inputs, found)


def problems_of(
    model: Model, specification: RunSpecification, x: Floats, y: npt.ArrayLike | None
) -> tuple[Floats, Sequence[Problem]]:
    """The inputs (n, d) that a caller gives, checked, and the problem of each."""
    inputs, labels = _batch(model, x, y)
    check_inputs(inputs, specification.features)
    clean = model.runtime.forward(inputs)
    labels = clean.argmax(axis=1) if labels is None else labels
    check_labels(labels, clean.shape[1])
    return inputs, specification.problems(np.arange(len(inputs)), inputs, labels, clean)


def run_inputs(
    model: Model,
    specification: RunSpecification,
    budgets: Settings | CertifySettings | AuditSettings,
    indices: Integers,
    inputs: InputRows,
    labels: Integers,
    clean: Floats,
) -> Iterator[AuditEvent]:
    """Events of a run; the caller has checked domain and labels.

    Args:
        model: the model.
        specification: what is asked.
        budgets: what to do with the inputs.
        indices: (n,) places of the inputs in the data.
        inputs: (n, d) clean inputs.
        labels: (n,) labels.
        clean: (n, k) the model's outputs for them.
    """
    problems = specification.problems(indices, inputs, labels, clean)
    return events(model, problems, budgets, specification.workers)


def attack_inputs(
    model: Model,
    specification: RunSpecification,
    indices: Integers,
    inputs: Floats,
    labels: Integers,
    clean: Floats,
) -> Iterator[Result]:
    """Outcomes of an attack as they are settled; see :func:`run_inputs`."""
    for event in run_inputs(
        model, specification, specification.settings, indices, inputs, labels, clean
    ):
        yield event.outcome


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


def mip_solver(name: str) -> str:
    """The name itself, where there is such a solver.

    Raises:
        InputError: there is none, or it is not installed.
    """
    make_mip_solver(name)
    return name


def _batch(model: Model, x: Floats, y: npt.ArrayLike | None) -> tuple[Floats, Integers | None]:
    """Inputs (n, d) in the model's type and labels (n,), a single input made a batch of one."""
    shape, values = model.network.input_shape, np.asarray(x)
    if values.shape == shape:
        values = values[None]
    if values.ndim < 1 or values.shape[1:] not in (shape, (model.network.input_size,)):
        raise InputError(
            f"inputs of shape {values.shape} do not fit the model: give {shape} for a single "
            f"one, or (n, {', '.join(map(str, shape))}) for a batch"
        )
    if not np.issubdtype(values.dtype, np.floating):
        raise InputError(f"inputs have type {values.dtype}: give floating-point numbers")
    if len(values) == 0:
        raise InputError("there are no inputs: give at least one")
    labels = None
    if y is not None:
        given = np.atleast_1d(np.asarray(y))
        if given.shape != (len(values),):
            raise InputError(
                f"{len(values)} inputs need {len(values)} labels, but labels have shape "
                f"{given.shape}"
            )
        labels = to_labels(Stored(given, "y"), len(values))
    return to_floats(values.reshape(len(values), -1), "x", model.interface.dtype), labels


def _result(model: Model, inputs: Floats, found: list[Result]) -> AttackResult:
    adversarials = inputs.copy()
    distances = np.full(len(inputs), np.inf)
    for row, outcome in enumerate(found):
        if outcome.witness is not None:
            adversarials[row] = outcome.witness.x
            distances[row] = outcome.witness.distance
        elif outcome.verdict is Verdict.MISCLASSIFIED:
            distances[row] = 0.0
    return AttackResult(
        np.isfinite(distances),
        adversarials.reshape(len(inputs), *model.network.input_shape),
        distances,
        tuple(outcome.verdict for outcome in found),
        tuple(found),
    )
