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
    for name, number in (("zero", 0.0), ("eighth", 0.125)):
        constants.append(numpy_helper.from_array(np.float32(number), name))
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
        labels = model.runtime.outputs(x.astype(np.float64)).argmax(axis=1)
        proofs = [
            outcome
            for eps in (0.02, 0.1, 0.3)
            for outcome in onnx_lippa.prove(model, x, labels, eps=eps, time_limit=20).outcomes
        ]
        found.append(proofs)
    for where, leaky in zip(*found, strict=True):
        assert where.verdict is leaky.verdict
        assert where.nodes <= 2 * leaky.nodes + 10
