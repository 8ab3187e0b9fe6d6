"""The compiled gradient as a file of its own."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from onnx_lippa.errors import InputError
from onnx_lippa.ir.layers.activation import Relu
from onnx_lippa.ir.layers.linear_map import LinearMap
from onnx_lippa.onnx_io import GradientRuntime, gradient_model, write_gradient
from onnx_lippa.onnx_io.compiler import OPSET
from tests.support.graphs import graph_model, load_model, node, normal
from tests.support.layers import assert_near
from tests.support.networks import chain, conv_net, family, mlp


@pytest.mark.parametrize("name", family(0))
def test_every_kind_of_network(name):
    network = family(0)[name]
    model = gradient_model(network)
    onnx.checker.check_model(model, full_check=True)
    runtime = GradientRuntime(model.SerializeToString(), network.input_shape)
    generator = np.random.default_rng(0)
    for rows in (1, 5):
        x = generator.uniform(-1, 1, (rows, network.input_size)).astype(np.float32)
        v = generator.normal(size=(rows, network.output_size)).astype(np.float32)
        logits, gradient = runtime.value_and_gradient(x, v)
        exact, pulled = network.value_and_gradient(x.astype(np.float64), v.astype(np.float64))
        assert_near(logits, exact, 2e-5)
        assert_near(gradient, pulled, 2e-5)


def test_interface_of_the_graph():
    model = gradient_model(conv_net(0))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert [(i.name, i.shape, i.type) for i in session.get_inputs()] == [
        ("x", ["batch", 1, 3, 3], "tensor(float)"),
        ("v", ["batch", 3], "tensor(float)"),
    ]
    assert [(o.name, o.shape) for o in session.get_outputs()] == [
        ("logits", ["batch", 3]),
        ("gradient", ["batch", 1, 3, 3]),
    ]
    assert [(o.domain, o.version) for o in model.opset_import] == [("", OPSET)]


def test_outputs_of_several_axes_are_flattened():
    network = chain((2, 3), LinearMap((2, 3), normal(1, 3, 4).astype(np.float64)), Relu((2, 4)))
    model = gradient_model(network)
    onnx.checker.check_model(model, full_check=True)
    runtime = GradientRuntime(model.SerializeToString(), (2, 3))
    x, v = normal(2, 5, 6), normal(3, 5, 8)
    logits, gradient = runtime.value_and_gradient(x, v)
    exact, pulled = network.value_and_gradient(x.astype(np.float64), v.astype(np.float64))
    assert_near(logits, exact, 2e-5)
    assert_near(gradient, pulled, 2e-5)


def test_equal_networks_give_equal_files():
    contents = {gradient_model(conv_net(3)).SerializeToString(True) for _ in range(3)}
    assert len(contents) == 1


def test_equal_constants_are_stored_once():
    network = load_model(
        graph_model(
            [node("Gemm", "x w", "a"), node("Relu", "a", "b"), node("Gemm", "b w", "y")],
            (3,),
            {"w": normal(1, 3, 3)},
        )
    ).network
    values = [t.raw_data for t in gradient_model(network).graph.initializer]
    assert len(values) == len(set(values))


def test_written_file_is_valid(tmp_path):
    path = tmp_path / "gradient.onnx"
    write_gradient(mlp(0, (4, 5, 3)), path)
    onnx.checker.check_model(onnx.load(path), full_check=True)


def test_file_that_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match=r"cannot write .*gradient\.onnx: No such file"):
        write_gradient(mlp(0, (4, 5, 3)), tmp_path / "nowhere" / "gradient.onnx")


def test_a_full_disk_leaves_no_file(tmp_path, monkeypatch):
    import errno
    from pathlib import Path

    def full(self, content):
        with self.open("wb") as file:
            file.write(content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left"):
        write_gradient(mlp(0, (4, 5, 3)), tmp_path / "gradient.onnx")
    assert list(tmp_path.iterdir()) == []
