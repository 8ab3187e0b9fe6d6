"""What running a model shows: how it takes batches, and that the import agrees with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import onnx

from onnx_lippa.arrays import FLOAT32, AnyArray, Float64, Floats, size
from onnx_lippa.errors import ModelError, ModelMismatchError
from onnx_lippa.ir.network import Network, OutputActivation
from onnx_lippa.onnx_io.interface import Batch, Interface
from onnx_lippa.onnx_io.reader import ModelFile
from onnx_lippa.onnx_io.runtime import Runtime, open_runtime
from onnx_lippa.spec import InputSpecification

_DEPENDS_ON_BATCH: Final = (
    "the model gives other outputs for {} inputs at once than for each alone: its outputs depend "
    "on the size of the batch, so export it with batch size 1"
)
_TRIED: Final = 7
"""Samples of the first batch: a number that is seldom the extent of another axis."""
_GROSS: Final = 0.1
"""Relative difference larger than any rounding, even of a quantised model."""
_FEW: Final = 3
"""Samples of each further range."""
_RANGES: Final = (
    (0.0, 1.0), (-30.0, 30.0), (-1.0, 1.0), (-1.0, 0.0), (0.0, 30.0), (-1e3, 1e3), (0.0, 1e3),
    (-1e3, 0.0),
)  # fmt: skip
"""Ranges of the samples, the usual inputs first."""
_SMALL: Final = 1 << 21
"""Most multiplications of a sample for which all ranges are tried."""
_MOST_WORK: Final = 1 << 26
"""Most multiplications of the largest batch: some milliseconds."""
_BATCH_ROUNDING: Final = 1e-3
"""Most relative difference of a sample's outputs, alone and in a batch, by rounding."""
_POINTS = 8
_SEED = 0
_KEPT = 1 << 25
"""Most elements of all values at all points in memory at once: 256 MB."""
_ROUNDINGS = 64.0
"""Most ratio of the runtime's error to the rounding error of our own float32 evaluation."""
_RELATIVE = 2e-6
"""Least tolerance, relative to the largest value of a tensor: 16 units in the last place."""


def determine_batch(file: ModelFile, interface: Interface, work: int) -> Interface:
    """The interface with the batch that the graph takes, whatever it declares.

    Some graphs declare a free batch axis and reshape to a batch of one; some mix the samples of a
    batch, some of them for large values only. So samples of several ranges are evaluated together
    and alone, and some in a batch as large as those of a run; large models on fewer. A model that
    ONNX Runtime does not accept keeps the declared batch, so that the import reports the fault.

    Args:
        file: the model.
        interface: the declared interface.
        work: estimated multiplications of one sample.

    Raises:
        ModelError: the outputs in large batches differ from those in small ones.
    """
    if interface.batch is not Batch.FREE:
        return interface
    alone = replace(interface, batch=Batch.ONE)
    try:
        together = open_runtime(file, interface)
    except ModelError:
        return interface
    apart = together.with_interface(alone)
    generator = np.random.default_rng(0)
    is_small = work <= _SMALL
    for place, (low, high) in enumerate(_RANGES if is_small else _RANGES[:2]):
        rows = _TRIED if place == 0 else _FEW
        samples = generator.uniform(low, high, (rows, size(interface.sample_shape)))
        try:
            expected = apart.forward(samples)
        except ModelError:
            if place == 0:
                return interface
            continue  # outside the model's range
        if not _difference(together, samples, expected) <= _BATCH_ROUNDING:
            return alone
        if is_small and place == 0:
            count = min(interface.rows, max(_TRIED, _MOST_WORK // max(1, work)))
            again = np.arange(count) % _TRIED
            large = samples[again], expected[again]
    return interface if not is_small or _fits_large_batches(together, *large) else alone


def _fits_large_batches(runtime: Runtime, samples: Floats, expected: Floats) -> bool:
    """Whether the outputs of a batch as large as those of a run equal those of its samples alone.

    Raises:
        ModelError: they differ grossly.
    """
    difference = _difference(runtime, samples, expected)
    if _GROSS < difference < np.inf:
        raise ModelError(_DEPENDS_ON_BATCH.format(len(samples)))
    return difference <= _BATCH_ROUNDING


def _difference(runtime: Runtime, samples: Floats, expected: Floats) -> float:
    """The error of a batch's outputs against those of its samples alone, relative to the largest.

    Infinite where the batch fails, or where other entries are infinite or NaN.
    """
    try:
        found = runtime.forward(samples)
    except ModelError:
        return np.inf
    finite = np.isfinite(expected)
    if found.shape != expected.shape or not np.array_equal(
        found[~finite], expected[~finite], equal_nan=True
    ):
        return np.inf
    with np.errstate(all="ignore"):
        off = np.abs(found - expected).max(initial=0.0, where=finite)
        scale = np.abs(expected).max(initial=0.0, where=finite)
        return float(off / scale) if off else 0.0


def check_agreement(
    network: Network,
    runtime: Runtime,
    proto: onnx.ModelProto,
    interface: Interface,
    domain: InputSpecification,
) -> None:
    """Compares network and runtime on points drawn from the domain, corners included.

    The tolerance is the rounding error of our own float32 evaluation against our float64 one,
    times :data:`_ROUNDINGS`.

    Raises:
        ModelMismatchError: they differ beyond rounding; names the first step that does.
        ModelError: the model cannot be run there, or gives NaN or infinite outputs.
    """
    lower, upper = domain.box(network.input_size)
    points = _points(lower, upper).astype(interface.dtype)
    theirs = runtime.forward(points)
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
    # Saturated probabilities hide differences of the scores, so these are compared as well.
    places = places[-1:] if agreed else places
    places = [place for place in places if exact[place + 1].size]
    found = _first_difference(network, places, proto, interface, points, exact, rounded)
    if found is None and not agreed:
        found = f"the final {network.output_activation.value} differs from ONNX Runtime"
    if not agreed and interface.batch_is_free:
        alone = np.concatenate([runtime.forward(point[None]) for point in points])
        if _beyond_rounding(alone, exact[-1], rounded[-1]) is None:
            raise ModelError(_DEPENDS_ON_BATCH.format(len(points)))
    if found is not None:
        raise ModelMismatchError(
            f"{found}: this is a fault of onnx-lippa, please report it with the model"
        )


def _values(network: Network, points: Floats) -> list[AnyArray]:
    """The values of all steps; of large networks only the last and the last named one.

    The others are empty, and points are evaluated one by one.
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
    """The first of these steps whose tensor differs from ONNX Runtime's, as a message; or None."""
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
