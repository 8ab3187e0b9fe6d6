"""``onnx-lippa inspect`` and ``onnx-lippa gradient``."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from tests.support.attacks import DIGITS, MODELS, mlp_file, plain_outputs
from tests.support.commands import command, contents
from tests.support.graphs import graph_model, node, normal, one_op, saved


def test_layers():
    ended = command("inspect", DIGITS)
    assert (ended.code, ended.err) == (0, "")
    for word in ("opset 17", "'input'", "'logits'", "Gemm", "Relu", "2,080", "3,466", "64"):
        assert word in ended.out
    assert "agrees with ONNX Runtime" in ended.out


def test_images():
    ended = command("inspect", MODELS / "mnist_cnn.onnx")
    assert ended.code == 0, ended.err
    for word in ("1x28x28", "Conv", "Flatten", "8x14x14", "81,710", "2,452"):
        assert word in ended.out


def test_every_unsupported_node_is_listed(tmp_path):
    nodes = [
        node("Sin", "x", "a"),
        node("Cos", "a", "b"),
        node("Relu", "b", "c"),
        node("Erf", "c", "y"),
    ]
    path = saved(graph_model(nodes, (4,)), tmp_path)
    for words in (("inspect", path), ("attack", path), ("gradient", path)):
        ended = command(*words)
        assert ended.code == 3
        for op in ("Sin", "Cos", "Erf"):
            assert op in ended.err
        assert "Relu '" not in ended.err
        assert "Traceback" not in ended.err
    assert {p.name for p in tmp_path.iterdir()} == {path.name}


def test_a_dropped_softmax_is_mentioned(tmp_path):
    nodes = [node("Gemm", "x w", "a"), node("Softmax", "a", "y", axis=1)]
    path = saved(graph_model(nodes, (4,), {"w": normal(1, 4, 3)}), tmp_path)
    for words in (("inspect", path), ("attack", path, "--restarts", 0)):
        ended = command(*words)
        assert ended.code == 0, ended.err
        assert "softmax" in ended.out.lower()


def test_brackets_in_the_names_of_nodes(tmp_path):
    nodes = [
        onnx.helper.make_node("Gemm", ["x", "w"], ["a"], name="net[bold]/fc"),
        onnx.helper.make_node("Relu", ["a"], ["y"], name="act[/red]"),
    ]
    path = saved(graph_model(nodes, (4,), {"w": normal(1, 4, 3)}), tmp_path)
    ended = command("inspect", path)
    assert ended.code == 0, ended.err
    assert "net[bold]/fc" in ended.out
    assert "act[/red]" in ended.out


# The gradient graph


def gradient_session(path):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def test_gradient_against_finite_differences(tmp_path):
    model = mlp_file(tmp_path, (6, 20, 12, 4), seed=2)
    ended = command("gradient", model)
    assert (ended.code, ended.err) == (0, "")
    target = tmp_path / "model.grad.onnx"
    session = gradient_session(target)
    generator = np.random.default_rng(0)
    x = generator.uniform(size=(7, 6)).astype(np.float32)
    v = generator.normal(size=(7, 4)).astype(np.float32)
    logits, gradient = session.run(["logits", "gradient"], {"x": x, "v": v})
    np.testing.assert_allclose(logits, plain_outputs(model, x), rtol=1e-5, atol=1e-5)
    assert gradient.shape == x.shape
    h = np.float32(1 / 1024)
    matches = 0
    for feature in range(6):
        step = np.zeros(6, np.float32)
        step[feature] = h
        above = plain_outputs(model, x + step).astype(np.float64)
        below = plain_outputs(model, x - step).astype(np.float64)
        difference = ((above - below) * v).sum(axis=1) / (2 * float(h))
        close = np.isclose(difference, gradient[:, feature], rtol=5e-3, atol=5e-3)
        matches += int(close.sum())
    # Piecewise linear: exact, but where a kink lies between the two points.
    assert matches >= 0.9 * 42


def test_gradient_of_images(tmp_path):
    target = tmp_path / "out.onnx"
    ended = command("gradient", MODELS / "mnist_cnn.onnx", "--out", target)
    assert ended.code == 0, ended.err
    assert str(target) in "".join(ended.out.splitlines())
    session = gradient_session(target)
    x = np.random.default_rng(1).uniform(size=(3, 1, 28, 28)).astype(np.float32)
    v = np.eye(10, dtype=np.float32)[[1, 2, 3]]
    logits, gradient = session.run(["logits", "gradient"], {"x": x, "v": v})
    expected = plain_outputs(MODELS / "mnist_cnn.onnx", x)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    assert gradient.shape == x.shape
    direction = np.random.default_rng(2).normal(size=x.shape).astype(np.float32)
    h = 1e-3
    above = plain_outputs(MODELS / "mnist_cnn.onnx", x + np.float32(h) * direction)
    slope = ((above - logits) * v).sum(axis=1) / h
    np.testing.assert_allclose(
        (gradient * direction).sum(axis=(1, 2, 3)), slope, rtol=0.05, atol=0.3
    )


def test_gradient_does_not_overwrite_the_model(tmp_path):
    path = mlp_file(tmp_path, (4, 6, 3))
    (tmp_path / "link.onnx").symlink_to(path)
    before = contents(tmp_path)
    for target in (path, tmp_path / "link.onnx", tmp_path / "." / "model.onnx"):
        ended = command("gradient", path, "--out", target)
        assert ended.code == 2
        assert ended.err.count("\n") == 1
        assert contents(tmp_path) == before


@pytest.mark.parametrize("target", ["/proc/none/g.onnx", "missing/g.onnx", "."])
def test_gradient_that_cannot_be_written(tmp_path, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    ended = command("gradient", DIGITS, "--out", target)
    assert ended.code == 2
    assert "cannot write" in ended.said
    assert ended.err.count("\n") == 1


def test_gradient_of_a_gradient_is_refused(tmp_path):
    """Two inputs and two outputs: one clear sentence."""
    shutil.copy(DIGITS, tmp_path / "m.onnx")
    assert command("gradient", tmp_path / "m.onnx").code == 0
    ended = command("gradient", tmp_path / "m.grad.onnx")
    assert ended.code == 3
    assert "2 inputs" in ended.said


def test_gradient_of_a_constant(tmp_path):
    path = saved(one_op("Gemm", (3,), "x", np.zeros((3, 2), np.float32), flatten=False), tmp_path)
    ended = command("gradient", path)
    assert ended.code == 0, ended.err
    session = gradient_session(tmp_path / "model.grad.onnx")
    feeds = {"x": np.ones((2, 3), np.float32), "v": np.ones((2, 2), np.float32)}
    for values in session.run(None, feeds):
        np.testing.assert_array_equal(values, 0)
