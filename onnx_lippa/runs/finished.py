"""A run with its results, from memory or from its folder, for reports and comparisons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, final
from zipfile import ZipFile

import numpy as np

from onnx_lippa.arrays import Floats, Shape
from onnx_lippa.data.npy import read_header
from onnx_lippa.data.options import DEFAULT_OPTIONS, DataOptions
from onnx_lippa.errors import InputError, LippaError
from onnx_lippa.runs.clean_inputs import find_inputs
from onnx_lippa.runs.curve import list_radius_folders
from onnx_lippa.runs.files import explain_read_errors
from onnx_lippa.runs.folder import ADVERSARIALS, AGAIN, SUMMARY, read_stored_results
from onnx_lippa.runs.identity import RUN, Identity, read_run
from onnx_lippa.runs.record import Record
from onnx_lippa.runs.results import Curve, Results
from onnx_lippa.runs.summary import complete
from onnx_lippa.witness import Witness


@final
@dataclass(frozen=True)
class FinishedRun:
    """A run that has ended, or was interrupted.

    Attributes:
        name: name of its folder; empty for results in memory.
        identity: everything that can change its results.
        figures: the values of ``summary.json``.
        records: the records, in the order of their indices.
        witnesses: the witnesses by index.
        clean: (n, *input_shape) the clean inputs of the records; None if their data is not found.
        input_shape: shape of one input.
        are_labelled: whether the data has labels, or the model's own predictions are taken; None
            if the data is not found.
        classes: names of the classes, by number; None without names.
        features: (d,) names of the features; empty without names.
        reading: how the data was read.
    """

    name: str
    identity: Identity
    figures: Mapping[str, Any]
    records: tuple[Record, ...]
    witnesses: Mapping[int, Witness]
    clean: Floats | None
    input_shape: Shape
    are_labelled: bool | None = None
    classes: tuple[str, ...] | None = None
    features: tuple[str, ...] = ()
    reading: DataOptions = DEFAULT_OPTIONS

    @classmethod
    def of(cls, results: Results) -> FinishedRun:
        """The run of some results in memory."""
        clean = results.inputs.rows(results.indices)
        return cls(
            "",
            results.identity,
            results.figures.as_json(),
            tuple(results.records()),
            {one.index: one.witness for one in results if one.witness is not None},
            clean.reshape(len(clean), *results.input_shape),
            results.input_shape,
            results.inputs.are_labelled,
            *_names(results.inputs.reading),
            results.inputs.reading,
        )

    @classmethod
    def read(cls, folder: str | Path) -> FinishedRun:
        """Reads a run from its folder. Its claims are not checked; a replay does that.

        Raises:
            InputError: the folder holds no run, or one that has not ended.
            DamagedFolderError: a file is damaged.
        """
        folder = Path(folder)
        run = read_run(folder)
        if not (folder / SUMMARY).exists() or not (folder / ADVERSARIALS).exists():
            raise InputError(f"{folder} holds a run that has not ended: run its command again")
        with explain_read_errors(folder / SUMMARY, AGAIN):
            figures = complete(json.loads((folder / SUMMARY).read_bytes()))
        input_shape, dtype = _read_input_type(folder / ADVERSARIALS)
        stored = read_stored_results(folder, run, input_shape)
        records = tuple(stored.records[index] for index in sorted(stored.records))
        rows = {index: row for row, index in enumerate(run.identity.indices)}
        try:
            inputs, labels = find_inputs(folder, run, input_shape, dtype)
            wanted = np.array([rows[record.index] for record in records], dtype=np.int64)
            clean = inputs[wanted].reshape(len(records), *input_shape)
            are_labelled = labels is not None
        except LippaError:
            clean, are_labelled = None, None
        return cls(
            folder.resolve().name,
            run.identity,
            figures,
            records,
            stored.witnesses,
            clean,
            input_shape,
            are_labelled,
            *_names(run.reading),
            run.reading,
        )


def _names(reading: DataOptions) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Names of classes and features."""
    classes = None if reading.classes is None else tuple(reading.classes)
    return classes, tuple(reading.features or ())


def read_runs(folder: str | Path) -> tuple[FinishedRun, ...]:
    """The run of a folder, or those of a curve, by ascending radius.

    Raises:
        InputError: the folder holds no run, or one that has not ended.
        DamagedFolderError: a file is damaged.
    """
    folder = Path(folder)
    names = () if (folder / RUN).exists() else list_radius_folders(folder)
    runs = [FinishedRun.read(folder / name) for name in names] or [FinishedRun.read(folder)]
    return tuple(sorted(runs, key=lambda run: run.identity.features.eps or 0.0))


RunSource: TypeAlias = Results | Curve | str | Path
"""Where finished runs are: results in memory, or the folder of a run or of a curve."""


def take_runs(source: RunSource) -> tuple[FinishedRun, ...]:
    """The run of a source, or those of a curve, by ascending radius.

    Raises:
        InputError: a folder holds no run, or one that has not ended.
        DamagedFolderError: a file is damaged.
    """
    if isinstance(source, Results):
        return (FinishedRun.of(source),)
    if isinstance(source, Curve):
        runs = [FinishedRun.of(results) for results in source]
        return tuple(sorted(runs, key=lambda run: run.identity.features.eps or 0.0))
    return read_runs(source)


def take_baseline(source: RunSource) -> tuple[FinishedRun, ...]:
    """The same, with the name of the folder itself: those of a curve are named by their radii."""
    runs = take_runs(source)
    if not isinstance(source, str | Path):
        return runs
    return tuple(replace(run, name=Path(source).resolve().name) for run in runs)


def _read_input_type(path: Path) -> tuple[Shape, np.dtype[np.floating[Any]]]:
    """Shape of one input, and the type of the model."""
    with (
        explain_read_errors(path, AGAIN),
        ZipFile(path) as archive,
        archive.open("inputs.npy") as member,
    ):
        header = read_header(member)
    if header.dtype == np.float64:
        return header.shape[1:], np.dtype(np.float64)
    return header.shape[1:], np.dtype(np.float32)
