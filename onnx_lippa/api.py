"""The Python interface: load a model, attack it, replay a run."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import AnyArray, Float64, Floats, Integers
from onnx_lippa.attacks import Method, Settings
from onnx_lippa.errors import FalseClaimError, InputError
from onnx_lippa.formats import Stored, check_inputs, check_labels, read_data
from onnx_lippa.formats.convert import to_floats, to_labels
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.question import Features, Norm, Property, norm_named
from onnx_lippa.runs import Finding, Replayed, RunSpecification, Targets, load_for, outcomes
from onnx_lippa.runs import falsify as falsify_property
from onnx_lippa.runs import replay as replay_run
from onnx_lippa.runs.folder import DATA, read_asked
from onnx_lippa.witness import Outcome, Verdict


@dataclass(frozen=True)
class AttackResult:
    """The result of :func:`attack`; arrays have one entry for each input, in order.

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
    outcomes: tuple[Outcome, ...]

    @property
    def robust_error(self) -> tuple[float, float]:
        """Lower and upper bound of the share of inputs that can be broken."""
        proven = sum(verdict is Verdict.ROBUST for verdict in self.verdicts)
        return float(np.mean(self.success)), 1.0 - proven / len(self.verdicts)

    @property
    def clean_error(self) -> float:
        """Share of inputs that are misclassified as they are."""
        wrong = sum(verdict is Verdict.MISCLASSIFIED for verdict in self.verdicts)
        return wrong / len(self.verdicts)


def attack(
    network: Model | str | Path,
    x: Floats,
    y: npt.ArrayLike | None = None,
    *,
    eps: npt.ArrayLike | None = None,
    norm: str | float | Norm = "linf",
    minimize: bool | None = None,
    targets: str | Sequence[int] = "all",
    lower: npt.ArrayLike = 0.0,
    upper: npt.ArrayLike = 1.0,
    fixed: Sequence[int] | AnyArray | None = None,
    grid: npt.ArrayLike = 0.0,
    method: str = "lippa",
    restarts: int = 8,
    gradient_steps: int = 60,
    lp_steps: int = 8,
    time_limit: float = math.inf,
    engine: str = "auto",
    solver: str | None = None,
    seed: int = 0,
    workers: int = 1,
) -> AttackResult:
    """Attacks one input or a batch.

    Args:
        network: a model from :func:`load`, or the path of one.
        x: (n, *input_shape) inputs, or a single one (*input_shape), inside the domain. They are
            rounded to the type that the model takes.
        y: (n,) labels, or one; the model's own predictions when None.
        eps: radius of the ball; None minimises the distance. An array gives one radius for each
            feature, and the ball is ``||(x' - x) / eps|| <= 1``: distances are in units of eps.
        norm: ``"linf"``, ``"l1"``, ``"l2"``, or ``np.inf``, 1, 2.
        minimize: look for the nearest adversarial example (within eps, where that is given);
            None means only where eps is None.
        targets: ``"all"``, ``"runner-up"``, or the classes that count.
        lower: lower end of the domain, or an array with one for each feature.
        upper: its upper end, likewise.
        fixed: features that must not move: a boolean mask, or a list of them (counted in the
            flattened input). They keep their values whatever domain and grid say.
        grid: step of which features take whole multiples only, as 1/255 or 1; or an array with
            one for each feature, 0 for those that take any value.
        method: ``"lippa"`` or ``"pgd"``.
        restarts: rounds of gradient walks after the first.
        gradient_steps: gradient steps of a walk.
        lp_steps: LPSteps of Algorithm 1 for one input.
        time_limit: seconds for one input.
        engine: LP engine: ``"auto"``, ``"rows"`` or ``"stacked"``.
        solver: ``"glop"``, ``"highs"``, ``"pdlp"``, ``"clarabel"``, or None for the norm's own.
        seed: same seed, same result.
        workers: processes; the result does not depend on it.

    Raises:
        InputError: an argument that cannot be used, with the reason.
        ModelError: a model that cannot be used (where a path is given).
    """
    model = network if isinstance(network, Model) else load(network, lower=lower, upper=upper)
    features = Features.given(
        model.network.input_size, lower=lower, upper=upper, eps=eps, fixed=fixed, grid=grid
    )
    specification = RunSpecification(
        model.file.path, norm_named(norm), features,
        Targets.parse(targets) if isinstance(targets, str) else Targets(classes=tuple(targets)),
        Settings(
            method_named(method), eps is None if minimize is None else minimize, restarts,
            gradient_steps, lp_steps, time_limit, seed, engine, solver,
        ),
        workers,
    )  # fmt: skip
    inputs, labels = _batch(model, x, y)
    check_inputs(inputs, features)
    clean = model.runtime.outputs(inputs)
    labels = clean.argmax(axis=1) if labels is None else labels
    check_labels(labels, clean.shape[1])
    found = sorted(
        attack_inputs(model, specification, np.arange(len(inputs)), inputs, labels, clean),
        key=lambda outcome: outcome.index,
    )
    return _result(model, inputs, found)


