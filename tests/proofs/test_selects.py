"""The same function by ``Where`` and by ``LeakyRelu``: the same verdict, about the same effort."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import onnx_lippa


def written(path, kind: str, generator: np.random.Generator):
    weights = [
        generator.normal(size=shape).astype(np.float32) for shape in ((4, 6), (6, 5), (5, 3))
    ]
    nodes, constants, value = [], [], "x"
    for number, weight in enumerate(weights):
        constants.append(numpy_helper.from_array(weight, f"w{number}"))
        out = "y" if number == 2 else f"z{number}"
        nodes.append(helper.make_node("MatMul", [value, f"w{number}"], [out]))
        if number < 2:
            value = f"a{number}"
            if kind == "LeakyRelu":
                nodes.append(helper.make_node("LeakyRelu", [out], [value], alpha=0.125))
                continue
            nodes.append(helper.make_node("Greater", [out, "zero"], [f"c{number}"]))
            nodes.append(helper.make_node("Mul", [out, "eighth"], [f"m{number}"]))
            nodes.append(helper.make_node("Where", [f"c{number}", out, f"m{number}"], [value]))
    for name, constant in (("zero", 0.0), ("eighth", 0.125)):
        constants.append(numpy_helper.from_array(np.array(constant, np.float32), name))
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])], constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    onnx.save(model, path)
    return onnx_lippa.load(path)


@pytest.mark.parametrize("seed", range(3))
def test_where_takes_the_effort_of_leaky_relu(seed, tmp_path):
    x = np.random.default_rng(seed).uniform(0.2, 0.8, (2, 4)).astype(np.float32)
    found = []
    for kind in ("Where", "LeakyRelu"):
        model = written(tmp_path / f"{kind}.onnx", kind, np.random.default_rng(seed))
        labels = model.runtime.forward(x.astype(np.float64)).argmax(axis=1)
        proofs = [
            outcome
            for eps in (0.02, 0.1, 0.3)
            for outcome in onnx_lippa.certify(model, x, labels, eps=eps, time_limit=20)
        ]
        found.append(proofs)
    for where, leaky in zip(*found, strict=True):
        assert where.verdict is leaky.verdict
        assert where.effort.nodes <= 2 * leaky.effort.nodes + 10


def jumping(path, seed: int, is_shared: bool = False):
    """Three inputs, ``Where(x W + b > 0, x A + a, x B)`` of five numbers, and two outputs."""
    generator = np.random.default_rng(seed)
    constants = {
        "W": generator.normal(size=(3, 1 if is_shared else 5)), "b": 0.2 * generator.normal(size=1),
        "A": 0.2 * generator.normal(size=(3, 5)), "a": generator.normal(size=5),
        "B": 0.2 * generator.normal(size=(3, 5)), "V": generator.normal(size=(5, 2)), "zero": 0.0,
    }  # fmt: skip
    comparison = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual")[seed % 4]
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["xW"]),
        helper.make_node("Add", ["xW", "b"], ["d"]),
        helper.make_node(comparison, ["d", "zero"], ["c"]),
        helper.make_node("MatMul", ["x", "A"], ["xA"]),
        helper.make_node("Add", ["xA", "a"], ["first"]),
        helper.make_node("MatMul", ["x", "B"], ["second"]),
        helper.make_node("Where", ["c", "first", "second"], ["z"]),
    ]
    last = "z"
    if is_shared:  # first + second, whatever the condition
        nodes.append(helper.make_node("Not", ["c"], ["not"]))
        nodes.append(helper.make_node("Where", ["not", "first", "second"], ["other"]))
        nodes.append(helper.make_node("Add", ["z", "other"], ["sum"]))
        last = "sum"
    nodes.append(helper.make_node("MatMul", [last, "V"], ["y"]))
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(np.float32(v), k) for k, v in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    onnx.save(model, path)
    return onnx_lippa.load(path)


def sampled(model) -> np.ndarray:
    """Outputs at many points of [-1, 1]^3."""
    points = np.random.default_rng(0).uniform(-1, 1, (20_000, 3)).astype(np.float32)
    return model.runtime.forward(points.astype(np.float64))


@pytest.mark.parametrize("seed", range(12))
def test_properties_of_jumps_are_decided(seed, tmp_path):
    model = jumping(tmp_path / "m.onnx", seed)
    least = float(sampled(model)[:, 0].min())
    for bound, holds in ((least + 0.01, False), (least - 0.2, True)):
        text = "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const X_2 Real)"
        text += "(declare-const Y_0 Real)(declare-const Y_1 Real)"
        for place in range(3):
            text += f"(assert (>= X_{place} -1.0))(assert (<= X_{place} 1.0))"
        (tmp_path / "p.vnnlib").write_text(f"{text}(assert (<= Y_0 {bound:.8f}))")
        found = onnx_lippa.verify(model, tmp_path / "p.vnnlib", time_limit=20)
        assert found.answer.value == ("unsat" if holds else "sat")


@pytest.mark.parametrize("norm", ("linf", "l2"))
@pytest.mark.parametrize("seed", range(6))
def test_classes_beside_jumps_are_decided(seed, norm, tmp_path):
    model = jumping(tmp_path / "m.onnx", seed)
    x = np.random.default_rng(seed).uniform(0.2, 0.8, (1, 3)).astype(np.float32)
    labels = model.runtime.forward(x.astype(np.float64)).argmax(axis=1)
    for eps in (0.05, 0.2, 0.5):
        proof = onnx_lippa.certify(model, x, labels, eps=eps, norm=norm, time_limit=20)
        assert proof[0].verdict.value in ("robust", "adversarial")


@pytest.mark.parametrize("seed", range(4))
def test_one_comparison_decides_all_that_depends_on_it(seed, tmp_path):
    """Of a sum of both branches, whatever the condition, nothing jumps."""
    model = jumping(tmp_path / "m.onnx", seed, is_shared=True)
    x = np.zeros((1, 3), np.float32)
    outputs = sampled(model)
    labels = model.runtime.forward(x.astype(np.float64)).argmax(axis=1)
    gap = outputs[:, labels[0]] - outputs[:, 1 - labels[0]]
    proof = onnx_lippa.certify(model, x, labels, eps=1.0, lower=-1.0, upper=1.0, time_limit=20)
    expected = "robust" if gap.min() > 0 else "adversarial"
    assert proof[0].verdict.value == expected
