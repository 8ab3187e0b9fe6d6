"""The batch that a model really takes, float64 models, and models without a batch axis."""

import gzip

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from onnx_lippa.arrays import FLOAT32
from onnx_lippa.errors import ModelError
from onnx_lippa.onnx_io import load
from onnx_lippa.onnx_io.interface import Batch, read_interface
from onnx_lippa.onnx_io.reader import read_model
from onnx_lippa.onnx_io.runtime import GradientRuntime
from onnx_lippa.onnx_io.validation import determine_batch
from tests.support.graphs import graph_model, load_model, node, normal, one_op, saved
from tests.support.hostile import batch_select
from tests.support.layers import assert_near, check_alone, check_layers, check_loaded, check_model

FLOAT64 = np.dtype(np.float64)


def settled(model: onnx.ModelProto, folder, work: int = 100) -> Batch:
    file = read_model(saved(model, folder))
    return determine_batch(file, read_interface(file), work).batch


# Batches


def test_a_batch_that_is_free(tmp_path):
    assert settled(one_op("Relu", (3,), flatten=False), tmp_path) is Batch.FREE


@pytest.mark.parametrize("batch", [1, "batch"])
def test_a_batch_that_the_graph_fixes(tmp_path, batch):
    model = one_op("Reshape", (3,), "x", np.array([1, 3]), flatten=False, batch=batch)
    assert settled(model, tmp_path) is Batch.ONE


@pytest.mark.parametrize("shape", [[1, -1], [-1], [3, -1]])
def test_a_batch_that_becomes_features(tmp_path, shape):
    model = one_op("Reshape", (3,), "x", np.array(shape), flatten=False)
    assert settled(model, tmp_path) is Batch.ONE
    check_alone(model)


def mixing() -> onnx.ModelProto:
    """ONNX Runtime takes any batch, but a sample's outputs depend on the others in it."""
    nodes = [node("ReduceMean", "x", "m", axes=[0], keepdims=1), node("Sub", "x m", "d"),
             node("Add", "d x", "y")]  # fmt: skip
    return graph_model(nodes, (3,))


def test_samples_that_mix(tmp_path):
    assert settled(mixing(), tmp_path) is Batch.ONE


def test_samples_that_mix_only_where_they_are_some(tmp_path):
    """A constant for two samples fits a batch of one and of two, and no other."""
    model = one_op("Add", (3,), "x", normal(1, 2, 3), flatten=False)
    assert settled(model, tmp_path) is Batch.ONE
    check_alone(model)


def sum_of_all(*nodes: onnx.NodeProto, **constants: np.ndarray) -> onnx.ModelProto:
    """A model of three features that has the sum of all samples as ``s``."""
    return graph_model([node("ReduceSum", "x", "s", keepdims=0), *nodes], (3,), constants)


