"""Searches for inputs that a property seeks: tiny networks by brute force, and the sample."""

from __future__ import annotations

import csv
from fractions import Fraction

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto

import onnx_lippa
from onnx_lippa import Answer, InputError, Property, falsify
from onnx_lippa.spec.formula import And, Comparison
from tests.support.attacks import mlp_file
from tests.support.graphs import graph_model, node, saved
from tests.support.shared_files import SHARED, needs_shared

INSTANCES = SHARED / "data" / "vnncomp" / "instances.csv"
QUICK = ("acasxu", "reach_prob_density", "rl_benchmarks", "tllverifybench", "safenlp")


def outputs_of(path, x):
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    shape = [n if isinstance(n, int) else 1 for n in entry.shape]
    return session.run(None, {entry.name: x.reshape(shape)})[0].ravel()


def check_sat(found, asked, path) -> np.ndarray:
    """The witness, which holds for what ONNX Runtime itself says, with no tolerance."""
    assert found.answer is Answer.SAT
    theirs = outputs_of(path, found.x)
    np.testing.assert_array_equal(theirs, found.outputs)
    exact_values = asked.exact_values_of(asked.cases[0], found.rounded) if found.rounded else None
    assert asked.holds(found.x, theirs, exact_values)
    return found.x


@pytest.mark.parametrize("seed", range(6))
def test_against_a_grid(tmp_path, seed):
    """Thresholds a little above and below the least output that a fine grid finds."""
    path = mlp_file(tmp_path, (2, 8, 8, 3), seed)
    steps = np.linspace(0.0, 1.0, 201, dtype=np.float32)
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    model = onnx_lippa.load(path)
    outputs = model.runtime.forward(grid)
    difference = outputs[:, 0].astype(np.float64) - outputs[:, 1]
    least, spread = float(difference.min()), float(np.ptp(difference))
    row = np.array([[1.0, -1.0, 0.0]])
    reached = Property.build([0, 0], [1, 1], [(row, [least])])
    check_sat(falsify(model, reached), reached, path)
    beyond = Property.build([0, 0], [1, 1], [(row, [least - 0.5 * spread])])
    assert falsify(model, beyond, restarts=1).answer is Answer.UNKNOWN


def test_ties_count(tmp_path):
    path = saved(graph_model([node("Relu", "x", "y")], (2,)), tmp_path)
    tie = Property.build([-2, -2], [-1, -1], [([[1, -1]], [0.0])])
    found = falsify(path, tie)
    check_sat(found, tie, path)
    assert isinstance(tie.formula, And)
    strict = Property.from_formula(
        And((*tie.formula.parts[:-1], Comparison((), ((0, Fraction(1)), (1, Fraction(-1))),
                                                   Fraction(0), strict=True))), 2, 2,
    )  # fmt: skip
    assert falsify(path, strict, restarts=0).answer is Answer.UNKNOWN


def test_the_second_box_and_the_second_alternative(tmp_path):
    path = saved(graph_model([node("Relu", "x", "y")], (1,)), tmp_path)
    spec = tmp_path / "two.vnnlib"
    spec.write_text(
        "(declare-const X_0 Real)(declare-const Y_0 Real)"
        "(assert (or (and (>= X_0 0) (<= X_0 1) (>= Y_0 2))"
        " (and (>= X_0 4) (<= X_0 5) (or (<= Y_0 3) (>= Y_0 4.75)))))"
    )
    asked = Property.from_vnnlib(spec)
    found = falsify(path, asked)
    assert check_sat(found, asked, path)[0] >= 4.75


def test_constraints_on_inputs_and_outputs_together(tmp_path):
    """X_0 + X_1 <= 0.5 and Y_0 - X_1 >= 0.2 with Y_0 = max(X_0, 0)."""
    path = saved(graph_model([node("Relu", "x", "y")], (2,)), tmp_path)
    spec = tmp_path / "joint.vnnlib"
    spec.write_text(
        "".join(f"(declare-const {v} Real)" for v in ("X_0", "X_1", "Y_0", "Y_1"))
        + "".join(f"(assert (>= X_{i} 0))(assert (<= X_{i} 1))" for i in (0, 1))
        + "(assert (<= (+ X_0 X_1) 0.5))(assert (>= (- Y_0 X_1) 0.45))"
    )
    asked = Property.from_vnnlib(spec)
    assert asked.joint
    found = falsify(path, asked)
    check_sat(found, asked, path)
    assert len(found.outputs) == 2


