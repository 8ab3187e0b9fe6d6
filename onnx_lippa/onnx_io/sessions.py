"""The sessions of a model: itself, as its file has it, and its compiled gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from onnx_lippa.arrays import FLOAT32, size
from onnx_lippa.errors import ModelError
from onnx_lippa.network import Network
from onnx_lippa.onnx_io.gradient_graph import gradient_model, value_model
from onnx_lippa.onnx_io.needed import needed_part
from onnx_lippa.onnx_io.reader import Batch, Interface, ModelFile, read_model
from onnx_lippa.onnx_io.runtime import GradientRuntime, Runtime, ValueRuntime

_MOST_BYTES: Final = 2**31 - 1
"""What a protobuf message can hold."""
_TRIED: Final = 7
"""Samples in the batch that is tried: a number that is seldom the extent of another axis."""
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


def settled_batch(file: ModelFile, interface: Interface) -> Interface:
    """The interface with the batch that the graph really takes.

    The one place that decides. Some graphs declare a free batch axis and then reshape to a batch
    of one, some mix the samples of a batch: so a few samples are tried, together and alone. A
    model that ONNX Runtime does not accept at all stays as it is declared, so that the import can
    say what is wrong with it.
    """
    if interface.batch is not Batch.FREE:
        return interface
    alone = replace(interface, batch=Batch.ONE)
    samples = np.random.default_rng(0).uniform(size=(_TRIED, size(interface.sample_shape)))
    try:
        runtime = open_runtime(file, interface)
        apart = runtime.with_interface(alone).outputs(samples)
    except ModelError:
        return interface
    try:
        together = runtime.outputs(samples)
    except ModelError:
        return alone
    if together.shape != apart.shape:
        return alone
    scale = float(np.abs(apart).max(initial=0.0, where=np.isfinite(apart)))
    same = np.allclose(together, apart, rtol=0.0, atol=_ROUNDING * scale, equal_nan=True)
    return interface if same else alone


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
