"""Turns ONNX files into PyTorch modules and checks these against onnxruntime."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor, nn

Floats = NDArray[np.float32]

LOGIT_TOLERANCE = 1e-4
"""How far PyTorch and onnxruntime may differ, relative to the largest logit (or to 1)."""


class RefusedError(ValueError):
    """A model, data file or option that these comparisons do not cover."""


# --- ONNX to PyTorch ---------------------------------------------------------------------------


def torch_module(path: str | Path) -> nn.Module:
    """The network of an ONNX file as a PyTorch module, frozen and in evaluation mode.

    The graph has to be a chain of Flatten, Gemm (transB), Conv (2-D) and Relu; anything else
    raises `RefusedError`. The weights are the initialisers of the file, in float32.
    """
    graph = onnx.load(str(path)).graph
    weights = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    current = _only_input(graph).name
    layers: list[nn.Module] = []
    for node in graph.node:
        if not node.input or node.input[0] != current or len(node.output) != 1:
            raise RefusedError(f"{node.op_type} {node.name!r} does not continue a plain chain")
        layers.append(_layer(node, weights))
        current = node.output[0]
    if [output.name for output in graph.output] != [current]:
        raise RefusedError("the output of the graph is not the end of its chain of layers")
    return nn.Sequential(*layers).requires_grad_(False).eval()


def input_shape(path: str | Path) -> tuple[int, ...]:
    """The shape of one input of the network, without its batch axis, which has to be free."""
    dims = _only_input(onnx.load(str(path)).graph).type.tensor_type.shape.dim
    if not dims or dims[0].HasField("dim_value"):
        raise RefusedError("the batch axis of the model is fixed; export it as a free one")
    shape = tuple(dim.dim_value for dim in dims[1:])
    if not shape or min(shape) < 1:
        raise RefusedError("the model does not state the shape of its input")
    return shape


def _only_input(graph: onnx.GraphProto) -> onnx.ValueInfoProto:
    """The single input of the graph that is not an initialiser."""
    stored = {item.name for item in graph.initializer}
    inputs = [item for item in graph.input if item.name not in stored]
    if len(inputs) != 1:
        raise RefusedError(f"the model has {len(inputs)} inputs; exactly one is supported")
    only: onnx.ValueInfoProto = inputs[0]
    return only


def _layer(node: onnx.NodeProto, weights: dict[str, NDArray[Any]]) -> nn.Module:
    """The PyTorch layer of one ONNX node."""
    convert = {"Flatten": _flatten, "Gemm": _gemm, "Conv": _conv, "Relu": _relu}.get(node.op_type)
    if convert is None or node.domain not in {"", "ai.onnx"}:
        raise RefusedError(f"operator {node.op_type!r} of domain {node.domain!r} is not supported")
    attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    try:
        tensors = [_float_tensor(weights[name]) for name in node.input[1:] if name]
    except KeyError as error:
        raise RefusedError(f"{node.op_type} {node.name!r}: {error} is no initialiser") from error
    return convert(attributes, tensors)


def _float_tensor(array: NDArray[Any]) -> Tensor:
    """A stored array as a tensor of its own memory; float32 only."""
    if array.dtype != np.float32:
        raise RefusedError(f"weights of type {array.dtype}; only float32 is supported")
    return torch.from_numpy(array.copy())


def _require(operator: str, attributes: dict[str, Any], **wanted: object) -> None:
    """Refuses an attribute with another value than the wanted one; an absent one passes."""
    for name, value in wanted.items():
        if attributes.get(name, value) != value:
            raise RefusedError(f"{operator} with {name}={attributes[name]!r}; needs {value!r}")


def _relu(_attributes: dict[str, Any], _tensors: list[Tensor]) -> nn.Module:
    return nn.ReLU()


def _flatten(attributes: dict[str, Any], _tensors: list[Tensor]) -> nn.Module:
    _require("Flatten", attributes, axis=1)
    return nn.Flatten(1)


def _gemm(attributes: dict[str, Any], tensors: list[Tensor]) -> nn.Module:
    _require("Gemm", attributes, alpha=1.0, beta=1.0, transA=0, transB=1)
    if attributes.get("transB", 0) != 1 or not tensors:
        raise RefusedError("Gemm without transB=1 or without a stored matrix is not supported")
    outputs, inputs = tensors[0].shape
    layer = nn.Linear(inputs, outputs, bias=len(tensors) > 1)
    return _with_weights(layer, tensors, outputs)


def _conv(attributes: dict[str, Any], tensors: list[Tensor]) -> nn.Module:
    _require("Conv", attributes, auto_pad=b"NOTSET")
    if not tensors or tensors[0].dim() != 4:
        raise RefusedError("only a two-dimensional Conv with a stored kernel is supported")
    outputs, inputs_of_group, height, width = tensors[0].shape
    _require("Conv", attributes, kernel_shape=[height, width])
    pads = attributes.get("pads", [0, 0, 0, 0])
    if pads[:2] != pads[2:]:
        raise RefusedError(f"Conv with unequal pads {pads} is not supported")
    groups = attributes.get("group", 1)
    layer = nn.Conv2d(
        inputs_of_group * groups,
        outputs,
        (height, width),
        stride=tuple(attributes.get("strides", [1, 1])),
        padding=tuple(pads[:2]),
        dilation=tuple(attributes.get("dilations", [1, 1])),
        groups=groups,
        bias=len(tensors) > 1,
    )
    return _with_weights(layer, tensors, outputs)


def _with_weights(layer: nn.Linear | nn.Conv2d, tensors: list[Tensor], outputs: int) -> nn.Module:
    """The layer with the stored weight and, if there is one, the stored bias."""
    layer.weight = nn.Parameter(tensors[0])
    if len(tensors) > 1:
        if tensors[1].numel() != outputs:
            raise RefusedError(f"a bias of shape {tuple(tensors[1].shape)} for {outputs} outputs")
        layer.bias = nn.Parameter(tensors[1].reshape(outputs))
    return layer


# --- onnxruntime, the reference ----------------------------------------------------------------


def onnxruntime_session(path: str | Path, threads: int) -> onnxruntime.InferenceSession:
    """A CPU session whose threads do not spin between runs, so that it slows nothing else."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def onnxruntime_logits(session: onnxruntime.InferenceSession, inputs: Floats) -> Floats:
    """The logits of a batch."""
    logits: Floats = session.run(None, {session.get_inputs()[0].name: inputs})[0]
    return logits


def check_conversion(
    module: nn.Module, session: onnxruntime.InferenceSession, inputs: Floats
) -> float:
    """The largest difference of a logit from onnxruntime; raises if it is not round-off."""
    with torch.no_grad():
        ours = module(torch.from_numpy(inputs)).numpy()
    reference = onnxruntime_logits(session, inputs)
    if ours.shape != reference.shape or ours.ndim != 2:
        raise RefusedError(f"logits of shape {ours.shape}, in onnxruntime {reference.shape}")
    difference = float(np.abs(ours - reference).max())
    if not difference <= LOGIT_TOLERANCE * max(1.0, float(np.abs(reference).max())):
        raise RefusedError(f"PyTorch and onnxruntime differ by {difference:.3g} in a logit")
    return difference
