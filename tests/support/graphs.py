"""ONNX models for tests, built node by node with onnx.helper."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, defs, helper, numpy_helper

from onnx_lippa.onnx_io import Model, load

OPSET = 17
IR_VERSION = 8
FREE = "batch"
"""The batch axis of an export that takes any number of samples."""


def graph_model(
    nodes: Sequence[onnx.NodeProto],
    sample: Sequence[int | str | None],
    constants: Mapping[str, object] | None = None,
    *,
    batch: int | str | None = FREE,
    opset: int = OPSET,
    ir_version: int = IR_VERSION,
    output: str = "y",
    element: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """A model with the one input ``x`` of shape (batch, *sample) and one output.

    Constants are whatever :func:`numpy.asarray` takes.
    """
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info("x", element, [batch, *sample])],
        [helper.make_tensor_value_info(output, element, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version
    )


def node(
    op: str,
    inputs: str | Sequence[str],
    outputs: str | Sequence[str] = "y",
    *,
    domain: str = "",
    **attributes: Any,
) -> onnx.NodeProto:
    """A node named after its first output; names in one string are separated by blanks."""
    names = inputs.split() if isinstance(inputs, str) else list(inputs)
    results = outputs.split() if isinstance(outputs, str) else list(outputs)
    return helper.make_node(
        op, names, results, name=f"{op.lower()}_{results[0]}", domain=domain, **attributes
    )


def one_op(
    op: str,
    sample: Sequence[int],
    *operands: object,
    flatten: bool = True,
    opset: int = OPSET,
    batch: int | str = FREE,
    **attributes: Any,
) -> onnx.ModelProto:
    """A model of one operator, and a Flatten behind it where the output must be a vector.

    Operands are constants, ``"x"`` for the input (the default), or None where left out.
    """
    constants: dict[str, object] = {}
    names: list[str] = []
    for place, operand in enumerate(operands or ("x",)):
        if isinstance(operand, str):
            names.append(operand)
        elif operand is None:
            names.append("")
        else:
            constants[f"c{place}"] = np.asarray(operand)
            names.append(f"c{place}")
    nodes = [node(op, names, "t" if flatten else "y", **attributes)]
    if flatten:
        nodes.append(node("Flatten", "t", "y"))
    return graph_model(nodes, sample, constants, batch=batch, opset=opset)


def with_batch(model: onnx.ModelProto, batch: int | str) -> onnx.ModelProto:
    """The same model exported with another batch axis."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    axis = copy.graph.input[0].type.tensor_type.shape.dim[0]
    axis.Clear()
    if isinstance(batch, str):
        axis.dim_param = batch
    else:
        axis.dim_value = batch
    return copy


def load_model(model: onnx.ModelProto | bytes, **options: Any) -> Model:
    """The model as the package loads it from a file; its runtime is opened at once."""
    content = model if isinstance(model, bytes) else model.SerializeToString()
    with tempfile.NamedTemporaryFile(suffix=".onnx", delete=False) as file:
        file.write(content)
    path = Path(file.name)
    try:
        loaded = load(path, **options)
        _ = loaded.runtime
        return loaded
    finally:
        path.unlink()


def saved(model: onnx.ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    """The path of the model written into a folder."""
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


def runs_in_runtime(model: onnx.ModelProto) -> bool:
    """Whether ONNX Runtime accepts the model."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception:  # noqa: BLE001  # its exceptions share no base class
        return False
    return True


@cache
def newest_opset() -> int:
    """The newest opset that both the onnx package and ONNX Runtime know."""
    opset = defs.onnx_opset_version()
    while not runs_in_runtime(one_op("Relu", (2,), opset=opset, flatten=False)):
        opset -= 1
    return opset


@cache
def opsets_of(op: str, since: int = 7) -> tuple[int, ...]:
    """The opsets from ``since`` on in which the operator was defined anew, and both ends."""
    versions = {
        schema.since_version
        for schema in defs.get_all_schemas_with_history()
        if schema.name == op and schema.domain == ""
    }
    wanted = {since, OPSET, newest_opset(), *(v for v in versions if v > since)}
    return tuple(sorted(v for v in wanted if v <= newest_opset()))


def normal(seed: int, *shape: int) -> np.ndarray:
    """Standard normal float32 numbers."""
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def label_of(model: Model, x: np.ndarray) -> int:
    return int(model.runtime.forward(x[None])[0].argmax())


def dense_model(layers: list[tuple[np.ndarray, np.ndarray]]) -> Model:
    """Gemm layers with ReLUs between them."""
    constants, nodes = dict[str, np.ndarray](), []
    for i, (weight, bias) in enumerate(layers):
        constants |= {f"w{i}": weight.astype(np.float32), f"b{i}": bias.astype(np.float32)}
        last = i == len(layers) - 1
        nodes.append(node("Gemm", f"{f'z{i}' if i else 'x'} w{i} b{i}", "y" if last else f"a{i}"))
        if not last:
            nodes.append(node("Relu", f"a{i}", f"z{i + 1}"))
    return load_model(graph_model(nodes, (len(layers[0][0]),), constants))
