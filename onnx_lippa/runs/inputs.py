"""Which inputs a run is about."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from onnx_lippa.arrays import Floats, Integers
from onnx_lippa.data import Rows, check_inputs, check_labels, open_data
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model
from onnx_lippa.runs.identity import digest_inputs
from onnx_lippa.spec import InputSpecification

_DRAWN: Final = 10
"""Inputs drawn where there is no data and no count is asked for."""


@dataclass(frozen=True)
class Selection:
    """The inputs of a run.

    Attributes:
        indices: (n,) their places in the data.
        inputs: (n, d) in the type of the model.
        labels: (n,) their labels.
        outputs: (n, k) what the model gives for them.
        source: where they come from, for the summary.
        path: the data file; empty where they were drawn.
        sha256: digest of inputs and labels, as they are used.
        note: what the user should know about them, or empty.
    """

    indices: Integers
    inputs: Floats | Rows
    labels: Integers
    outputs: Floats
    source: str
    path: str
    sha256: str
    note: str = ""

    def inputs_at(self, places: list[int]) -> Floats | Rows:
        """The inputs at some places of the selection."""
        if isinstance(self.inputs, Rows):
            return self.inputs.take(np.array(places, dtype=np.int64))
        return self.inputs[places]


def select(
    model: Model,
    data: Path | None,
    first: int | None,
    indices: str | None,
    features: InputSpecification,
    seed: int,
) -> Selection:
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
    resolved = str(path.resolve())
    known = None if read.labels is None else labels
    digest = digest_inputs(inputs, known)
    return Selection(chosen, inputs, labels, outputs, str(path), resolved, digest, note)


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


def _drawn(model: Model, count: int, features: InputSpecification, seed: int) -> Selection:
    """Inputs drawn from domain and grid, labelled by the network."""
    generator = np.random.default_rng([seed, count])
    inputs = features.draw(generator, count, model.network.input_size, model.interface.dtype)
    outputs = model.runtime.forward(inputs)
    source = f"{count} inputs drawn from the domain (seed {seed}), labelled by the network"
    labels = outputs.argmax(axis=1)
    return Selection(
        np.arange(count), inputs, labels, outputs, source, "", digest_inputs(inputs, labels),
        f"no data given: {source}",
    )  # fmt: skip
