"""Preprocessing in front of a model: what is computed, and in which space runs are."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import onnx_lippa
from onnx_lippa import InputError, ModelError, Preprocess
from onnx_lippa.runs.identity import read_run
from tests.support.commands import FEW, assert_refused, command
from tests.support.graphs import graph_model, load_model, node, saved

SHAPES = {"NCHW": (3, 2, 4), "NHWC": (2, 4, 3)}


def image_model(layout="NCHW", opset=17):
    """A small network of images, trained on nothing."""
    generator = np.random.default_rng(3)
    constants = {
        "w": generator.normal(size=(24, 6)).astype(np.float32) / 4,
        "v": generator.normal(size=(6, 3)).astype(np.float32),
    }
    nodes = [
        node("Flatten", "x", "f"), node("MatMul", "f w", "h"), node("Relu", "h", "r"),
        node("MatMul", "r v", "y"),
    ]  # fmt: skip
    return graph_model(nodes, SHAPES[layout], constants, opset=opset)


def plain_outputs(path, x, layout, wanted):
    """What the file gives for inputs that NumPy has preprocessed."""
    x = x.astype(np.float64)
    stated = wanted.layout or layout
    if stated != layout:
        x = np.moveaxis(x, -1, 1) if layout == "NCHW" else np.moveaxis(x, 1, -1)
    axis = 1 if layout == "NCHW" else 3
    if wanted.channels == "BGR":
        x = np.flip(x, axis)
    shape = [1, 1, 1, 1]
    shape[axis] = 3
    mean, std = (np.broadcast_to(np.asarray(v, float), 3).reshape(shape)
                 for v in (wanted.mean, wanted.std))  # fmt: skip
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": ((wanted.scale * x - mean) / std).astype(np.float32)})[0]


NUMBER = st.floats(0.25, 4.0)
NUMBERS = st.one_of(NUMBER, st.tuples(NUMBER, NUMBER, NUMBER))


@given(
    wanted=st.builds(
        Preprocess, mean=NUMBERS, std=NUMBERS, scale=NUMBER,
        layout=st.sampled_from([None, "NCHW", "NHWC"]), channels=st.sampled_from(["RGB", "BGR"]),
    ),
    layout=st.sampled_from(["NCHW", "NHWC"]),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_the_whole_is_what_numpy_computes(tmp_path_factory, wanted, layout):
    path = saved(image_model(layout), tmp_path_factory.mktemp("preprocess"))
    model = onnx_lippa.load(path, preprocess=wanted)  # which compares network and ONNX Runtime
    assert model.network.input_shape == SHAPES[wanted.layout or layout]
    x = np.random.default_rng(0).random((5, *model.network.input_shape), np.float32)
    expected = plain_outputs(path, x, layout, wanted)
    tolerance = {"rtol": 1e-4, "atol": 1e-4 * np.abs(expected).max()}
    np.testing.assert_allclose(model.runtime.forward(x.reshape(5, -1)), expected, **tolerance)
    again = model.source.open()
    np.testing.assert_array_equal(
        again.runtime.forward(x.reshape(5, -1)), model.runtime.forward(x.reshape(5, -1))
    )
    assert Preprocess.parse(json.loads(json.dumps(wanted.as_json()))) == wanted


def test_runs_are_in_the_space_of_the_pixels(tmp_path):
    """Witnesses are pixels; NumPy's preprocessing and the file alone confirm them."""
    path = saved(image_model(), tmp_path)
    x = np.random.default_rng(1).integers(0, 256, (20, 2, 4, 3), dtype=np.uint8)
    wanted = Preprocess(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), layout="NHWC")
    out, eps = tmp_path / "run", 8 / 255
    results = onnx_lippa.audit(path, x, eps=eps, preprocess=wanted, out=out)
    assert results.figures.counts.adversarial > 2
    assert results.figures.counts.robust > 2
    clean = (x / 255).astype(np.float32)
    labels = plain_outputs(path, clean, "NCHW", wanted).argmax(axis=1)
    for result in results:
        if result.witness is not None:
            found = result.witness.x.reshape(1, 2, 4, 3)
            assert np.abs(found.astype(float) - clean[result.index]).max() <= eps
            assert found.min() >= 0 and found.max() <= 1
            outputs = plain_outputs(path, found, "NCHW", wanted)[0]
            assert outputs.argmax() != labels[result.index]
    assert read_run(out).identity.preprocess == wanted
    assert onnx_lippa.replay(out).adversarial == results.figures.counts.adversarial
    with pytest.raises(InputError, match=r"it differs in .*the preprocessing"):
        onnx_lippa.audit(path, x.transpose(0, 3, 1, 2), eps=eps, preprocess="imagenet", out=out)
    run = json.loads((out / "run.json").read_text())
    run["preprocess"]["scale"] = 2.0
    (out / "run.json").write_text(json.dumps(run))
    with pytest.raises(onnx_lippa.LippaError):
        onnx_lippa.replay(out)


