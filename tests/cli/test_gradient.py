"""``onnx-lippa gradient``."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from tests.support.attacks import DIGITS, mlp_file, plain_outputs
from tests.support.commands import command, contents
from tests.support.graphs import one_op, saved
from tests.support.paths import MODELS


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
