"""The imported network against ONNX Runtime, on random points, before anything else is done."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from onnx_lippa.arrays import FLOAT32, AnyArray, Float64, Floats
from onnx_lippa.errors import ModelError, ModelMismatchError
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.output_activation import OutputActivation
from onnx_lippa.onnx_io.reader import Interface
from onnx_lippa.onnx_io.runtime import Runtime
from onnx_lippa.spec import InputSpecification

_POINTS = 8
_SEED = 0
_KEPT = 1 << 25
"""Most elements of all steps' values at all points that are held at once: 256 MB of them."""
_ROUNDINGS = 64.0
"""How many times our own float32 rounding error the runtime's may be."""
_RELATIVE = 2e-6
"""Least tolerance, relative to the largest value of a tensor: 16 units in the last place."""


def check_agreement(
    network: Network,
    runtime: Runtime,
    proto: onnx.ModelProto,
    interface: Interface,
    domain: InputSpecification,
) -> None:
    """Compares network and runtime on points drawn from the domain, corners included.

    The tolerance is what rounding explains: our own float32 evaluation is held against our
    float64 one, and the runtime may be :data:`_ROUNDINGS` times as far off.

    Raises:
        ModelMismatchError: they differ beyond rounding; names the first step that does.
        ModelError: the model cannot be run there, or gives NaN or infinite outputs.
    """
    lower, upper = domain.box(network.input_size)
    points = _points(lower, upper).astype(interface.dtype)
    theirs = runtime.outputs(points)
    with np.errstate(over="ignore", invalid="ignore"):
        exact = _with_output_activation(network, _values(network, points.astype(np.float64)))
        rounded = exact  # the runtime may compute in float64 as we do
        if interface.dtype == FLOAT32:
            rounded = _with_output_activation(network, _values(network, points))
    if theirs.shape != exact[-1].reshape(len(points), -1).shape:
        raise ModelMismatchError(
            f"the model gives {theirs.shape[1]} outputs a sample in ONNX Runtime, but "
            f"{exact[-1][0].size} as imported: this is a fault of onnx-lippa, please report it"
        )
    if not np.all(np.isfinite(theirs)):
        raise ModelError(
            "the model gives NaN or infinite outputs on inputs in "
            f"[{lower.min():g}, {upper.max():g}]: check the training, or state the domain of its "
            "inputs"
        )
    agreed = _beyond_rounding(theirs, exact[-1], rounded[-1]) is None
    if agreed and network.output_activation is OutputActivation.IDENTITY:
        return
    places = [place for place, step in enumerate(network.steps) if step.tensor]
    # Saturated probabilities hide the scores behind them, so these are compared as well.
    places = places[-1:] if agreed else places
    places = [place for place in places if exact[place + 1].size]
    found = _first_difference(network, places, proto, interface, points, exact, rounded)
    if found is None and not agreed:
        found = f"the final {network.output_activation.value} differs from ONNX Runtime"
    if not agreed and interface.batch_is_free:
        alone = np.concatenate([runtime.outputs(point[None]) for point in points])
        if _beyond_rounding(alone, exact[-1], rounded[-1]) is None:
            raise ModelError(
                f"the model gives other outputs for {len(points)} inputs at once than for each "
                "alone: its outputs depend on the size of the batch, so export it with batch size 1"
            )
    if found is not None:
        raise ModelMismatchError(
            f"{found}: this is a fault of onnx-lippa, please report it with the model"
        )


def _values(network: Network, points: Floats) -> list[AnyArray]:
    """The values of all steps; of large networks only the last and the last named one are kept.

    The others are empty, and the points are taken one by one.
    """
    if network.elements * len(points) <= _KEPT:
        return network.values(points)
    named = [place + 1 for place, step in enumerate(network.steps) if step.tensor]
    kept = {*named[-1:], len(network.steps)}
    rows = [
        {place: value for place, value in enumerate(network.values(point[None])) if place in kept}
        for point in points
    ]
    nothing = np.empty(0)
    return [
        np.concatenate([row[place] for row in rows]) if place in kept else nothing
        for place in range(len(network.steps) + 1)
    ]


def _points(lower: Float64, upper: Float64) -> Float64:
    generator = np.random.default_rng(_SEED)
    low = np.where(np.isfinite(lower), lower, np.minimum(-1.0, upper - 2.0))
    high = np.where(np.isfinite(upper), upper, np.maximum(1.0, lower + 2.0))
    uniform = generator.uniform(low, high, (_POINTS, low.size))
    high_ones = generator.choice([False, True], (_POINTS // 2, low.size))
    return np.concatenate([uniform, np.where(high_ones, high, low)])


def _with_output_activation(network: Network, values: list[AnyArray]) -> list[AnyArray]:
    if network.output_activation is not OutputActivation.IDENTITY:
        logits = values[-1].reshape(len(values[-1]), -1).astype(np.float64)
        values = [*values, network.output_activation.apply(logits)]
    return values


def _beyond_rounding(theirs: AnyArray, exact: AnyArray, rounded: AnyArray) -> float | None:
    """The largest difference where it is more than rounding explains, else None."""
    if exact.size != theirs.size:
        return np.inf
    exact = exact.reshape(theirs.shape)
    rounding = float(np.max(np.abs(rounded.reshape(theirs.shape) - exact), initial=0.0))
    scale = float(np.max(np.abs(exact), initial=0.0))
    difference = float(np.max(np.abs(theirs - exact), initial=0.0))
    if np.isfinite(difference) and difference <= _ROUNDINGS * rounding + _RELATIVE * scale:
        return None
    return difference


def _first_difference(
    network: Network,
    places: Sequence[int],
    proto: onnx.ModelProto,
    interface: Interface,
    points: Floats,
    exact: list[AnyArray],
    rounded: list[AnyArray],
) -> str | None:
    """Runs the model with the tensors of the steps at these places as its outputs.

    Returns:
        Where it parts from ours, None where it does not.
    """
    steps = [network.steps[place] for place in places]
    if not steps:
        return None
    opened = onnx.ModelProto()
    opened.CopyFrom(proto)
    del opened.graph.output[:]
    opened.graph.output.extend(onnx.ValueInfoProto(name=step.tensor) for step in steps)
    whole = Runtime(opened.SerializeToString(), interface)
    names = [step.tensor for step in steps]
    batches = points[None] if interface.batch_is_free else points[:, None]
    runs = [
        [tensor.reshape(len(batch), -1) for tensor in whole.tensors(batch, names)]
        for batch in batches
    ]
    for result, (place, step) in enumerate(zip(places, steps, strict=True)):
        theirs = np.concatenate([run[result] for run in runs])
        difference = _beyond_rounding(theirs, exact[place + 1], rounded[place + 1])
        if difference is not None:
            return (
                f"step {place + 1}, {step.op} '{step.name}', differs from ONNX Runtime by "
                f"{difference:.3g}"
            )
    return None
