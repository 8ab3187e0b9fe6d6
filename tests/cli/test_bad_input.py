"""Bad input: one clear sentence, the right exit code, and nothing on disk lost."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.support.attacks import DIGITS, DIGITS_DATA, mlp_file
from tests.support.commands import FEW, assert_refused, command, contents
from tests.support.graphs import graph_model, node, normal, one_op, saved, with_batch


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The --out folder of a run."""
    out = tmp_path_factory.mktemp("finished") / "run"
    ended = command("attack", DIGITS, "--eps", 0.05, "--first", 2, *FEW, "--out", out)
    assert ended.code == 0
    return out


@pytest.fixture
def kept(finished, tmp_path):
    """A finished run that no bad command may touch."""
    shutil.copytree(finished, tmp_path / "kept")
    return tmp_path / "kept"


# Models


def dense() -> onnx.ModelProto:
    return one_op("Gemm", (4,), "x", normal(1, 4, 3), normal(2, 3), flatten=False)


def truncated(folder):
    content = DIGITS.read_bytes()
    (folder / "bad.onnx").write_bytes(content[: len(content) // 2])


def text(folder):
    (folder / "bad.onnx").write_text("not a model\n" * 50)


def empty(folder):
    (folder / "bad.onnx").write_bytes(b"")


def external(location):
    def write(folder):
        model = dense()
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        saved(model, folder, "bad.onnx")

    return write


def spoiled(value):
    def write(folder):
        weight = normal(1, 4, 3)
        weight[1, 2] = value
        model = one_op("Gemm", (4,), "x", weight, normal(2, 3), flatten=False)
        saved(model, folder, "bad.onnx")

    return write


def several_inputs(folder):
    model = graph_model([node("Add", "x z", "y")], (3,))
    model.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 3]))
    saved(model, folder, "bad.onnx")


def several_outputs(folder):
    model = graph_model([node("Relu", "x", "y"), node("Identity", "y", "z")], (3,))
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, None))
    saved(model, folder, "bad.onnx")


def dynamic(folder):
    saved(graph_model([node("Relu", "x", "y")], ("features",)), folder, "bad.onnx")


def fixed_batch(folder):
    saved(with_batch(dense(), 8), folder, "bad.onnx")


def half(folder):
    graph = graph_model([node("Relu", "x", "y")], (3,), element=TensorProto.FLOAT16)
    saved(graph, folder, "bad.onnx")


def overflowing(folder):
    huge = np.full((4, 3), 3e38, np.float32)
    saved(one_op("Gemm", (4,), "x", huge, flatten=False), folder, "bad.onnx")


def image_output(folder):
    saved(graph_model([node("Relu", "x", "y")], (2, 3)), folder, "bad.onnx")


MODELS = {
    "truncated": (truncated, "not an ONNX model"),
    "text": (text, "not an ONNX model"),
    "empty": (empty, "not an ONNX model"),
    "external weights missing": (external("weights.bin"), "external weights"),
    "external weights outside": (external("../weights.bin"), "external weights"),
    "NaN weight": (spoiled(np.nan), "NaN"),
    "infinite weight": (spoiled(np.inf), "infinite"),
    "several inputs": (several_inputs, "2 inputs"),
    "several outputs": (several_outputs, "2 outputs"),
    "dynamic axis": (dynamic, "dynamic"),
    "fixed batch": (fixed_batch, "batch size 8"),
    "float16": (half, "float32 or float64"),
    "overflow": (overflowing, "infinite"),
    "image as output": (image_output, "class"),
}


@pytest.mark.parametrize("name", list(MODELS))
def test_models(tmp_path, kept, name):
    write, says = MODELS[name]
    write(tmp_path)
    before = contents(tmp_path)
    ended = command("attack", tmp_path / "bad.onnx", "--eps", 0.1, *FEW, "--out", kept)
    # An unsupported node is listed below the sentence.
    if ended.err.count("\n") > 1:
        assert ended.code == 3
        assert says in ended.err
        assert "Traceback" not in ended.err
    else:
        assert_refused(ended, 3, says)
    assert contents(tmp_path) == before
    for other in ("inspect", "gradient"):
        ended = command(other, tmp_path / "bad.onnx")
        # An image as output is no classifier, but a network like any other.
        assert ended.code == (0 if name == "image as output" else 3)
        assert "Traceback" not in ended.err
        (tmp_path / "bad.grad.onnx").unlink(missing_ok=True)
        assert contents(tmp_path) == before


