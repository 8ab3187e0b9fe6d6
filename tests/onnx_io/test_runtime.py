"""Sessions: batches large and small, every order of the rows, and failures."""

import numpy as np
import onnxruntime as ort
import pytest

from onnx_lippa.errors import ModelError
from onnx_lippa.onnx_io import Runtime
from onnx_lippa.onnx_io.interface import Batch, Interface
from onnx_lippa.onnx_io.runtime import session
from tests.support.graphs import FREE, graph_model, load_model, node, normal, one_op
from tests.support.layers import assert_near

VECTOR = Interface("x", (3,), Batch.FREE, "y")


@pytest.mark.parametrize("batch", [FREE, 1])
@pytest.mark.parametrize("rows", [1, 2, 511, 512, 513, 1100])
def test_rows_keep_their_order(batch, rows):
    model = load_model(one_op("Mul", (3,), "x", normal(1, 3), flatten=False, batch=batch))
    x = normal(2, rows, 3)
    np.testing.assert_array_equal(model.runtime.forward(x), x * normal(1, 3))


@pytest.mark.parametrize("batch", [FREE, 1])
def test_alone_is_one_row_at_a_time(batch):
    nodes = [node("Conv", "x w", "a"), node("Relu", "a", "b"), node("Flatten", "b", "y")]
    model = load_model(graph_model(nodes, (2, 5, 5), {"w": normal(1, 3, 2, 3, 3)}, batch=batch))
    x = normal(2, 9, 50)
    alone = model.runtime.forward_alone(x)
    np.testing.assert_array_equal(
        alone, np.concatenate([model.runtime.forward(row[None]) for row in x])
    )
    assert_near(alone, model.runtime.forward(x), 1e-5)


def test_tensors_keep_their_shape():
    proto = graph_model([node("Conv", "x w", "y")], (2, 5, 5), {"w": normal(1, 3, 2, 3, 3)})
    runtime = Runtime(proto.SerializeToString(), Interface("x", (2, 5, 5), Batch.FREE, "y"))
    (tensor,) = runtime.tensors(normal(1, 4, 50), ["y"])
    assert tensor.shape == (4, 3, 3, 3)


def test_a_model_that_the_runtime_does_not_accept():
    with pytest.raises(ModelError, match=r"ONNX Runtime does not accept the model .*export"):
        Runtime(b"not a model", VECTOR)


def test_a_model_that_fails_when_it_runs():
    proto = one_op("Reshape", (3,), "x", np.array([1, 3]), flatten=False)
    runtime = Runtime(proto.SerializeToString(), VECTOR)
    assert runtime.forward(normal(1, 1, 3)).shape == (1, 3)
    with pytest.raises(ModelError, match=r"fails on a batch of 2 .*batch axis"):
        runtime.forward(normal(1, 2, 3))


def test_a_model_that_joins_the_rows_of_a_batch():
    proto = one_op("Reshape", (3,), "x", np.array([1, -1]), flatten=False)
    runtime = Runtime(proto.SerializeToString(), VECTOR)
    with pytest.raises(ModelError, match=r"batch of 2 .*shape \(1, 6\).*batch axis"):
        runtime.forward(normal(1, 2, 3))


def test_a_model_that_sums_the_batch_away():
    proto = graph_model([node("ReduceSum", "x", "y", keepdims=0)], (3,))
    runtime = Runtime(proto.SerializeToString(), VECTOR)
    with pytest.raises(ModelError, match=r"shape \(\)"):
        runtime.forward(normal(1, 2, 3))


def test_replays_run_on_the_cpu_whatever_the_build_offers(monkeypatch):
    asked = []
    opened = ort.InferenceSession

    def recorded(source, options, providers):
        asked.append(providers)
        return opened(source, options, providers=providers)

    monkeypatch.setattr("onnxruntime.InferenceSession", recorded)
    monkeypatch.setattr(
        "onnxruntime.get_available_providers",
        lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
    )
    session(one_op("Relu", (3,), "x").SerializeToString(), 1)
    assert asked == [["CPUExecutionProvider"]]
