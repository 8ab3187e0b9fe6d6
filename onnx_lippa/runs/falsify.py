"""A property put to a model: a search for an input that meets it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from onnx_lippa.attacks import Settings
from onnx_lippa.errors import InputError
from onnx_lippa.ir.readout import Readout
from onnx_lippa.onnx_io import LoadLimits, Model, load
from onnx_lippa.runs.finding import Answer, Finding
from onnx_lippa.runs.search import Search
from onnx_lippa.spec import Features, Property

_FAR: Final = 1e12
"""Bounds further away are taken for none at all when the import is checked."""


def falsify(model: Model, asked: Property, settings: Settings) -> Finding:
    """Looks for an input that meets a property.

    Args:
        model: the model.
        asked: the property.
        settings: budgets; the time limit is that of the whole search.

    Raises:
        InputError: the property does not fit the model.
    """
    started = time.monotonic()
    check_fits(model, asked)
    if not asked.cases:
        return Finding(Answer.UNSAT, bound=np.inf, contradiction=asked.contradiction)
    with threadpool_limits(limits=1):  # threads are the runtime's, and BLAS rounds alike
        return Search(model, asked, settings, started).run()


def load_for(
    asked: Property,
    path: str | Path,
    *,
    output: str | None = None,
    threads: int = 1,
    limits: LoadLimits | None = None,
) -> Model:
    """Loads a model for a property, and checks the import on inputs the property is about.

    Args:
        asked: the property.
        path: the ONNX file.
        output: as in :func:`onnx_lippa.load`.
        threads: likewise.
        limits: likewise.

    Raises:
        InputError: the property does not fit the model.
        ModelError: as :func:`onnx_lippa.load` raises it.
    """
    model = load(path, output=output, threads=threads, check=False, limits=limits)
    check_fits(model, asked)
    if not asked.cases:
        model.check(Features.given(asked.inputs, lower=-np.inf, upper=np.inf))
        return model
    lower = np.min([case.lower for case in asked.cases], axis=0)
    upper = np.max([case.upper for case in asked.cases], axis=0)
    lower, upper = np.where(lower < -_FAR, -np.inf, lower), np.where(upper > _FAR, np.inf, upper)
    above = np.nextafter(lower, np.inf)  # a domain needs some width
    model.check(Features.given(lower.size, lower=lower, upper=np.maximum(upper, above)))
    return model


def check_fits(model: Model, asked: Property) -> None:
    """Raises InputError where a property is about other inputs or outputs than a model's."""
    network = model.network
    for kind, stated, real in (
        ("input", asked.inputs, network.input_size),
        ("output", asked.outputs, network.output_size),
    ):
        if stated != real:
            raise InputError(
                f"{asked.source} is about {stated} {kind}s, but {model.file.path.name} has {real}: "
                "give the property that belongs to this model"
            )
    if network.readout is not Readout.LOGITS and not _compares_outputs(asked):
        raise InputError(
            f"{asked.source} compares outputs with numbers, but {model.file.path.name} ends in a "
            f"{network.readout.value}, behind which only the order of the outputs is piecewise "
            "linear: state the property for the model without its last step"
        )


def _compares_outputs(asked: Property) -> bool:
    """Whether every row compares two outputs, ``y_i <= y_j``, or is about inputs alone."""
    for case in asked.cases:
        for conjunction in case.unsafe.disjuncts:
            y, x = np.split(conjunction.matrix, [asked.outputs], axis=1)
            two = (np.count_nonzero(y, axis=1) == 2) & (y.sum(axis=1) == 0)
            compared = two & (conjunction.bound == 0) & ~x.any(axis=1)
            if not np.all(compared | ~y.any(axis=1)):
                return False
    return True