def test_the_command_line_and_python_agree(tmp_path):
    path = saved(image_model(), tmp_path)
    x = np.random.default_rng(1).random((6, 3, 2, 4), np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=np.zeros(6, int))
    words = "imagenet channels=BGR scale=2/2"
    ended = command("attack", path, tmp_path / "d.npz", "--eps", "0.02", "--preprocess", words,
                    "--json", *FEW)  # fmt: skip
    wanted = Preprocess(
        mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), channels="BGR", scale=1
    )
    results = onnx_lippa.attack(
        path, x, np.zeros(6, int), eps=0.02, preprocess=wanted, restarts=1, gradient_steps=15,
        lp_steps=3,
    )  # fmt: skip
    figures = json.loads(ended.out)
    assert figures["counts"] == results.figures.as_json()["counts"]
    assert figures["preprocess"] == str(wanted)


def test_features_of_a_table_are_standardised(tmp_path):
    constants = {"w": np.float32([[1, -1], [2, -2]])}
    path = saved(graph_model([node("MatMul", "x w", "y")], (2,), constants), tmp_path)
    model = onnx_lippa.load(path, preprocess=Preprocess(mean=[10, 20], std=[2, 4]))
    np.testing.assert_allclose(model.runtime.forward(np.float32([[12, 28]])), [[5, -5]])


def test_a_mean_of_each_pixel(tmp_path):
    mean = np.random.default_rng(5).random((3, 2, 4))
    path = saved(image_model(), tmp_path)
    model = onnx_lippa.load(path, preprocess=Preprocess(mean=mean, std=[1, 2, 4]))
    x = np.random.default_rng(6).random((3, 3, 2, 4), np.float32)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    stated = ((x - mean) / np.array([1, 2, 4]).reshape(3, 1, 1)).astype(np.float32)
    expected = session.run(None, {"x": stated})[0]
    np.testing.assert_allclose(model.runtime.forward(x.reshape(3, -1)), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"std": 0.0}, "std of the preprocessing holds 0"),
        ({"mean": [np.nan]}, "no finite numbers"),
        ({"scale": [1, 2]}, "scale of the preprocessing is one number"),
        ({"layout": "CHWN"}, "no layout 'CHWN'"),
        ({"channels": "GRB"}, "no channel order"),
    ],
)
def test_parts_refused(parts, says):
    with pytest.raises(InputError, match=says):
        Preprocess(**parts)


def test_what_does_not_fit_the_model(tmp_path):
    path = saved(image_model(), tmp_path)
    with pytest.raises(InputError, match=r"needs 5 channels"):
        onnx_lippa.load(path, preprocess=Preprocess(mean=[1, 2, 3, 4, 5]))
    with pytest.raises(InputError, match="there is no preprocessing 'cifar': give imagenet"):
        onnx_lippa.load(path, preprocess="cifar")
    with pytest.raises(ModelError, match="opset 6"):
        load_model(image_model(opset=6), preprocess="imagenet")
    loaded = onnx_lippa.load(path)
    with pytest.raises(InputError, match="loaded already"):
        onnx_lippa.attack(loaded, np.zeros((1, 3, 2, 4)), eps=0.1, preprocess="imagenet")
    for words, says in (("mean=x", "mean is 'x'"), ("median=1", "not understood at 'median=1'")):
        ended = command("attack", path, "--eps", "0.1", "--preprocess", words)
        assert_refused(ended, 2, says)


def test_the_file_is_left_as_it_is(tmp_path):
    path = saved(image_model(), tmp_path)
    before = path.read_bytes()
    plain, composed = onnx_lippa.load(path), onnx_lippa.load(path, preprocess="imagenet")
    assert plain.file.sha256 == composed.file.sha256
    assert path.read_bytes() == before
    target = onnx_lippa.gradient(path, tmp_path / "g.onnx", preprocess="imagenet")
    graph = onnx.load(target)
    assert len(graph.graph.input) == 2
