"""Adversarial examples that other libraries found, replayed by the rules of this one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from onnx_lippa.api.options import (
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
from onnx_lippa.data import DataOptions
from onnx_lippa.data.convert import as_rows, to_floats
from onnx_lippa.data.files import Stored
from onnx_lippa.data.options import DEFAULT_OPTIONS
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Preprocess
from onnx_lippa.runs.inputs import open_arrays
from onnx_lippa.spec import Norm
from onnx_lippa.spec.feature_names import Amounts
from onnx_lippa.witness import Witness, check_candidate


def check_adversarials(
    model: ModelOrPath,
    x: Inputs,
    y: npt.ArrayLike | None,
    adversarials: npt.ArrayLike,
    *,
    eps: Radius | None = None,
    scale: Amounts | None = None,
    norm: NormName | float | Norm = "linf",
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
) -> tuple[Witness | None, ...]:
    """Replays arrays that another attack made, as this package replays its own.

    Each is first moved to the nearest allowed point where it is none: attacks that round to float32
    often leave the ball by its last digit. ONNX Runtime decides then, alone and in a batch, with no
    tolerance.

    Args:
        model: a model from :func:`onnx_lippa.load`, or the path of one.
        x: clean inputs, as in :func:`onnx_lippa.attack`.
        y: labels, as in :func:`onnx_lippa.attack`.
        adversarials: one array for each input, in the same form as the inputs.
        eps: radius of the ball; None for any distance.
        scale: scale of each feature, as in :func:`onnx_lippa.attack`.
        norm: norm of the ball.
        targets: classes that count as adversarial.
        lower: lower bound of the domain.
        upper: upper bound of the domain.
        fixed: features that keep their clean values.
        only_up: features that may only rise.
        only_down: features that may only fall.
        one_hot: groups of features of which one is 1, as in :func:`onnx_lippa.attack`.
        relations: equations that inputs keep.
        grid: step between the values of a feature.
        data_options: how data is read, as in :func:`onnx_lippa.attack`.
        preprocess: what becomes of an input before the model takes it.

    Returns:
        For each input the witness that its array is, or None. A clean input that is misclassified
        is a witness of itself where its array is equal to it.

    Raises:
        InputError: an argument that cannot be used, with the reason.
        ModelError: a model that cannot be used (where a path is given).
    """
    options = RunOptions(
        scale=scale, norm=norm, targets=targets, lower=lower, upper=upper, fixed=fixed,
        only_up=only_up, only_down=only_down, one_hot=one_hot, relations=relations, grid=grid,
        preprocess=preprocess,
    )  # fmt: skip
    model = open_model(model, options)
    opened = open_arrays(model, x, y, data_options)
    specification = specify(model, eps, options, eps is None, opened)
    inputs = opened.check(specification.features)
    shape, dtype = model.network.input_shape, model.interface.dtype
    stored = Stored(np.asarray(adversarials), "adversarials")
    candidates = to_floats(as_rows(stored, shape), stored.where, dtype)
    if len(candidates) != len(inputs.indices):
        raise InputError(
            f"there are {len(inputs.indices)} inputs and {len(candidates)} adversarial examples: "
            "give one for each input"
        )
    return tuple(
        check_candidate(model.runtime, np.asarray(row), problem.inputs, problem.unsafe)
        for row, problem in zip(candidates, inputs.problems(specification), strict=True)
    )
