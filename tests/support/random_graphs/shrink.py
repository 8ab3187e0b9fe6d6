"""A small graph with the same outcome as a large one, to see what an outcome is due to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from math import prod

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.support.random_graphs.runtime import Unusable, check, open_session

Shape = tuple[int, ...]
Batch = int | str | None


class _NoCut(Exception):  # noqa: N818  # it is no error
    """The graph cannot be cut there."""


def shrunk(model: onnx.ModelProto, alike: Callable[[onnx.ModelProto], bool]) -> onnx.ModelProto:
    """The smallest graph reached by cutting that is still alike.

    A graph is cut by ending it at one of its tensors, by beginning it at one, or by leaving out a
    node and passing on one of its inputs.

    Args:
        model: a graph.
        alike: whether a smaller graph shows what the graph shows.
    """
    smaller: onnx.ModelProto | None = _pruned(model)
    if not alike(smaller):  # it is due to what the output does not depend on
        return model
    while smaller is not None:
        model, smaller = smaller, None
        for candidate in _candidates(model):
            largest = len((smaller or model).graph.node)
            if 0 < len(candidate.graph.node) < largest and _runs(candidate) and alike(candidate):
                smaller = candidate
    return model


def described(model: onnx.ModelProto) -> str:
    """The graph in a line for every node, long constants by their shape alone."""
    source = _input(model)
    axes = [axis.dim_param or axis.dim_value for axis in source.type.tensor_type.shape.dim]
    lines = [f"opset {model.opset_import[0].version}, {source.name} {axes}"]
    for tensor in model.graph.initializer:
        lines.append(f"{tensor.name} = {_shown(numpy_helper.to_array(tensor))}")
    for node in model.graph.node:
        values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        attributes = [
            f"{name}={_shown(numpy_helper.to_array(v)) if isinstance(v, onnx.TensorProto) else v}"
            for name, v in values.items()
        ]
        inputs = ", ".join([name or "-" for name in node.input] + attributes)
        lines.append(f"{', '.join(node.output)} = {node.op_type}({inputs})")
    return "\n".join(lines)


def _shown(array: np.ndarray) -> str:
    numbers = f" {array.tolist()}" if array.size <= 8 else ""
    return f"{array.dtype}{list(array.shape)}{numbers}"


def _candidates(model: onnx.ModelProto) -> Iterator[onnx.ModelProto]:
    for name, shape in _tensors(model).items():
        for cut in (_ended_at, _begun_at):
            with suppress(_NoCut):
                yield cut(model, name, shape)
    for place, node in enumerate(model.graph.node):
        for name in filter(None, node.input):
            with suppress(_NoCut):
                yield _without(model, place, name)


def _ended_at(model: onnx.ModelProto, name: str, shape: Shape) -> onnx.ModelProto:
    cut = _copy(model)
    if len(shape) > 1:
        cut.graph.node.append(helper.make_node("Flatten", [name], ["end"]))
        name = "end"
    cut.graph.output[0].CopyFrom(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [_batch(model), prod(shape)])
    )
    return _pruned(cut)


def _begun_at(model: onnx.ModelProto, name: str, shape: Shape) -> onnx.ModelProto:
    cut = _copy(model)
    old = _input(cut).name
    if name == cut.graph.output[0].name:
        raise _NoCut
    kept = [node for node in cut.graph.node if name not in node.output]
    del cut.graph.node[:]
    cut.graph.node.extend(kept)
    _input(cut).CopyFrom(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [_batch(model), *shape])
    )
    cut = _pruned(cut)
    if any(old in node.input for node in cut.graph.node):
        raise _NoCut
    return cut


def _without(model: onnx.ModelProto, place: int, source: str) -> onnx.ModelProto:
    cut = _copy(model)
    gone = cut.graph.node.pop(place).output[0]
    if gone == cut.graph.output[0].name:
        raise _NoCut
    for node in cut.graph.node:
        for position, name in enumerate(node.input):
            if name == gone:
                node.input[position] = source
    return _pruned(cut)


def _pruned(model: onnx.ModelProto) -> onnx.ModelProto:
    """Only what the output depends on."""
    graph, needed, nodes = model.graph, {model.graph.output[0].name}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            nodes.append(node)
            needed.update(node.input)
    weights = [tensor for tensor in graph.initializer if tensor.name in needed]
    cut = helper.make_graph(nodes[::-1], graph.name, [_input(model)], graph.output, weights)
    return helper.make_model(
        cut, opset_imports=model.opset_import, ir_version=max(4, model.ir_version)
    )


def _tensors(model: onnx.ModelProto) -> dict[str, Shape]:
    """The sample shapes of the float tensors that have the batch axis in front."""
    opened, source = _copy(model), _input(model)
    names = [name for node in model.graph.node for name in node.output if name]
    del opened.graph.output[:]
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = open_session(opened, optimised=False)
    sample = [axis.dim_value for axis in source.type.tensor_type.shape.dim[1:]]
    rows = 1 if _batch(model) == 1 else 3
    one, more = (
        session.run(None, {source.name: np.zeros((count, *sample), np.float32)})
        for count in (1, rows)
    )
    return {
        name: a.shape[1:]
        for name, a, b in zip(names, one, more, strict=True)
        if a.dtype == np.float32 and a.ndim > 1 and (a.shape[0], b.shape[0]) == (1, rows)
    }


def _runs(model: onnx.ModelProto) -> bool:
    try:
        check(model)
        _tensors(model)
    except Exception as error:
        if isinstance(error, Unusable) or "onnxruntime" in type(error).__module__:
            return False
        raise
    return True


def _input(model: onnx.ModelProto) -> onnx.ValueInfoProto:
    weights = {tensor.name for tensor in model.graph.initializer}
    return next(value for value in model.graph.input if value.name not in weights)


def _batch(model: onnx.ModelProto) -> Batch:
    axis = _input(model).type.tensor_type.shape.dim[0]
    return axis.dim_value if axis.HasField("dim_value") else axis.dim_param or None


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy
