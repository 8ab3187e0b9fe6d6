"""The clean inputs of a run: read from a file, drawn, or taken from a caller's arrays."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, final

import numpy as np
import numpy.typing as npt

from onnx_lippa.arrays import Floats, InputRows, Integers
from onnx_lippa.data import check_inputs, check_labels, open_data
from onnx_lippa.data.convert import convert_arrays
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model
from onnx_lippa.runs.identity import digest_inputs
from onnx_lippa.runs.record import Record
from onnx_lippa.spec import InputSpecification, ProblemSet, Specification
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


def take_arrays(
    model: Model, x: npt.ArrayLike, y: npt.ArrayLike | None, features: InputSpecification
) -> RunInputs:
    """The inputs that a caller has in memory, in any form that a data file may have.

    Args:
        model: the model.
        x: one input or a batch: floats, or bytes as fractions of 255.
        y: class numbers; None takes the model's own predictions.
        features: domain and grid, which hold the inputs.

    Raises:
        InputError: they cannot be used.
    """
    taken, given = convert_arrays(x, y, model.network.input_shape, model.interface.dtype)
    inputs = taken.copy()  # the results show them, whatever becomes of the caller's array
    check_inputs(inputs, features)
    outputs = model.runtime.forward(inputs)
    if given is None:
        _log.info("there are no labels: the model's own predictions are taken")
    labels = outputs.argmax(axis=1) if given is None else given
    check_labels(labels, outputs.shape[1])
    return RunInputs(
        np.arange(len(inputs)), inputs, labels, outputs, f"{len(inputs)} inputs in memory", None,
        digest_inputs(inputs, given), are_labelled=given is not None,
    )  # fmt: skip


def read_inputs(
    model: Model,
    data: Path | None,
    first: int | None,
    indices: str | None,
    features: InputSpecification,
    seed: int,
) -> RunInputs:
    """Reads or draws the inputs and checks them against model, domain and grid.

    Raises:
        InputError: they cannot be used.
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
        return _drawn(model, first or _DRAWN, features, seed)
    listed = None if indices is None else _listed(indices)
    needed = first if listed is None else max(0, int(listed.max())) + 1
    read = open_data(path, model.network.input_shape, model.interface.dtype, needed)
    chosen = _chosen(read.count, first, indices, listed)
    inputs = read.inputs.take(chosen)
    check_inputs(inputs, features)
    outputs = model.runtime.forward(inputs)
    note = "" if data is not None else f"data: {path}, beside the model"
    if read.labels is None:
        labels = outputs.argmax(axis=1)
        note = f"{path} holds no labels: the model's own predictions are taken as labels"
    else:
        labels = read.labels[chosen]
        check_labels(labels, outputs.shape[1])
    known = None if read.labels is None else labels
    digest = digest_inputs(inputs, known)
    return RunInputs(
        chosen, inputs, labels, outputs, str(path), path.resolve(), digest, note,
        are_labelled=known is not None,
    )  # fmt: skip


def _listed(indices: str) -> Integers:
    try:
        return np.array([int(part) for part in indices.split(",")], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"--indices {indices!r} is not understood: give a list like 0,5,7"
        ) from error


def _chosen(
    count: int, first: int | None, indices: str | None, chosen: Integers | None
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