@pytest.mark.parametrize("verb", ["attack", "inspect", "gradient"])
def test_no_model(tmp_path, verb):
    assert_refused(command(verb, tmp_path / "none.onnx"), 2, "none.onnx", "No such file")
    assert_refused(command(verb, tmp_path), 2, "directory")
    assert list(tmp_path.iterdir()) == []


# Data


def write_data(folder, **arrays):
    np.savez(folder / "bad.npz", **arrays)


def good():
    with np.load(DIGITS_DATA) as data:
        return data["x"][:6].copy(), data["y"][:6].copy()


def outside(value):
    def write(folder):
        x, y = good()
        x[4, 10] = value
        write_data(folder, x=x, y=y)

    return write


def labels(value):
    def write(folder):
        x, y = good()
        write_data(folder, x=x, y=np.where(np.arange(6) == 3, value, y))

    return write


def arrays(**values):
    return lambda folder: write_data(folder, **values)


def raw(content):
    return lambda folder: (folder / "bad.npz").write_bytes(content)


DATA = {
    "above the domain": (outside(1.5), "input 4"),
    "below the domain": (outside(-0.001), "input 4"),
    "just above the domain": (outside(np.nextafter(np.float32(1), np.float32(2))), "input 4"),
    "NaN": (outside(np.nan), "input 4"),
    "infinite": (outside(np.inf), "input 4"),
    "label too large": (labels(10), "label 10"),
    "label negative": (labels(-1), "label -1"),
    "label not whole": (labels(2.5), "label 2.5"),
    "fewer labels": (arrays(x=good()[0], y=good()[1][:3]), "labels"),
    "one-hot labels": (arrays(x=good()[0], y=1 - np.eye(10)[good()[1]]), "one-hot"),
    "no inputs": (arrays(x=np.zeros((0, 64), np.float32), y=np.zeros(0, int)), "no inputs"),
    "other names": (arrays(pictures=good()[0]), "'images', 'x' or 'inputs'"),
    "other shape": (arrays(x=np.zeros((6, 63), np.float32)), "(6, 63)"),
    "text inside": (arrays(x=np.array(["a", "b"])), "bad.npz"),
    "empty file": (raw(b""), "bad.npz"),
    "text file": (raw(b"not data at all\n"), "bad.npz"),
    "half a file": (raw(DIGITS_DATA.read_bytes()[:4000]), "bad.npz"),
}


@pytest.mark.parametrize("name", list(DATA))
def test_data(tmp_path, kept, name):
    write, says = DATA[name]
    write(tmp_path)
    before = contents(tmp_path)
    words = ("attack", DIGITS, tmp_path / "bad.npz", "--eps", 0.1, *FEW)
    assert_refused(command(*words, "--out", kept), 2, says)
    assert_refused(command(*words, "--out", tmp_path / "new"), 2, says)
    assert contents(tmp_path) == before
    assert not (tmp_path / "new").exists()


def test_no_data(tmp_path):
    assert_refused(command("attack", DIGITS, tmp_path / "none.npz"), 2, "none.npz")
    assert_refused(command("attack", DIGITS, tmp_path), 2, "folder")
    assert_refused(command("attack", DIGITS, DIGITS), 2, "format")


def test_bad_data_beside_the_model(tmp_path):
    """A damaged file is not passed over for drawn inputs."""
    shutil.copy(DIGITS, tmp_path / "net.onnx")
    (tmp_path / "net.npz").write_bytes(b"damaged")
    assert_refused(command("attack", tmp_path / "net.onnx"), 2, "net.npz")


# Arguments

