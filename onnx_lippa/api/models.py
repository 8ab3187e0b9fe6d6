"""``onnx_lippa.regions`` and ``gradient``: a model's units near some inputs, and its gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy.typing as npt
from threadpoolctl import threadpool_limits

from onnx_lippa.api.options import Fixed, ModelOrPath, NormName
from onnx_lippa.bounds.pre_activations import BoundsMethod
from onnx_lippa.bounds.stability import Stability, measure_stability
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model, load, write_gradient
from onnx_lippa.runs.inputs import take_arrays
from onnx_lippa.spec import InputSpecification, Norm, get_norm


def regions(
    model: ModelOrPath,
    x: npt.ArrayLike,
    *,
    eps: npt.ArrayLike,
    norm: NormName | float | Norm = "linf",
    bounds: Literal["linear", "interval"] = "linear",
    samples: int = 1000,
    lower: npt.ArrayLike = 0.0,
    upper: npt.ArrayLike = 1.0,
    fixed: Fixed = None,
    seed: int = 0,
) -> tuple[Stability, ...]:
    """Counts stable units and linear regions around each input.

    Bounds prove units stable; random points of the ball find unstable ones, and regions.

    Args:
        model: a model from :func:`load`, or the path of one.
        x: inputs, as in :func:`attack`.
        eps: radius of the ball.
        norm: norm of the ball, as in :func:`attack`.
        bounds: how units are proven stable: ``"linear"`` or ``"interval"``.
        samples: random points of each ball.
        lower: lower bound of the domain.
        upper: upper bound of the domain.
        fixed: features that keep their clean values, as in :func:`attack`.
        seed: random seed.

    Raises:
        InputError: an argument that cannot be used, with the reason.
        ModelError: a model that cannot be used (where a path is given).
    """
    for name, value in (("samples", samples), ("seed", seed)):
        if value < 0:
            raise InputError(f"{name} is {value}: give at least 0")
    method, wanted = bounds_named(bounds), get_norm(norm)
    model = model if isinstance(model, Model) else load(model, lower=lower, upper=upper)
    size = model.network.input_size
    features = InputSpecification.build(size, lower=lower, upper=upper, eps=eps, fixed=fixed)
    inputs = take_arrays(model, x, None, features)
    sets = [features.input_set(row, wanted) for row in inputs.inputs[:]]
    with threadpool_limits(limits=1):  # BLAS rounds alike on any number of cores
        return tuple(
            measure_stability(model.network, sets, inputs.indices.tolist(), method, samples, seed)
        )


def gradient(model: ModelOrPath, out: str | Path | None = None) -> Path:
    """Writes the gradient as an ONNX graph: inputs x and v, outputs logits and J(x)ᵀ v.

    Args:
        model: a model from :func:`load`, or the path of one.
        out: the file to write; None is ``MODEL.grad.onnx`` beside the model.

    Returns:
        The file that was written.

    Raises:
        InputError: the file is the model itself, or cannot be written.
        ModelError: a model that cannot be used (where a path is given).
    """
    model = model if isinstance(model, Model) else load(model)
    path = model.file.path
    target = path.with_suffix(".grad.onnx") if out is None else Path(out)
    if target.exists() and target.samefile(path):
        raise InputError(f"{target} is the model itself: give another --out")
    write_gradient(model.network, target)
    return target


def bounds_named(name: str) -> BoundsMethod:
    """The bounds of this name.

    Raises:
        InputError: there are none.
    """
    try:
        return BoundsMethod(name)
    except ValueError as error:
        names = ", ".join(method.value for method in BoundsMethod)
        raise InputError(f"there are no bounds {name!r}: choose one of {names}") from error
