"""Random graphs of all supported operators: imported rightly, whatever their form."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from onnx_lippa.onnx_io import Model
from tests.support.graphs import load_model
from tests.support.properties import PROPERTIES, check_engines
from tests.support.random_graphs import graph_of_seed, random_graph
from tests.support.random_graphs.check import outcome
from tests.support.random_graphs.shrink import described, shrunk

FAST = range(40)
SLOW = range(1000, 1400)
OPERATORS = {
    "Abs", "Add", "AveragePool", "BatchNormalization", "Cast", "CastLike", "Clip", "Compress",
    "Concat", "Constant", "ConstantOfShape", "Conv", "ConvTranspose", "CumSum", "DepthToSpace",
    "Div", "Dropout", "Einsum", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Gemm",
    "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "Greater", "GreaterOrEqual",
    "HardSigmoid", "Identity", "LeakyRelu", "Less", "LessOrEqual", "LogSoftmax", "LpPool", "MatMul",
    "Max", "MaxPool", "Mean", "Min", "Mul", "Neg", "Not", "PRelu", "Pad", "ReduceL1", "ReduceMax",
    "ReduceMean", "ReduceMin", "ReduceSum", "Relu", "Reshape", "Resize", "Scatter",
    "ScatterElements", "ScatterND", "Shape", "Sigmoid", "Slice", "Softmax", "SpaceToDepth", "Split",
    "Squeeze", "Sub", "Sum", "Tile", "Transpose", "Trilu", "Unsqueeze", "Upsample", "Where",
}  # fmt: skip


@lru_cache(maxsize=8)
def loaded(seed: int) -> Model:
    return load_model(graph_of_seed(seed))


@pytest.mark.parametrize("name", PROPERTIES)
@pytest.mark.parametrize("seed", FAST)  # the outer loop: a model is loaded once
def test_random_graph(seed, name):
    PROPERTIES[name](loaded(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", SLOW)
def test_more_random_graphs(seed):
    for check in PROPERTIES.values():
        check(loaded(seed))
    for norm in ("l1", "l2"):
        check_engines(loaded(seed), norm, 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_large_random_graphs(seed):
    model = load_model(random_graph(np.random.default_rng([seed, 40]), 40))
    for check in PROPERTIES.values():
        check(model)


def test_equal_seeds_give_equal_graphs():
    for seed in range(5):
        assert graph_of_seed(seed) == graph_of_seed(seed)
    assert graph_of_seed(0) != graph_of_seed(1)


@pytest.mark.parametrize("seed", range(2000, 2030))
def test_what_is_generated_is_usable(seed):
    """Valid, and in ONNX Runtime every row of a batch is what it is alone."""
    model = graph_of_seed(seed)
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (interface,) = session.get_inputs()
    (output,) = session.get_outputs()
    assert interface.type == output.type == "tensor(float)"
    batch, *sample = interface.shape
    x = np.random.default_rng(seed).uniform(0, 1, (3, *sample)).astype(np.float32)
    alone = np.concatenate([session.run(None, {interface.name: row[None]})[0] for row in x])
    assert alone.ndim == 2
    assert alone.shape[1] >= 2
    assert np.all(np.isfinite(alone))
    assert np.max(np.abs(alone)) < 1e3
    if batch != 1:
        together = session.run(None, {interface.name: x})[0]
        np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_every_operator_is_reached():
    """In every opset, behind free and fixed batch axes, within some hundred graphs."""
    opsets, batches, ranks = set(range(7, 22)), {"dim_param", "dim_value", None}, {2, 3, 4, 5}
    missing: set[tuple[str, object]] = {
        *(("op", op) for op in OPERATORS),
        *(("opset", opset) for opset in opsets),
        *(("batch", batch) for batch in batches),
        *(("rank", rank) for rank in ranks),
    }
    for seed in range(500):
        model = graph_of_seed(seed)
        weights = {tensor.name for tensor in model.graph.initializer}
        (x,) = [value for value in model.graph.input if value.name not in weights]
        shape = x.type.tensor_type.shape.dim
        assert model.opset_import[0].version in opsets
        missing -= {("op", node.op_type) for node in model.graph.node}
        missing -= {
            ("opset", model.opset_import[0].version),
            ("batch", shape[0].WhichOneof("value")),
            ("rank", len(shape)),
        }
        if not missing:
            return
    assert not missing


def test_outcomes_are_told_apart():
    relu = onnx.helper.make_node("Relu", ["x"], ["y"])
    sine = onnx.helper.make_node("Sin", ["x"], ["y"], name="wave")
    assert outcome(one_node(relu)).kind == "ok"
    refused = outcome(one_node(sine))
    assert refused.kind == "refused"
    assert refused.reasons[0].startswith("Sin: ")


def test_shrinking_keeps_what_is_asked_for():
    """A large graph becomes one node and what the interface needs."""
    model = random_graph(np.random.default_rng(5), 20)
    scores = model.graph.output[0].name
    (op,) = [node.op_type for node in model.graph.node if scores in node.output]
    small = shrunk(model, lambda m: any(node.op_type == op for node in m.graph.node))
    assert len(small.graph.node) <= 3
    assert op in described(small)
    onnx.checker.check_model(small, full_check=True)


def one_node(node: onnx.NodeProto) -> onnx.ModelProto:
    values = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", 3])
        for name in ("x", "y")
    ]
    graph = onnx.helper.make_graph([node], "graph", values[:1], values[1:])
    opsets = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
