"""The clean inputs of a run: read from a file, drawn, or taken from a caller's arrays."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import Floats, InputRows, Integers
from onnx_lippa.data import DataOptions, check_inputs, check_labels, convert_arrays, open_data
from onnx_lippa.data.options import DEFAULT_OPTIONS
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model
from onnx_lippa.runs.identity import digest_inputs
from onnx_lippa.runs.record import Record
from onnx_lippa.spec import InputSpecification, ProblemSet, Specification
from onnx_lippa.text import listed as list_names
from onnx_lippa.witness import Result

_log: Final = logging.getLogger("onnx_lippa")
_DRAWN: Final = 10
"""Inputs drawn where there is no data and no number of them is given."""


@final
@dataclass(frozen=True)
class RunInputs:
    """The clean inputs of a run.

    Attributes:
        indices: (n,) their indices in the data.
        inputs: (n, d) in the type of the model.
        labels: (n,) their labels.
        outputs: (n, k) the model's outputs for them.
        source: where they come from, for the summary.
        path: the data file; None where they lie in no file.
        sha256: digest of inputs and labels, as they are used.
        note: what the user should know about them, or empty.
        are_labelled: whether the labels are given, and not the model's own predictions.
        groups: (n,) the name of the group that each belongs to; None without groups.
        reading: how the data was read, with the names of classes and features.
    """

    indices: Integers
    inputs: InputRows
    labels: Integers
    outputs: Floats
    source: str
    path: Path | None
    sha256: str
    note: str = ""
    are_labelled: bool = True
    groups: tuple[str, ...] | None = None
    reading: DataOptions = DEFAULT_OPTIONS

    @cached_property
    def predictions(self) -> Integers:
        """(n,) the classes of the model."""
        return self.outputs.argmax(axis=1)

    @cached_property
    def _positions(self) -> dict[int, int]:
        return {index: position for position, index in enumerate(self.indices.tolist())}

    def rows(self, indices: Integers) -> Floats:
        """The inputs (m, d) with these indices."""
        positions = [self._positions[index] for index in indices.tolist()]
        return self.inputs[np.array(positions, dtype=np.int64)]

    def problems(
        self, specification: Specification, indices: Sequence[int] | None = None
    ) -> ProblemSet:
        """The problems of the inputs with these indices, of all when None."""
        problems = ProblemSet(specification, self.indices, self.inputs, self.labels, self.outputs)
        if indices is None:
            return problems
        return problems.take([self._positions[index] for index in indices])

    def label(self, index: int) -> int | None:
        """The label of the input with this index; None where the run has no such input."""
        position = self._positions.get(index)
        return None if position is None else int(self.labels[position])

    def record(self, result: Result) -> Record:
        """A result beside the label and the prediction of its input."""
        position = self._positions[result.index]
        group = "" if self.groups is None else self.groups[position]
        label, prediction = int(self.labels[position]), int(self.predictions[position])
        return Record.of(result, label, prediction, group)


@final
@dataclass(frozen=True)
class OpenedInputs:
    """Inputs that were read, and not yet checked against a specification.

    Attributes:
        model: the model.
        features: (d,) names of the features; empty without names.
        categorical: features that stand for categories, and keep their values.
    """

    model: Model
    features: tuple[str, ...]
    categorical: tuple[int, ...]
    _check: Callable[[InputSpecification], RunInputs]

    def hold_categorical(self, specification: InputSpecification) -> InputSpecification:
        """The specification in which categories are fixed, but for one-hot groups."""
        free = set(specification.relations.features)
        held = (feature for feature in self.categorical if feature not in free)
        fixed = tuple(dict.fromkeys((*specification.fixed, *held)))
        return replace(specification, fixed=fixed)

    def check(self, specification: InputSpecification) -> RunInputs:
        """The inputs of the run.

        Raises:
            InputError: they do not fit model, domain or grid.
        """
        return self._check(specification)


def take_arrays(
    model: Model,
    x: npt.ArrayLike | Iterable[Any],
    y: npt.ArrayLike | None,
    features: InputSpecification,
    options: DataOptions = DEFAULT_OPTIONS,
) -> RunInputs:
    """The inputs that a caller has in memory, in any form that a data file may have.

    Args:
        model: the model.
        x: one input or a batch: floats, or bytes as fractions of 255; or an iterable of pairs.
        y: labels; None takes the model's own predictions.
        features: domain and grid, which hold the inputs.
        options: names of classes and features, and groups.

    Raises:
        InputError: they cannot be used.
    """
    return open_arrays(model, x, y, options).check(features)


def open_arrays(
    model: Model,
    x: npt.ArrayLike | Iterable[Any] | str | Path,
    y: npt.ArrayLike | None,
    options: DataOptions = DEFAULT_OPTIONS,
) -> OpenedInputs:
    """The inputs that a caller has in memory, or in a file; as :func:`take_arrays`."""
    if isinstance(x, str | Path):
        if y is not None:
            raise InputError(f"x is the file {x}, which holds the labels too: leave y out")
        return open_inputs(model, Path(x), options.first, options.indices, 0, options)
    if options.first is not None or options.indices is not None:
        raise InputError("first and indices are for files: give the inputs that are wanted")
    if options.group_column is not None or options.label is not None or options.categorical:
        raise InputError(
            "label, categorical and the name of a column of groups are for files: give labels as "
            "y, and groups as one for each input"
        )
    shape, dtype = model.network.input_shape, model.interface.dtype
    classes = model.classes if options.classes is None else options.classes
    taken, given = convert_arrays(x, y, shape, dtype, classes)
    _require_classes(model, None if given is None else given.classes)
    inputs = taken.copy()  # the results show them, whatever becomes of the caller's array
    groups = None
    if options.groups is not None:
        groups = tuple(str(group) for group in options.groups)
        if len(groups) != len(inputs):
            raise InputError(f"there are {len(groups)} groups, but {len(inputs)} inputs: give each")
    names = _feature_names(model, options, ())

    def check(specification: InputSpecification) -> RunInputs:
        check_inputs(inputs, specification)
        outputs = model.runtime.forward(inputs)
        if given is None:
            _log.info("there are no labels: the model's own predictions are taken")
        labels = outputs.argmax(axis=1) if given is None else given.numbers
        check_labels(labels, outputs.shape[1])
        return RunInputs(
            np.arange(len(inputs)), inputs, labels, outputs, f"{len(inputs)} inputs in memory",
            None, digest_inputs(inputs, None if given is None else labels),
            are_labelled=given is not None, groups=groups,
            reading=_reading(DEFAULT_OPTIONS, None if given is None else given.classes, names),
        )  # fmt: skip

    return OpenedInputs(model, names, (), check)


def read_inputs(
    model: Model,
    data: Path | None,
    first: int | None,
    indices: str | Sequence[int] | None,
    features: InputSpecification,
    seed: int,
    options: DataOptions = DEFAULT_OPTIONS,
) -> RunInputs:
    """Reads or draws the inputs and checks them against model, domain and grid.

    Raises:
        InputError: they cannot be used.
    """
    return open_inputs(model, data, first, indices, seed, options).check(features)


def open_inputs(
    model: Model,
    data: Path | None,
    first: int | None,
    indices: str | Sequence[int] | None,
    seed: int,
    options: DataOptions = DEFAULT_OPTIONS,
) -> OpenedInputs:
    """Reads the inputs; where there is no data, they are drawn when they are checked.

    Raises:
        InputError: they cannot be read.
    """
    if first is not None and indices is not None:
        raise InputError("--first and --indices exclude each other: give one of them")
    if first is not None and first < 1:
        raise InputError(f"--first is {first}: give at least 1")
    beside = model.file.path.with_suffix(".npz")
    path = data if data is not None else beside if beside.exists() else None
    if path is None:
        if indices is not None:
            raise InputError("--indices needs DATA: there is none beside the model")
        if replace(options, features=None) != DEFAULT_OPTIONS:
            raise InputError("options about columns, classes or images need DATA: give its path")
        names = _feature_names(model, options, ())
        return OpenedInputs(
            model, names, (),
            lambda features: replace(
                _drawn(model, first or _DRAWN, features, seed),
                reading=_reading(DEFAULT_OPTIONS, None, names),
            ),
        )  # fmt: skip
    listed = None if indices is None else _listed(indices)
    needed = first if listed is None else max(0, int(listed.max())) + 1
    options = _with_names_of_model(model, options)
    read = open_data(path, model.network.input_shape, model.interface.dtype, needed, options)
    _require_classes(model, read.classes)
    chosen = _chosen(read.count, first, indices, listed)
    inputs = read.inputs.take(chosen)
    names = _feature_names(model, options, read.features)
    notes = [] if data is not None else [f"data: {path}, beside the model"]
    if read.labels is None:
        notes = [f"{path} holds no labels: the model's own predictions are taken as labels"]
    notes += read.notes
    source = "; ".join([str(path), *read.notes]) if options.resize else str(path)

    def check(specification: InputSpecification) -> RunInputs:
        check_inputs(inputs, specification)
        outputs = model.runtime.forward(inputs)
        labels = outputs.argmax(axis=1) if read.labels is None else read.labels[chosen]
        if read.labels is not None:
            check_labels(labels, outputs.shape[1])
        digest = digest_inputs(inputs, None if read.labels is None else labels)
        groups = None if read.groups is None else tuple(read.groups[i] for i in chosen.tolist())
        return RunInputs(
            chosen, inputs, labels, outputs, source, path.resolve(), digest, "\n".join(notes),
            groups=groups, reading=_reading(options, read.classes, names),
        )  # fmt: skip

    return OpenedInputs(model, names, read.categorical, check)


def _with_names_of_model(model: Model, options: DataOptions) -> DataOptions:
    """The options with the names that the model states.

    Raises:
        InputError: names of classes that contradict the model.
    """
    known = model.classes
    if options.classes is None or known is None:
        options = replace(options, classes=options.classes or known)
    elif tuple(options.classes) != known:
        raise InputError(
            f"--classes {','.join(options.classes)}: the model states the classes "
            f"{','.join(known)}; leave --classes out"
        )
    if options.features is None and model.feature_names:
        options = replace(options, features=model.feature_names)
    return options


def _require_classes(model: Model, classes: Sequence[str] | None) -> None:
    """Raises InputError where there is not one name for each class of the model."""
    k = model.network.output_size
    if classes is not None and len(classes) != k:
        raise InputError(
            f"there are names of {len(classes)} classes, but the model has {k} (named are "
            f"{list_names(list(classes))}): name them all, in the order of its outputs (--classes)"
        )


def _feature_names(model: Model, options: DataOptions, of_data: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the features: of the data, else as stated, else of the model; or none."""
    names = of_data or tuple(options.features or ()) or model.feature_names
    d = model.network.input_size
    if names and len(names) != d:
        raise InputError(
            f"there are {len(names)} names of features, but the model takes {d}: give one for each"
        )
    if len(set(names)) < len(names):
        raise InputError("two features have one name: give each its own")
    return names


