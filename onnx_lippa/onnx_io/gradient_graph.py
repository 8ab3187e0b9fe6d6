"""The reverse pass of a network as an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from onnx_lippa.arrays import FLOAT32
from onnx_lippa.errors import InputError
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.passes import forward_pass, states_of, transpose_pass
from onnx_lippa.onnx_io.graph_algebra import OPSET, GraphAlgebra

_IR_VERSION = 8


def gradient_model(network: Network, dtype: np.dtype[np.floating] = FLOAT32) -> onnx.ModelProto:
    """A graph with inputs ``x`` and ``v`` and outputs ``logits`` and ``gradient``.

    ``x`` is [batch, *input_shape], ``v`` [batch, k] weights the logits, and ``gradient`` is
    ``J(x)^T v`` in the shape of x; all of the given type. At a kink the gradient is that of the
    piece on which ``pre-activation >= 0``.
    """
    algebra = GraphAlgebra(dtype)
    values = forward_pass(algebra, network.steps, "x")
    states = states_of(algebra, network.steps, values)
    k, shape = network.output_size, network.input_shape
    seed = "v" if network.output_shape == (k,) else algebra.reshape("v", network.output_shape)
    pulled = transpose_pass(algebra, network.steps, states, len(network.steps), seed)
    if pulled is None:
        pulled = algebra.scale("x", np.array(0.0))
    logits = values[-1] if network.output_shape == (k,) else algebra.reshape(values[-1], (k,))
    algebra.name_output(logits, "logits")
    algebra.name_output(pulled, "gradient")
    return _model(
        algebra,
        "value_and_gradient",
        {"x": ["batch", *shape], "v": ["batch", k]},
        {"logits": ["batch", k], "gradient": ["batch", *shape]},
    )


def value_model(network: Network, dtype: np.dtype[np.floating] = FLOAT32) -> onnx.ModelProto:
    """The network itself as a graph that takes any number of samples: ``x`` to ``logits``."""
    algebra = GraphAlgebra(dtype)
    k = network.output_size
    logits = algebra.reshape(forward_pass(algebra, network.steps, "x")[-1], (k,))
    algebra.name_output(logits, "logits")
    inputs: dict[str, list[str | int]] = {"x": ["batch", *network.input_shape]}
    return _model(algebra, "value", inputs, {"logits": ["batch", k]})


def _model(
    algebra: GraphAlgebra,
    name: str,
    inputs: Mapping[str, Sequence[str | int]],
    outputs: Mapping[str, Sequence[str | int]],
) -> onnx.ModelProto:
    """The model of a graph with these inputs and outputs and their shapes."""
    taken, given = (
        [helper.make_tensor_value_info(n, algebra.element, list(s)) for n, s in tensors.items()]
        for tensors in (inputs, outputs)
    )
    graph = helper.make_graph(algebra.nodes, name, taken, given, algebra.initializers)
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="onnx-lippa",
    )


def write_gradient(network: Network, path: Path) -> None:
    """Writes the gradient graph of a network to a file.

    Raises:
        InputError: the file cannot be written.
    """
    model = gradient_model(network)
    onnx.checker.check_model(model)
    try:
        path.write_bytes(model.SerializeToString())
    except OSError as error:
        with suppress(OSError):
            if path.is_file():
                path.unlink()  # no empty or half a file remains on a full disk
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