@pytest.mark.parametrize("op", ["Min", "Max"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("work", [100, 1 << 40])
def test_samples_that_mix_only_in_some_range(tmp_path, op, sign, work):
    """``Min(x, sum)`` is x wherever no feature is negative."""
    nodes = [node("Mul", "s sign", "t"), node(op, "x t", "y")]
    model = sum_of_all(*nodes, sign=np.float32(sign))
    assert settled(model, tmp_path, work) is Batch.ONE


@pytest.mark.parametrize("least", [5.0, 50.0, 500.0, -5.0, -50.0, -500.0])
def test_samples_that_mix_only_where_they_are_large(tmp_path, least):
    nodes = [node("Mul", "s sign", "t"), node("Sub", "t least", "d"), node("Relu", "d", "r"),
             node("Add", "x r", "y")]  # fmt: skip
    model = sum_of_all(*nodes, sign=np.float32(np.sign(least)), least=np.float32(abs(least)))
    assert settled(model, tmp_path) is Batch.ONE


@pytest.mark.parametrize("switch", [1, 6, 12, 63, 400])
def test_outputs_that_turn_in_large_batches(tmp_path, switch):
    """In small ones it is a model for one sample; else nobody would see that it is none."""
    model = batch_select()
    many = next(one for one in model.graph.initializer if one.name == "many")
    many.CopyFrom(numpy_helper.from_array(np.int64(switch), "many"))
    if switch < 7:
        assert settled(model, tmp_path) is Batch.ONE
        return
    with pytest.raises(ModelError, match="depend on the size of the batch"):
        settled(model, tmp_path)
    assert settled(model, tmp_path, 1 << 30) is Batch.FREE  # for the check of the import


def test_samples_beyond_what_a_model_takes(tmp_path):
    """Some ranges cannot be tried where values become indices."""
    nodes = [node("Mul", "x two", "d"), node("Cast", "d", "i", to=7),
             node("GatherElements", "x i", "y", axis=1)]  # fmt: skip
    model = graph_model(nodes, (3,), {"two": np.float32(2)})
    assert settled(model, tmp_path) is Batch.FREE


def test_a_model_that_the_runtime_does_not_accept_stays_as_it_is_declared(tmp_path):
    model = one_op("Gemm", (3,), "x", normal(1, 3, 3).astype(np.float64), flatten=False)
    assert settled(model, tmp_path) is Batch.FREE


def test_a_model_that_never_runs_stays_as_it_is_declared(tmp_path):
    model = one_op("Reshape", (3,), "x", np.array([-1, 4]), flatten=False)
    assert settled(model, tmp_path) is Batch.FREE


@pytest.mark.parametrize("divisor", [0.0, 1e-41])
def test_outputs_that_are_not_finite(tmp_path, divisor):
    model = one_op("Div", (3,), "x", np.float32(divisor), flatten=False)
    assert settled(model, tmp_path) is Batch.FREE


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_outputs_of_every_size(tmp_path, scale):
    weight = (scale * normal(1, 30, 40)).astype(np.float32)
    model = one_op("MatMul", (30,), "x", weight, flatten=False)
    assert settled(model, tmp_path) is Batch.FREE


def test_an_attack_sees_one_sample_at_a_time():
    model = load_model(mixing())
    x = normal(1, 5, 3)
    assert_near(model.runtime.forward(x), model.runtime.forward_alone(x), 1e-6)
    assert_near(model.network.forward(x), model.runtime.forward(x), 1e-5)


# Inputs without a batch axis


def vector(*nodes: onnx.NodeProto, **constants: np.ndarray) -> onnx.ModelProto:
    """A model with an input of shape [4]."""
    return graph_model(nodes, (), constants, batch=4)


def check_vector(model: onnx.ModelProto):
    loaded = load_model(model)
    assert loaded.interface.batch is Batch.ABSENT
    assert loaded.interface.sample_shape == (4,)
    check_loaded(loaded)
    check_layers(loaded.network)
    return loaded


def test_a_vector_that_is_no_batch():
    nodes = [node("MatMul", "w x", "a"), node("Add", "a b", "c"), node("Relu", "c", "y")]
    loaded = check_vector(vector(*nodes, w=normal(1, 3, 4), b=normal(2, 3)))
    assert loaded.network.output_shape == (3,)


def test_a_vector_that_becomes_a_batch_of_one():
    nodes = [node("Reshape", "x s", "a"), node("Gemm", "a w", "b"), node("Relu", "b", "c"),
             node("Softmax", "c", "y")]  # fmt: skip
    check_vector(vector(*nodes, s=np.array([1, 4]), w=normal(1, 4, 3)))


@pytest.mark.parametrize("shape", [(1, 4), (3, 4), (2, 1, 1), (2, 3, 4)])
def test_a_vector_that_meets_constants_of_higher_rank(shape):
    check_vector(vector(node("Add", "x c", "y"), c=normal(1, *shape)))
    check_vector(vector(node("Mul", "x c", "a"), node("Relu", "a", "y"), c=normal(2, *shape)))


@pytest.mark.parametrize("rows", [1, 3])
def test_vectors_are_run_one_at_a_time(rows):
    loaded = load_model(vector(node("Mul", "x c", "y"), c=normal(1, 4)))
    x = normal(2, rows, 4)
    np.testing.assert_array_equal(loaded.runtime.forward(x), x * normal(1, 4))


# Float64


def double(*nodes: onnx.NodeProto, **constants: np.ndarray) -> onnx.ModelProto:
    """A model of four features in float64."""
    wide = {k: v.astype(np.float64) if v.dtype == np.float32 else v for k, v in constants.items()}
    return graph_model(nodes, (4,), wide, element=TensorProto.DOUBLE)


def test_models_in_float64():
    nodes = [node("Gemm", "x w c", "a"), node("Relu", "a", "b"), node("MatMul", "b v", "y")]
    model = double(*nodes, w=normal(1, 4, 5), c=normal(2, 5), v=normal(3, 5, 2))
    check_model(model)
    loaded = load_model(model)
    assert loaded.interface.dtype == loaded.gradient.dtype == FLOAT64
    x = np.random.default_rng(0).uniform(size=(6, 4))
    assert loaded.runtime.forward(x).dtype == FLOAT64
    assert_near(loaded.runtime.forward(x), loaded.network.forward(x), 1e-14)
    logits, gradient = loaded.gradient.value_and_gradient(x, np.ones((6, 2)))
    exact, pulled = loaded.network.value_and_gradient(x, np.ones((6, 2)))
    assert_near(logits, exact, 1e-14)
    assert_near(gradient, pulled, 1e-14)


def test_float64_tells_apart_what_float32_does_not():
    loaded = load_model(double(node("Sub", "x c", "y"), c=np.ones(4)))
    x = np.full((1, 4), 1.0 + 1e-12)
    np.testing.assert_allclose(loaded.runtime.forward(x), x - 1.0, rtol=0, atol=1e-16)
    assert np.all(loaded.runtime.forward(x) != 0.0)


def test_float64_with_an_output_activation():
    nodes = [node("Gemm", "x w", "a"), node("Softmax", "a", "y")]
    check_model(double(*nodes, w=normal(1, 4, 3)))


def test_a_gradient_without_kernels_for_float64_is_compiled_in_float32(monkeypatch):
    nodes = [node("Gemm", "x w", "a"), node("Relu", "a", "y")]
    loaded = load_model(double(*nodes, w=normal(1, 4, 3)))
    original = GradientRuntime.__init__

    def without_float64(self, graph, shape, dtype, threads, rows):
        if dtype == FLOAT64:
            raise ModelError("no kernel")
        original(self, graph, shape, dtype, threads, rows)

    monkeypatch.setattr(GradientRuntime, "__init__", without_float64)
    runtime = GradientRuntime.of(loaded.network, FLOAT64, 1)
    assert runtime.dtype == FLOAT32
    _, gradient = runtime.value_and_gradient(np.ones((2, 4)), np.ones((2, 3)))
    assert gradient.dtype == FLOAT32


# Files


@pytest.mark.parametrize("name", ["model.onnx.gz", "model.onnx"])
def test_gzipped_models(tmp_path, name):
    model = one_op("Gemm", (4,), "x", normal(1, 4, 3), flatten=False)
    path = tmp_path / name
    path.write_bytes(gzip.compress(model.SerializeToString()))
    loaded = load(path)
    check_loaded(loaded)
    plain = load_model(model)
    x = normal(2, 5, 4)
    np.testing.assert_array_equal(loaded.runtime.forward(x), plain.runtime.forward(x))
    assert loaded.file.sha256 != plain.file.sha256


@pytest.mark.parametrize("keep", [3, 20, -8, -1])
def test_gzipped_models_that_are_truncated(tmp_path, keep):
    model = one_op("Gemm", (4,), "x", normal(1, 4, 3), flatten=False)
    path = tmp_path / "model.onnx.gz"
    path.write_bytes(gzip.compress(model.SerializeToString())[:keep])
    with pytest.raises(ModelError, match=r"model\.onnx\.gz cannot be unpacked .*: copy it again"):
        load(path)


def test_gzipped_files_that_are_no_models(tmp_path):
    path = tmp_path / "model.onnx.gz"
    path.write_bytes(gzip.compress(b"This is no model.\n" * 20))
    with pytest.raises(ModelError, match="not an ONNX model"):
        load(path)
    path.write_bytes(gzip.compress(b""))
    with pytest.raises(ModelError, match="not an ONNX model"):
        load(path)


def test_gzipped_models_that_never_end(tmp_path, monkeypatch):
    monkeypatch.setitem(read_model.__globals__, "_MOST_BYTES", 1000)
    path = tmp_path / "model.onnx.gz"
    path.write_bytes(gzip.compress(bytes(2000)))
    with pytest.raises(ModelError, match="unpacks to more than 2 GB"):
        load(path)
