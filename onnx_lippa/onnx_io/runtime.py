"""ONNX Runtime sessions: of a model as its file has it, and of its compiled network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Final, Self, final

import numpy as np
import onnx
import onnxruntime as ort
from typing_extensions import override

from onnx_lippa.arrays import FLOAT32, AnyArray, Floats, InputRows, Shape
from onnx_lippa.clock import NEVER, require_time
from onnx_lippa.errors import ModelError, Unsupported
from onnx_lippa.ir.network import Network
from onnx_lippa.onnx_io.compiler import gradient_model, value_model
from onnx_lippa.onnx_io.graph import needed_part
from onnx_lippa.onnx_io.interface import Interface
from onnx_lippa.onnx_io.reader import ModelFile, read_model
from onnx_lippa.text import first_line

_ERROR_LEVEL: Final = 3
_ADVICE: Final = "export it with a batch axis that is free throughout, or fixed at 1"
_MOST_BYTES: Final = 2**31 - 1
"""Most bytes of a protobuf message."""
_MOST_ROWS: Final = 512
"""Most samples of one call of ONNX Runtime; more only costs memory."""
_ROWS_BYTES: Final = 1 << 31
"""Most bytes of the tensors of one call."""


def session(model: bytes | Path, threads: int) -> ort.InferenceSession:
    """A session on the CPU, whose results are the same bits on every build of ONNX Runtime.

    Raises:
        ModelError: ONNX Runtime does not accept the model.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERROR_LEVEL + 1
    source = str(model) if isinstance(model, Path) else model
    try:
        opened = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions share no base class
        raise ModelError(
            f"ONNX Runtime does not accept the model ({first_line(error)}): export it again"
        ) from error
    # A session keeps the model's bytes to reopen itself on another provider; they are dropped.
    opened.disable_fallback()
    opened._model_bytes = None
    return opened


def run_once(model: bytes, inputs: Mapping[str, AnyArray]) -> list[AnyArray]:
    """All outputs of a model for its inputs, in a separate session.

    Raises:
        Unsupported: the runtime cannot evaluate it.
    """
    try:
        return list(session(model, 1).run(None, dict(inputs)))
    except Exception as error:  # see session
        raise Unsupported(f"ONNX Runtime cannot evaluate it: {first_line(error)}") from error


@final
class Runtime:
    """The model itself in ONNX Runtime, on which every witness is checked.

    Args:
        model: bytes or path of the model.
        interface: its input and output.
        threads: threads ONNX Runtime may use.
    """

    def __init__(self, model: bytes | Path, interface: Interface, threads: int = 1) -> None:
        self._session = session(model, threads)
        self._interface = interface

    def with_interface(self, interface: Interface) -> Runtime:
        """The same session with another batch."""
        other = copy(self)
        other._interface = interface
        return other

    def forward(self, x: InputRows) -> Floats:
        """The model's outputs (n, k) for inputs (n, d), in batches where the model allows it."""
        step = self._interface.rows if self._interface.batch_is_free else 1
        return np.concatenate([self._run(x[i : i + step]) for i in range(0, len(x), step)])

    def forward_alone(self, x: Floats) -> Floats:
        """The outputs (n, k), each input in a separate batch."""
        return np.concatenate([self._run(row[None]) for row in x])

    def tensors(self, x: Floats, names: Sequence[str]) -> list[AnyArray]:
        """Tensors of the graph for one batch of inputs (n, d), in the graph's own shapes.

        Raises:
            ModelError: ONNX Runtime fails on the batch.
        """
        inputs = {self._interface.input_name: self._interface.batches(x)}
        try:
            return list(self._session.run(list(names), inputs))
        except Exception as error:  # see session
            advice = _ADVICE if len(x) > 1 else "export it again"
            raise ModelError(
                f"ONNX Runtime fails on a batch of {len(x)} ({first_line(error)}): {advice}"
            ) from error

    def _run(self, x: Floats) -> Floats:
        result = self.tensors(x, [self._interface.output_name])[0]
        if self._interface.batch_is_free and result.shape[:1] != (len(x),):
            raise ModelError(
                f"for a batch of {len(x)} the model gives an output of shape {result.shape}: "
                f"{_ADVICE}"
            )
        outputs = result.reshape(len(x), -1)
        if self._interface.joint:
            inputs = self._interface.batches(x).reshape(len(x), -1)
            return np.concatenate([outputs, inputs], axis=1)
        return outputs


