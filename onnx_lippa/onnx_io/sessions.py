"""The sessions of a model: itself, as its file has it, and its compiled gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from onnx_lippa.arrays import FLOAT32, Floats, size
from onnx_lippa.errors import ModelError
from onnx_lippa.ir.network import Network
from onnx_lippa.onnx_io.gradient_graph import gradient_model, value_model
from onnx_lippa.onnx_io.needed import needed_part
from onnx_lippa.onnx_io.reader import Batch, Interface, ModelFile, read_model
from onnx_lippa.onnx_io.runtime import GradientRuntime, Runtime, ValueRuntime

_MOST_BYTES: Final = 2**31 - 1
"""What a protobuf message can hold."""
_TRIED: Final = 7
"""Samples in the batch that is tried: a number that is seldom the extent of another axis."""
_GROSS: Final = 0.1
"""Relative difference that no rounding makes, not even of a quantised model."""
_FEW: Final = 3
"""Samples that are tried of other ranges than the usual one."""
_RANGES: Final = (
    (0.0, 1.0), (-30.0, 30.0), (-1.0, 1.0), (-1.0, 0.0), (0.0, 30.0), (-1e3, 1e3), (0.0, 1e3),
    (-1e3, 0.0),
)  # fmt: skip
"""Where the samples are drawn that are tried; the first are the usual inputs."""
_SMALL: Final = 1 << 21
"""Multiplications of a sample up to which a model is tried in all ranges."""
_MOST_WORK: Final = 1 << 26
"""Multiplications of the largest batch that is tried: some milliseconds."""
_MOST_ROWS: Final = 512
"""Samples given to ONNX Runtime in one call; more only costs memory."""
_ROWS_BYTES: Final = 1 << 31
"""Bytes that the tensors of these may take."""
Compiled = TypeVar("Compiled", GradientRuntime, ValueRuntime)

_ROUNDING: Final = 1e-3
"""Relative difference of a sample's outputs, alone and in a batch, that is no mixing of samples."""


def open_runtime(file: ModelFile, interface: Interface, threads: int = 1) -> Runtime:
    """The model itself, from the bytes that were read and checked, not from its path.

    What the output does not depend on is left out, since ONNX Runtime would look at it as well.
    A model that is too large for one message is opened by its path, and its file is read again
    behind that: it must still be what was checked.

    Raises:
        ModelError: ONNX Runtime does not accept the model, or its file was replaced.
    """
    opened = needed_part(file.proto, interface.output_name)
    if opened.ByteSize() <= _MOST_BYTES:
        return Runtime(opened.SerializeToString(), interface, threads)
    if opened is not file.proto:
        raise ModelError(
            f"{file.path} has more than 2 GB of weights and parts that '{interface.output_name}' "
            "does not depend on: export the model without these"
        )
    runtime = Runtime(file.path, interface, threads)
    require_same(file.path, read_model(file.path).sha256, file.sha256)
    return runtime


def require_same(path: Path, found: str, expected: str) -> None:
    """Raises ModelError where a model's file is not the one that was checked.

    Args:
        path: the file.
        found: SHA-256 of what it holds now.
        expected: that of what was checked.
    """
    if found != expected:
        raise ModelError(
            f"{path} was replaced while the run was going on (its SHA-256 differs): put the file "
            "back that the run began with and run the same command again"
        )


def rows_at_once(network: Network) -> int:
    """Samples that one call of ONNX Runtime is given: fewer where each takes much memory."""
    return max(1, min(_MOST_ROWS, _ROWS_BYTES // (4 * max(1, network.elements))))


def settled_batch(file: ModelFile, interface: Interface, work: int) -> Interface:
    """The interface with the batch that the graph really takes.

    The one place that decides. Some graphs declare a free batch axis and then reshape to a batch
    of one, some mix the samples of a batch, some only of large values: so samples of several
    ranges are tried, together and alone, and some in a batch as large as those of a run. Large
    models are tried on fewer. A model that ONNX Runtime does not accept at all
    stays as it is declared, so that the import can say what is wrong with it.

    Args:
        file: the model.
        interface: the interface as it is declared.
        work: about the multiplications that one sample takes.

    Raises:
        ModelError: the outputs are others in large batches than in small ones.
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
            expected = apart.outputs(samples)
        except ModelError:
            if place == 0:
                return interface
            continue  # beyond what the model takes
        if not _difference(together, samples, expected) <= _ROUNDING:
            return alone
    if is_small:
        count = min(interface.rows, max(_TRIED, _MOST_WORK // max(1, work)))
        again = np.arange(count) % _TRIED
        # The first ones once more: they are known to be taken.
        samples = np.random.default_rng(0).uniform(size=(_TRIED, size(interface.sample_shape)))
        expected = apart.outputs(samples)
        if not _fits_large_batches(together, samples[again], expected[again]):
            return alone
    return interface


def _fits_large_batches(runtime: Runtime, samples: Floats, expected: Floats) -> bool:
    """Whether as many samples as a run gives at once have the outputs that they have alone.

    Raises:
        ModelError: their outputs are quite others.
    """
    difference = _difference(runtime, samples, expected)
    if _GROSS < difference < np.inf:
        raise ModelError(
            f"the model gives other outputs for {len(samples)} inputs at once than for each alone: "
            "its outputs depend on the size of the batch, so export it with batch size 1"
        )
    return difference <= _ROUNDING


def _difference(runtime: Runtime, samples: Floats, expected: Floats) -> float:
    """How far the outputs of a batch are off those of its samples alone, relative to the largest.

    Infinite where there are none, or where others are infinite or no numbers.
    """
    try:
        found = runtime.outputs(samples)
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


def gradient_runtime(
    network: Network, dtype: np.dtype[np.floating], threads: int
) -> GradientRuntime:
    """The compiled gradient in the model's own type, or in float32 where kernels are missing."""
    return _first_that_opens(
        dtype,
        lambda kind: GradientRuntime(
            gradient_model(network, kind).SerializeToString(),
            network.input_shape,
            kind,
            threads,
            rows_at_once(network),
        ),
    )


def value_runtime(network: Network, dtype: np.dtype[np.floating], threads: int) -> ValueRuntime:
    """The compiled network without its gradient, likewise."""
    return _first_that_opens(
        dtype,
        lambda kind: ValueRuntime(
            value_model(network, kind).SerializeToString(),
            network.input_shape,
            kind,
            threads,
            rows_at_once(network),
        ),
    )


def _first_that_opens(
    dtype: np.dtype[np.floating], opened: Callable[[np.dtype[np.floating]], Compiled]
) -> Compiled:
    try:
        return opened(dtype)
    except ModelError:
        if dtype == FLOAT32:
            raise
        return opened(FLOAT32)