def test_no_condition_on_the_outputs(tmp_path):
    path = saved(graph_model([node("Relu", "x", "y")], (1,)), tmp_path)
    spec = tmp_path / "inputs.vnnlib"
    spec.write_text(
        "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (>= X_0 0.25))(assert (<= X_0 1))"
    )
    asked = Property.from_vnnlib(spec)
    check_sat(falsify(path, asked), asked, path)


def test_inputs_that_no_float_meets(tmp_path):
    path = saved(graph_model([node("Relu", "x", "y")], (2,)), tmp_path)
    spec = tmp_path / "fixed.vnnlib"
    spec.write_text(
        "".join(f"(declare-const {v} Real)" for v in ("X_0", "X_1", "Y_0", "Y_1"))
        + "(assert (= X_0 0.1))(assert (>= X_1 0))(assert (<= X_1 1))(assert (>= Y_1 0.9))"
    )
    asked = Property.from_vnnlib(spec)
    found = falsify(path, asked)
    assert check_sat(found, asked, path)[0] == np.float32(0.1)
    assert found.rounded == (0,)
    assert "1 input" in found.note


def test_float64_without_a_batch_axis(tmp_path):
    model = graph_model(
        [node("MatMul", "w x", "h"), node("Relu", "h", "y")], (),
        {"w": np.array([[1e6], [-1.0]])}, batch=1, element=TensorProto.DOUBLE,
    )  # fmt: skip
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    path = saved(model, tmp_path)
    asked = Property.build([0.0], [1.0], [([[1.0, 0.0]], [1e-4]), ([[-1.0, 0.0]], [-999_999.9999])])
    found = falsify(path, asked)
    assert check_sat(found, asked, path).dtype == np.float64


@pytest.mark.parametrize(("inputs", "outputs", "kind"), [(3, 2, "input"), (2, 3, "output")])
def test_a_property_of_another_model(tmp_path, inputs, outputs, kind):
    path = saved(graph_model([node("Relu", "x", "y")], (2,)), tmp_path)
    row = np.ones((1, outputs))
    asked = Property.build([0] * inputs, [1] * inputs, [(row, [0.0])])
    with pytest.raises(InputError, match=f"3 {kind}s, but model.onnx has 2"):
        falsify(path, asked)


def test_behind_a_softmax_only_the_order_can_be_specified(tmp_path):
    path = saved(graph_model([node("Softmax", "x", "y", axis=1)], (2,)), tmp_path)
    order = Property.build([0, 0], [1, 1], [([[1, -1]], [0.0])])
    check_sat(falsify(path, order), order, path)
    with pytest.raises(InputError, match="only the order of the outputs"):
        falsify(path, Property.build([0, 0], [1, 1], [([[1, 0]], [0.2])]))


def test_the_same_seed_finds_the_same(tmp_path):
    path = mlp_file(tmp_path, (4, 10, 10, 2), 3)
    asked = Property.build([0] * 4, [1] * 4, [([[1, -1]], [0.0]), ([[-1, 1]], [0.0])])
    one, two = (falsify(path, asked, seed=5) for _ in range(2))
    np.testing.assert_array_equal(one.x, two.x)


def test_time_is_kept(tmp_path):
    path = mlp_file(tmp_path, (5, 50, 50, 2), 3)
    asked = Property.build([0] * 5, [1] * 5, [([[1, 0]], [-1e6])])
    found = falsify(path, asked, timeout=0.3, restarts=1000)
    assert found.answer is Answer.TIMEOUT
    assert found.effort.seconds < 3


def rows_of_the_sample():
    with INSTANCES.open() as file:
        return list(csv.DictReader(file))


def answered(row, timeout):
    asked = Property.from_vnnlib(INSTANCES.parent / row["vnnlib"])
    path = INSTANCES.parent / row["onnx"]
    return falsify(path, asked, timeout=timeout), asked, path


@needs_shared("data/vnncomp")
@pytest.mark.parametrize("benchmark", QUICK)
def test_small_networks_of_the_sample(benchmark):
    wanted = [r for r in rows_of_the_sample() if r["benchmark"] == benchmark]
    for row in [r for r in wanted if r["expected"] == "sat"]:
        check_sat(*answered(row, 20.0))


@pytest.mark.slow
@needs_shared("data/vnncomp")
def test_the_whole_sample():
    """Every sat is found; nothing is claimed on an unsat."""
    for row in rows_of_the_sample():
        expected = row["expected"]
        found, asked, path = answered(row, 60.0 if expected == "sat" else 1.5)
        if expected == "unsat":
            assert found.answer is not Answer.SAT, row
        elif path.suffix == ".gz":
            assert found.answer is Answer.SAT, row
        else:
            check_sat(found, asked, path)