class _Compiled(ABC):
    """A network compiled for any number of samples at once, for exploration.

    Args:
        model: the graph that :meth:`compile` writes.
        sample_shape: shape of one sample.
        dtype: type of its numbers.
        threads: threads ONNX Runtime may use.
        rows: most samples of one call.
    """

    def __init__(
        self,
        model: bytes,
        sample_shape: Shape,
        dtype: np.dtype[np.floating] = FLOAT32,
        threads: int = 1,
        rows: int = _MOST_ROWS,
    ) -> None:
        self._session = session(model, threads)
        self._shape, self.dtype, self._rows = sample_shape, dtype, rows

    @staticmethod
    @abstractmethod
    def compile(network: Network, dtype: np.dtype[np.floating]) -> onnx.ModelProto:
        """The graph of a network."""

    @classmethod
    def of(cls, network: Network, dtype: np.dtype[np.floating], threads: int) -> Self:
        """A network compiled in the model's own type, or in float32 where kernels are missing."""
        try:
            graph = cls.compile(network, dtype).SerializeToString()
            return cls(graph, network.input_shape, dtype, threads, rows_at_once(network))
        except ModelError:
            if dtype == FLOAT32:
                raise
            return cls.of(network, FLOAT32, threads)


@final
class ValueRuntime(_Compiled):
    """The forward pass of a network."""

    @staticmethod
    @override
    def compile(network: Network, dtype: np.dtype[np.floating]) -> onnx.ModelProto:
        return value_model(network, dtype)

    def forward(self, x: Floats) -> Floats:
        """Logits (n, k) for inputs (n, d)."""
        x = x.astype(self.dtype, copy=False)
        parts = (x[i : i + self._rows] for i in range(0, len(x), self._rows))
        return np.concatenate(
            [self._session.run(None, {"x": part.reshape(-1, *self._shape)})[0] for part in parts]
        )


@final
class GradientRuntime(_Compiled):
    """The forward and reverse pass of a network."""

    @staticmethod
    @override
    def compile(network: Network, dtype: np.dtype[np.floating]) -> onnx.ModelProto:
        return gradient_model(network, dtype)

    def value_and_gradient(
        self, x: Floats, v: Floats, deadline: float = NEVER
    ) -> tuple[Floats, Floats]:
        """Logits (n, k) and ``J(x)^T v`` (n, d) for inputs (n, d) and weightings (n, k).

        Raises:
            OutOfTimeError: the deadline passed before all rows were evaluated.
        """
        x, v = x.astype(self.dtype, copy=False), v.astype(self.dtype, copy=False)
        parts = []
        for i in range(0, len(x), self._rows):
            if i:
                require_time(deadline)
            chosen = slice(i, i + self._rows)
            inputs = {"x": x[chosen].reshape(-1, *self._shape), "v": v[chosen]}
            parts.append(self._session.run(None, inputs))
        if len(parts) == 1:
            logits, gradient = parts[0]
        else:
            logits = np.concatenate([part[0] for part in parts])
            gradient = np.concatenate([part[1] for part in parts])
        return logits, gradient.reshape(len(x), -1)


def open_runtime(file: ModelFile, interface: Interface, threads: int = 1) -> Runtime:
    """The model itself, from the bytes that were read and checked, not from its path.

    Nodes that the output does not depend on are left out, since ONNX Runtime would read them too.
    A model too large for one protobuf message is opened by its path, and its file is read again
    afterwards: it must still be what was checked.

    Raises:
        ModelError: ONNX Runtime does not accept the model, or its file was replaced.
    """
    opened = needed_part(file.proto, interface.output_name)
    if opened.ByteSize() <= _MOST_BYTES:
        return Runtime(opened.SerializeToString(), interface, threads)
    if file.is_composed:
        raise ModelError(
            f"{file.path} has more than 2 GB of weights, and no room for a preprocessing: export "
            "the model with it"
        )
    if opened is not file.proto:
        raise ModelError(
            f"{file.path} has more than 2 GB of weights and parts that '{interface.output_name}' "
            "does not depend on: export the model without these"
        )
    runtime = Runtime(file.path, interface, threads)
    require_same(file.path, read_model(file.path).sha256, file.sha256)
    return runtime


def require_same(path: Path, found: str, expected: str) -> None:
    """Raises ModelError where a model's file has changed since it was checked.

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
    """How many samples one call of ONNX Runtime takes; fewer where each needs much memory."""
    return max(1, min(_MOST_ROWS, _ROWS_BYTES // (4 * max(1, network.elements))))
