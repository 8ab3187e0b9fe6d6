"""Arguments that the Python interface refuses, and what it says of them."""

from __future__ import annotations

import numpy as np
import pytest

import onnx_lippa
from onnx_lippa import InputError, attack
from tests.support.attacks import digits, some_digits
from tests.support.graphs import graph_model, node, saved


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"eps": -0.1}, "eps is -0.1"),
        ({"eps": np.nan}, "eps is nan"),
        ({"eps": np.inf}, "eps is inf"),
        ({"eps": None, "minimize": False}, "give eps"),
        ({"norm": "l7"}, "linf, l1, l2"),
        ({"norm": 3}, "linf, l1, l2"),
        ({"norm": None}, "linf, l1, l2"),
        ({"method": "fgsn"}, "choose one of lippa.*pgd"),
        ({"engine": "warp"}, "auto, rows, stacked"),
        ({"solver": "gurobi"}, "glop, highs"),
        ({"targets": "some"}, "all, runner-up"),
        ({"targets": [10]}, "from 0 to 9"),
        ({"targets": [-1]}, "from 0 to 9"),
        ({"targets": []}, "target"),
        ({"lower": 1.0, "upper": 1.0}, "--lower below --upper"),
        ({"lower": np.nan}, "--lower below --upper"),
        ({"upper": 0.5}, "outside the domain"),
        ({"restarts": -1}, "restarts is -1"),
        ({"gradient_steps": 0}, "gradient_steps is 0"),
        ({"lp_steps": -1}, "lp_steps is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"time_limit": 0.0}, "time limit"),
        ({"time_limit": np.nan}, "time limit"),
        ({"workers": 0}, "workers is 0"),
    ],
)
def test_options_refused(option, says):
    model, (x, y) = digits()[0], some_digits(3)
    with pytest.raises(InputError, match=says):
        attack(model, x, y, **{"eps": 0.1, **option})


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([0, 1], "number 2, but there are 3 inputs"),
        ([0, 1, 2, 3], "number 4, but there are 3 inputs"),
        (1 - np.eye(10)[:3], "one-hot"),
        ([0, 1, 10], "not a class"),
        ([0, -1, 2], "not a class"),
        ([0, 1.5, 2], "whole|integer|class number"),
        ([0.0, np.nan, 2.0], "whole|integer|class number"),
        (["a", "b", "c"], "3 classes, but the model has 10"),
    ],
)
def test_labels_refused(labels, says):
    model, (x, _) = digits()[0], some_digits(3)
    with pytest.raises(InputError, match=says):
        attack(model, x, labels, eps=0.1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.001, 1.001, 1e300])
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-np.inf, np.inf)])
def test_inputs_refused(value, bounds):
    if bounds[1] == np.inf and np.isfinite(value) and abs(value) < 2:
        pytest.skip("inside this domain")
    model, (x, y) = digits()[0], some_digits(3)
    spoiled = x.astype(np.float64)
    spoiled[1, 5] = value
    with pytest.raises(InputError, match="input 1"):
        attack(model, spoiled, y, eps=0.1, lower=bounds[0], upper=bounds[1])


@pytest.mark.parametrize("kind", [complex, "U3", object])
def test_types_of_inputs_refused(kind):
    model, (x, y) = digits()[0], some_digits(3)
    with pytest.raises(InputError, match="type"):
        attack(model, np.zeros(x.shape).astype(kind), y, eps=0.1)


def test_missing_model(tmp_path):
    with pytest.raises(InputError, match="cannot read the model"):
        attack(tmp_path / "no.onnx", np.zeros((1, 3), np.float32), eps=0.1)


def test_errors_are_of_one_family():
    assert issubclass(onnx_lippa.InputError, onnx_lippa.LippaError)
    assert issubclass(onnx_lippa.UnsupportedModelError, onnx_lippa.ModelError)
    assert issubclass(onnx_lippa.ModelMismatchError, onnx_lippa.ModelError)
    assert issubclass(onnx_lippa.FalseClaimError, onnx_lippa.LippaError)


@pytest.mark.parametrize(
    ("sample", "nodes"),
    [
        ((1,), [node("Relu", "x", "y")]),
        ((4,), [node("ReduceSum", "x one", "y", keepdims=0)]),
        ((4,), [node("ReduceSum", "x one", "s", keepdims=1), node("Sigmoid", "s", "y")]),
        ((2, 4, 4), [node("Relu", "x", "y")]),
    ],
    ids=["one logit", "a scalar", "one probability", "images"],
)
@pytest.mark.parametrize("call", ["attack", "certify", "audit", "minimal_distortion"])
def test_outputs_that_are_no_classes_are_refused_as_on_the_command_line(
    tmp_path, sample, nodes, call
):
    path = saved(graph_model(nodes, sample, {"one": np.array([1])}), tmp_path)
    x = np.full((1, *sample), 0.5, np.float32)
    ask = getattr(onnx_lippa, call)
    options = {} if call == "minimal_distortion" else {"eps": 0.1}
    for network in (path, onnx_lippa.load(path)):
        with pytest.raises(onnx_lippa.ModelError, match="a vector of class scores"):
            ask(network, x, **options)
