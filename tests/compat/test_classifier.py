"""Scores and gradients of a file as arrays, against ONNX Runtime and differences."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import onnxruntime as ort
import pytest

import onnx_lippa
from onnx_lippa import compat
from tests.support.graphs import graph_model, load_model, node
from tests.support.paths import EXPORTS, MODELS

DIGITS = MODELS / "digits_mlp.onnx"


@pytest.fixture(scope="module")
def digits():
    data = np.load(DIGITS.with_suffix(".npz"))
    return compat.OnnxClassifier(DIGITS), data["x"][:20], data["y"][:20]


def test_scores_are_those_of_the_file(digits):
    classifier, x, _ = digits
    (expected,) = ort.InferenceSession(DIGITS).run(None, {"input": x})
    assert classifier.scores(x).tobytes() == expected.tobytes()
    assert classifier.input_shape == (64,)
    assert classifier.classes == 10
    assert classifier.scores(x[:0]).shape == (0, 10)


def test_scores_leave_a_trailing_softmax_out(tmp_path, digits):
    classifier, x, y = digits
    model = onnx.load(DIGITS)
    last = model.graph.output[0].name
    model.graph.node.append(onnx.helper.make_node("Softmax", [last], ["p"], axis=1))
    model.graph.output[0].name = "p"
    onnx.save(model, tmp_path / "softmax.onnx")
    other = compat.OnnxClassifier(tmp_path / "softmax.onnx")
    np.testing.assert_allclose(other.scores(x), classifier.scores(x), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(other.loss(x, y), classifier.loss(x, y), rtol=1e-3, atol=1e-4)


def test_gradient_of_the_loss_against_differences(digits):
    classifier, x, y = digits
    gradient = classifier.loss_gradient(x, y)
    assert gradient.shape == x.shape
    step = np.random.default_rng(0).normal(size=x.shape).astype(np.float32)
    for one_hot in (y, np.eye(10, dtype=np.float32)[y]):
        rise = classifier.loss(x + 1e-3 * step, one_hot) - classifier.loss(x - 1e-3 * step, one_hot)
        slope = rise / 2e-3
        close = np.isclose(slope, (gradient * step).sum(axis=1), rtol=0.05, atol=0.02)
        assert close.mean() > 0.8, "some steps cross a kink"


def test_gradients_of_classes_are_rows_of_one_jacobian(digits):
    classifier, x, y = digits
    every = classifier.class_gradient(x)
    assert every.shape == (20, 10, 64)
    np.testing.assert_array_equal(classifier.class_gradient(x, 3)[:, 0], every[:, 3])
    np.testing.assert_array_equal(classifier.class_gradient(x, y)[:, 0], every[np.arange(20), y])
    v = np.random.default_rng(0).normal(size=(20, 10)).astype(np.float32)
    expected = np.einsum("nk,nkd->nd", v, every)
    np.testing.assert_allclose(classifier.gradient(x, v), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda c, x: c.scores(x[:, :9]), "shape (20, 9): give (n, 64)"),
        (lambda c, x: c.gradient(x, np.ones((20, 9))), "give (20, 10)"),
        (lambda c, x: c.loss(x, np.zeros(3, int)), "give (20,) classes"),
        (lambda c, x: c.loss(x, np.full(20, 10)), "integers from 0 to 9"),
        (lambda c, x: c.class_gradient(x, 0.5), "integers from 0 to 9"),
    ],
)
def test_other_shapes_are_refused(digits, call, words):
    classifier, x, _ = digits
    with pytest.raises(onnx_lippa.InputError) as refused:
        call(classifier, x)
    assert words in str(refused.value)


def test_a_regression_is_no_classifier():
    (path,) = [one for one in EXPORTS if one.stem == "regressor"][:1] or pytest.fail("none")
    with pytest.raises(onnx_lippa.ModelError, match="class scores"):
        compat.OnnxClassifier(path)


def test_what_others_found_is_replayed(digits):
    classifier, x, y = digits
    found = onnx_lippa.attack(classifier.model, x, y, eps=0.1, workers=1, restarts=1)
    replayed = compat.check_adversarials(classifier.model, x, y, found.adversarials, eps=0.1)
    assert [one is not None for one in replayed] == found.success.tolist()
    assert found.success.sum() > 5
    nothing = compat.check_adversarials(classifier.model, x, y, x, eps=0.1)
    assert [one is not None for one in nothing] == [
        one is onnx_lippa.Verdict.MISCLASSIFIED for one in found.verdicts
    ]


def test_what_lies_outside_the_ball_is_moved_into_it(digits):
    classifier, x, y = digits
    found = onnx_lippa.attack(classifier.model, x, y, eps=0.1, workers=1, restarts=1)
    for witness in compat.check_adversarials(classifier.model, x, y, found.adversarials, eps=0.02):
        assert witness is None or witness.distance <= 0.02
    with pytest.raises(onnx_lippa.InputError, match="give one for each input"):
        compat.check_adversarials(classifier.model, x, y, x[:3], eps=0.1)
    with pytest.raises(onnx_lippa.InputError, match="adversarials"):
        compat.check_adversarials(classifier.model, x, y, x[:, :3], eps=0.1)


@pytest.mark.parametrize(
    ("call", "package"),
    [("torch_module", "torch"), ("foolbox_model", "foolbox"), ("art_classifier", "art")],
)
def test_without_the_library_a_sentence_says_what_to_install(call, package):
    script = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from onnx_lippa import compat, InputError\n"
        "try:\n"
        f"    compat.{call}({str(DIGITS)!r})\n"
        "except InputError as error:\n"
        "    print(error)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "install it with pip install" in ended.stdout, ended.stderr


@pytest.mark.parametrize(
    ("shape", "first"),
    [((64,), True), ((3, 8, 8), True), ((8, 8, 3), False), ((1, 8, 8), True), ((8, 8, 1), False),
     ((3, 8, 3), True), ((8, 3), True), ((5, 8, 8), True)],
)  # fmt: skip
def test_where_the_channels_are(shape, first):
    nodes = [node("Flatten", "x", "f"), node("MatMul", "f w")]
    weights = np.ones((np.prod(shape), 2), np.float32)
    classifier = compat.OnnxClassifier(load_model(graph_model(nodes, shape, {"w": weights})))
    assert classifier.input_shape == shape
    assert classifier.channels_first is first
