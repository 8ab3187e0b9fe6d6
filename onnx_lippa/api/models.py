"""``onnx_lippa.regions`` and ``gradient``: a model's units near some inputs, and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from threadpoolctl import threadpool_limits

from onnx_lippa.api.options import Fixed, Inputs, ModelOrPath, NormName, OneHot, load_with
from onnx_lippa.bounds.pre_activations import BoundsMethod
from onnx_lippa.bounds.stability import Stability, measure_stability
from onnx_lippa.data.options import DEFAULT_OPTIONS, DataOptions
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Preprocess, write_gradient
from onnx_lippa.runs.inputs import open_arrays
from onnx_lippa.spec import InputSpecification, Norm, get_norm
from onnx_lippa.spec.feature_names import Amounts


def regions(
    model: ModelOrPath,
    x: Inputs,
    *,
    eps: Amounts,
    norm: NormName | float | Norm = "linf",
    bounds: Literal["linear", "interval"] = "linear",
    samples: int = 1000,
    lower: Amounts = 0.0,
    upper: Amounts = 1.0,
    fixed: Fixed = None,
    only_up: Fixed = None,
    only_down: Fixed = None,
    one_hot: OneHot = None,
    relations: Sequence[str] | None = None,
    data_options: DataOptions = DEFAULT_OPTIONS,
    preprocess: Preprocess | str | None = None,
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
        only_up: features that may only rise, as in :func:`attack`.
        only_down: features that may only fall.
        one_hot: groups of one-hot features, as in :func:`attack`.
        relations: linear equations that inputs keep, as in :func:`attack`.
        data_options: how data is read, as in :func:`attack`.
        preprocess: what becomes of an input before the model takes it, as in :func:`load`.
        seed: random seed.

    Raises:
        InputError: an argument that cannot be used, with the reason.
        ModelError: a model that cannot be used (where a path is given).
    """
    for name, value in (("samples", samples), ("seed", seed)):
        if value < 0:
            raise InputError(f"{name} is {value}: give at least 0")
    method, wanted = bounds_named(bounds), get_norm(norm)
    model = load_with(model, preprocess, lower, upper)
    opened = open_arrays(model, x, None, data_options)
    built = InputSpecification.build(
        model.network.input_size, lower=lower, upper=upper, eps=eps, fixed=fixed, only_up=only_up,
        only_down=only_down, one_hot=one_hot, relations=relations, names=opened.features,
    )  # fmt: skip
    features = opened.hold_categorical(built)
    inputs = opened.check(features)
    sets = [features.input_set(row, wanted) for row in inputs.inputs[:]]
    with threadpool_limits(limits=1):  # BLAS rounds alike on any number of cores
        return tuple(
            measure_stability(model.network, sets, inputs.indices.tolist(), method, samples, seed)
        )


def gradient(
    model: ModelOrPath,
    out: str | Path | None = None,
    *,
    preprocess: Preprocess | str | None = None,
) -> Path:
    """Writes the gradient as an ONNX graph: inputs x and v, outputs logits and J(x)ᵀ v.

    Args:
        model: a model from :func:`load`, or the path of one.
        out: the file to write; None is ``MODEL.grad.onnx`` beside the model.
        preprocess: what becomes of an input before the model takes it, as in :func:`load`; the
            graph holds it.

    Returns:
        The file that was written.

    Raises:
        InputError: the file is the model itself, or cannot be written.
        ModelError: a model that cannot be used (where a path is given).
    """
    model = load_with(model, preprocess, 0.0, 1.0)
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
