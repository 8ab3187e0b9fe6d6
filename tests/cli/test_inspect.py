"""``onnx-lippa inspect``."""

from __future__ import annotations

import onnx

from tests.support.attacks import DIGITS
from tests.support.commands import command
from tests.support.graphs import graph_model, node, normal, saved
from tests.support.paths import MODELS


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