def _reading(
    options: DataOptions, classes: Sequence[str] | None, names: tuple[str, ...]
) -> DataOptions:
    """How the data is read again, with the names that were found."""
    found = None if classes is None else tuple(classes)
    return replace(
        options, classes=found, features=names or None, categorical=tuple(options.categorical),
        first=None, indices=None,
    )  # fmt: skip


def _listed(indices: str | Sequence[int]) -> Integers:
    parts = indices.split(",") if isinstance(indices, str) else indices
    try:
        return np.array([int(part) for part in parts], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"--indices {indices!r} is not understood: give a list like 0,5,7"
        ) from error


def _chosen(
    count: int,
    first: int | None,
    indices: str | Sequence[int] | None,
    chosen: Integers | None,
) -> Integers:
    if chosen is None:
        return np.arange(min(count, first or count))
    if chosen.min() < 0 or chosen.max() >= count or len(set(chosen.tolist())) != len(chosen):
        raise InputError(
            f"--indices {indices} must be different numbers from 0 to {count - 1}: "
            f"the data holds {count} inputs"
        )
    return chosen


def _drawn(model: Model, count: int, features: InputSpecification, seed: int) -> RunInputs:
    """Inputs drawn from domain and grid, labelled by the network."""
    generator = np.random.default_rng([seed, count])
    inputs = features.draw(generator, count, model.network.input_size, model.interface.dtype)
    outputs = model.runtime.forward(inputs)
    source = f"{count} inputs drawn from the domain (seed {seed}), labelled by the network"
    labels = outputs.argmax(axis=1)
    return RunInputs(
        np.arange(count), inputs, labels, outputs, source, None, digest_inputs(inputs, labels),
        f"no data given: {source}",
    )  # fmt: skip
