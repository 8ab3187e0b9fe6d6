"""ONNX Runtime sessions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Final, final

import numpy as np
import onnxruntime as ort

from onnx_lippa.arrays import FLOAT32, AnyArray, Floats, InputRows, Shape
from onnx_lippa.clock import NEVER, require_time
from onnx_lippa.errors import ModelError, Unsupported
from onnx_lippa.onnx_io.reader import Interface
from onnx_lippa.onnx_io.reasons import first_line

_ERROR_LEVEL: Final = 3
_ROWS_AT_ONCE: Final = 512
"""Rows given to ONNX Runtime in one call where nothing else is said."""
_ADVICE: Final = "export it with a batch axis that is free throughout, or fixed at 1"


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
    # It would hold the model's bytes for as long as it lives, to open itself anew elsewhere.
    opened.disable_fallback()
    opened._model_bytes = None
    return opened


def run_once(model: bytes, inputs: Mapping[str, AnyArray]) -> list[AnyArray]:
    """All outputs of a model for its inputs, in a session of its own.

    Raises:
        Unsupported: the runtime cannot evaluate it.
    """
    try:
        return list(session(model, 1).run(None, dict(inputs)))
    except Exception as error:  # see session
        raise Unsupported(f"ONNX Runtime cannot evaluate it: {first_line(error)}") from error


@final
class Runtime:
    """The model itself in ONNX Runtime: the judge of every claim.

    Args:
        model: bytes or path of the model.
        interface: its input and what is read of it.
        threads: threads ONNX Runtime may use.
    """

    def __init__(self, model: bytes | Path, interface: Interface, threads: int = 1) -> None:
        self._session = session(model, threads)
        self._interface = interface

    def with_interface(self, interface: Interface) -> Runtime:
        """The same session under another view of the model's batch."""
        other = copy(self)
        other._interface = interface
        return other

    def outputs(self, x: InputRows) -> Floats:
        """The model's outputs (n, k) for inputs (n, d), in batches where the model allows it."""
        step = self._interface.rows if self._interface.batch_is_free else 1
        return np.concatenate([self._run(x[i : i + step]) for i in range(0, len(x), step)])

    def outputs_alone(self, x: Floats) -> Floats:
        """The same with every input in a batch of its own."""
        return np.concatenate([self._run(row[None]) for row in x])

    def tensors(self, x: Floats, names: Sequence[str]) -> list[AnyArray]:
        """Tensors of the graph for one batch of inputs (n, d), each as it comes.

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


@final
class ValueRuntime:
    """A network compiled for any number of samples at once, for exploration.

    Args:
        model: the graph that :func:`~onnx_lippa.onnx_io.gradient_graph.value_model` writes.
        sample_shape: shape of one sample.
        dtype: type of its numbers.
        threads: threads ONNX Runtime may use.
        rows: samples that it is given at once at most.
    """

    def __init__(
        self,
        model: bytes,
        sample_shape: Shape,
        dtype: np.dtype[np.floating] = FLOAT32,
        threads: int = 1,
        rows: int = _ROWS_AT_ONCE,
    ) -> None:
        self._session = session(model, threads)
        self._shape, self.dtype, self._rows = sample_shape, dtype, rows

    def logits(self, x: Floats) -> Floats:
        """Logits (n, k) for inputs (n, d)."""
        return np.concatenate(
            [
                self._session.run(["logits"], {"x": part.reshape(-1, *self._shape)})[0]
                for part in _parts(x.astype(self.dtype, copy=False), self._rows)
            ]
        )


@final
class GradientRuntime:
    """A compiled gradient graph in ONNX Runtime, for exploration.

    Args:
        model: the graph that :func:`~onnx_lippa.onnx_io.gradient_graph.gradient_model` writes.
        sample_shape: shape of one sample.
        dtype: type of its numbers.
        threads: threads ONNX Runtime may use.
        rows: samples that it is given at once at most.
    """

    def __init__(
        self,
        model: bytes,
        sample_shape: Shape,
        dtype: np.dtype[np.floating] = FLOAT32,
        threads: int = 1,
        rows: int = _ROWS_AT_ONCE,
    ) -> None:
        self._session = session(model, threads)
        self._shape, self.dtype, self._rows = sample_shape, dtype, rows

    def logits_and_gradient(
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


def _parts(x: Floats, rows: int) -> Iterator[Floats]:
    return (x[i : i + rows] for i in range(0, len(x), rows))