def falsify(
    network: Model | str | Path,
    asked: Property | str | Path,
    *,
    timeout: float = math.inf,
    method: str = "lippa",
    restarts: int = 8,
    gradient_steps: int = 60,
    lp_steps: int = 8,
    engine: str = "auto",
    solver: str | None = None,
    seed: int = 0,
) -> Finding:
    """Looks for an input that a property seeks.

    Args:
        network: a model from :func:`load`, or the path of one.
        asked: a property, or the path of a VNN-LIB file.
        timeout: seconds for the search.
        method: ``"lippa"`` or ``"pgd"``.
        restarts: rounds of gradient walks after the first.
        gradient_steps: gradient steps of a walk.
        lp_steps: LPSteps of Algorithm 1.
        engine: LP engine: ``"auto"``, ``"rows"`` or ``"stacked"``.
        solver: as in :func:`attack`.
        seed: same seed, same result (but for a timeout).

    Returns:
        ``sat`` with an input that replays in ONNX Runtime and meets the property exactly, or
        ``unknown`` or ``timeout``, which prove nothing.

    Raises:
        InputError: a property that cannot be read or does not fit the model.
        ModelError: a model that cannot be used (where a path is given).
    """
    wanted = asked if isinstance(asked, Property) else Property.from_vnnlib(asked)
    model = network if isinstance(network, Model) else load_for(wanted, network)
    settings = Settings(
        method_named(method), False, restarts, gradient_steps, lp_steps, timeout, seed, engine,
        solver,
    )  # fmt: skip
    return falsify_property(model, wanted, settings)


def attack_inputs(
    model: Model,
    specification: RunSpecification,
    indices: Integers,
    inputs: Floats,
    labels: Integers,
    clean: Floats,
) -> Iterator[Outcome]:
    """Outcomes of a run as they are settled; the caller has checked domain and labels.

    Args:
        model: the model.
        specification: what is asked.
        indices: (n,) places of the inputs in the data.
        inputs: (n, d) clean inputs.
        labels: (n,) labels.
        clean: (n, k) the model's outputs for them.
    """
    problems = specification.problems(indices, inputs, labels, clean)
    return outcomes(model, problems, specification.settings, specification.workers)


def replay(path: str | Path, *, model: str | Path | None = None) -> Replayed:
    """Re-checks a finished run from its files alone, and raises at the first false claim.

    Args:
        path: the run's folder.
        model: where the model is now, if it was moved.

    Raises:
        InputError: a file is missing, damaged, or not the one the run used.
        FalseClaimError: a claim that does not hold.
    """
    folder = Path(path)
    asked = read_asked(folder)
    loaded = load(model or asked.model, check=False)
    if loaded.file.sha256 != asked.model_sha256:
        raise InputError(
            f"{loaded.file.path} is not the model this run attacked (its SHA-256 differs): "
            "give the right one with --model"
        )
    shape = loaded.network.input_shape
    source = Path(asked.data) if asked.data else folder / DATA
    if asked.data and file_sha256(source) != asked.data_sha256:
        raise InputError(f"{source} is not the data this run used (its SHA-256 differs)")
    data = read_data(source, shape, loaded.interface.dtype)
    for index in asked.indices:
        if not 0 <= index < len(data.inputs):
            raise FalseClaimError(f"the run names input {index}, which {source} does not hold")
    chosen = np.array(asked.indices, dtype=np.int64)
    inputs = data.inputs[chosen]
    labels = (
        loaded.runtime.outputs(inputs).argmax(axis=1)
        if data.labels is None
        else data.labels[chosen]
    )
    return replay_run(folder, asked, loaded, inputs, labels)


def method_named(name: str) -> Method:
    """The method of this name.

    Raises:
        InputError: there is no such method.
    """
    try:
        return Method(name)
    except ValueError as error:
        names = ", ".join(method.value for method in Method)
        raise InputError(f"there is no method '{name}': choose one of {names}") from error


def file_sha256(path: Path) -> str:
    """Digest of a file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


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


def _result(model: Model, inputs: Floats, found: list[Outcome]) -> AttackResult:
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