OPTIONS = {
    "eps negative": (("--eps", "-0.1"), "eps is -0.1"),
    "eps NaN": (("--eps", "nan"), "eps is nan"),
    "eps infinite": (("--eps", "inf"), "eps is inf"),
    "norm": (("--norm", "l7"), "linf, l1, l2"),
    "solver": (("--solver", "gurobi"), "glop, highs"),
    "solver of linear programs for l2": (("--norm", "l2", "--solver", "glop"), "glop"),
    "solver without cones for l2": (("--norm", "l2", "--solver", "pdlp"), "pdlp"),
    "engine": (("--engine", "warp"), "auto, rows, stacked"),
    "method": (("--method", "fgsn"), "choose one of lippa"),
    "targets": (("--targets", "some"), "all, runner-up"),
    "targets empty": (("--targets", ""), "all, runner-up"),
    "target too large": (("--targets", "3,10"), "from 0 to 9"),
    "target far too large": (("--targets", "99999999999999999999"), "from 0 to 9"),
    "target negative": (("--targets", "-1"), "from 0 to 9"),
    "first zero": (("--first", "0"), "--first is 0"),
    "first negative": (("--first", "-5"), "--first is -5"),
    "first and indices": (("--first", "2", "--indices", "1"), "exclude each other"),
    "indices words": (("--indices", "one,two"), "0,5,7"),
    "indices empty": (("--indices", ""), "0,5,7"),
    "indices range": (("--indices", "1-3"), "0,5,7"),
    "index too large": (("--indices", "0,200"), "from 0 to 199"),
    "index far too large": (("--indices", "99999999999999999999"), "--indices"),
    "index negative": (("--indices", "-1"), "from 0 to 199"),
    "index twice": (("--indices", "4,4"), "different"),
    "domain empty": (("--lower", "1", "--upper", "1"), "--lower below --upper"),
    "domain turned": (("--lower", "1", "--upper", "0"), "--lower below --upper"),
    "domain NaN": (("--lower", "nan"), "--lower below --upper"),
    "domain too small": (("--upper", "0.5"), "outside the domain"),
    "time limit zero": (("--time-limit", "0"), "time limit"),
    "time limit negative": (("--time-limit", "-1"), "time limit"),
    "time limit NaN": (("--time-limit", "nan"), "time limit"),
    "restarts": (("--restarts", "-1"), "restarts is -1"),
    "gradient steps": (("--gradient-steps", "0"), "gradient_steps is 0"),
    "LP steps": (("--lp-steps", "-1"), "lp_steps is -1"),
    "seed": (("--seed", "-1"), "seed is -1"),
    "workers zero": (("--workers", "0"), "workers is 0"),
    "workers negative": (("--workers", "-2"), "workers is -2"),
}


@pytest.mark.parametrize("name", list(OPTIONS))
def test_options(tmp_path, name):
    words, says = OPTIONS[name]
    some = () if {"--first", "--indices"} & set(words) else ("--first", "3")
    radius = () if "--eps" in words else ("--eps", "0.05")
    ended = command("attack", DIGITS, *some, *radius, *words, "--out", tmp_path / "new")
    assert_refused(ended, 2, says)
    assert not (tmp_path / "new").exists(), "nothing is begun"


@pytest.mark.parametrize("words", [("--eps", "much"), ("--first", "2.5"), ("--seed", "x"),
                                   ("--workers", "two"), ("--wings",)])  # fmt: skip
def test_options_of_another_type(words):
    ended = command("attack", DIGITS, *words)
    assert ended.code == 2
    assert words[0] in ended.said
    assert "Traceback" not in ended.err


def test_indices_without_data(tmp_path):
    model = mlp_file(tmp_path, (3, 4, 2))
    assert_refused(command("attack", model, "--indices", "1"), 2, "--indices", "DATA")


def test_replay_of_nothing(tmp_path):
    assert_refused(command("replay", tmp_path), 2, "holds no run")
    assert_refused(command("replay", tmp_path / "none"), 2, "holds no run")


def test_replay_with_another_model(kept):
    other = DIGITS.with_name("mnist_mlp.onnx")
    assert_refused(command("replay", kept, "--model", other), 2, "SHA-256", "--model")
    assert_refused(command("replay", kept, "--model", kept / "none.onnx"), 2, "none.onnx")


def test_replay_of_a_false_claim(kept):
    path = kept / "summary.json"
    path.write_text(path.read_text().replace('"adversarial": 1', '"adversarial": 2'))
    assert_refused(command("replay", kept), 1, "counts")


def test_a_model_that_differs_from_onnx_runtime(tmp_path, monkeypatch):
    """A wrong import stops everything, naming the first step that differs."""
    from onnx_lippa.ir.layers.activation import Relu

    monkeypatch.setattr(Relu, "forward", lambda self, algebra, x: x)
    for words in (("attack", DIGITS), ("inspect", DIGITS), ("gradient", DIGITS)):
        ended = command(*words)
        assert ended.code == 3
        assert "step 2, Relu '/1/Relu'" in ended.said
        assert "Traceback" not in ended.err


@pytest.mark.parametrize("words", [("--first", 2), ("--indices", "0,1")])
def test_inputs_that_are_not_asked_for_are_not_looked_at(tmp_path, words):
    with np.load(DIGITS_DATA) as data:
        x, y = data["x"][:5].copy(), data["y"][:5]
    x[3] = np.nan
    np.savez(tmp_path / "data.npz", x=x, y=y)
    attack = ("attack", DIGITS, tmp_path / "data.npz", "--eps", 0.01, *FEW)
    ended = command(*attack, *words)
    assert ended.code == 0, ended
    assert_refused(command(*attack, "--indices", "0,4"), 2, "input 3 in")
