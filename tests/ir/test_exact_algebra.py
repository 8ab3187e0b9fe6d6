"""The exact algebra against rational arithmetic written out, and against float64."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from onnx_lippa.ir.algebra.exact_algebra import Exact, ExactAlgebra, TooManyProductsError
from onnx_lippa.ir.passes import forward_pass
from onnx_lippa.search.exact_system import compute_margins, find_constant_margin
from onnx_lippa.spec import Conjunction
from tests.support.graphs import graph_model, load_model, node, normal


def test_floats_of_all_sizes_are_kept_as_they_are():
    values = np.array([0.0, 1.0, -3.5, 0.1, 1e300, -1e-300, 5e-324, 2.0**-60])
    assert Exact.of(values).fractions() == [Fraction(v) for v in values.tolist()]
    with pytest.raises(TooManyProductsError):
        Exact.of(np.array([np.inf]))


def test_a_product_of_matrices_is_not_rounded():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, 5)) * 10.0 ** generator.uniform(-12, 12, (2, 5))
    w = generator.normal(size=(5, 3)) * 10.0 ** generator.uniform(-12, 12, (5, 3))
    found = ExactAlgebra().matmul(Exact.of(x), w).fractions()
    right = [
        sum(Fraction(x[i, k]) * Fraction(w[k, j]) for k in range(5))
        for i in range(2)
        for j in range(3)
    ]
    assert found == right


def test_what_takes_too_many_products_is_refused():
    with pytest.raises(TooManyProductsError):
        ExactAlgebra(10).matmul(Exact.of(np.ones((1, 4))), np.ones((4, 4)))


def test_a_network_of_many_operators_is_what_float64_says_but_for_rounding():
    constants = {
        "w": normal(0, 3, 2, 3, 3), "b": normal(1, 3), "v": normal(2, 27, 4), "c": normal(3, 4),
        "low": np.float32(-0.5), "high": np.float32(0.75),
    }  # fmt: skip
    nodes = [
        node("Conv", "x w b", "h", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("LeakyRelu", "h", "l", alpha=0.1),
        node("MaxPool", "h", "m", kernel_shape=[1, 1]),
        node("Clip", "h low high", "k"),
        node("Abs", "l", "a"),
        node("Sum", "a k m", "s"),
        node("Flatten", "s", "f"),
        node("Gemm", "f v c", "y"),
    ]
    model = load_model(graph_model(nodes, (2, 6, 6), constants))
    x = np.random.default_rng(5).normal(size=(1, 2, 6, 6))
    exact = forward_pass(ExactAlgebra(), model.network.steps, Exact.of(x))[-1].fractions()
    right = model.network.forward(x.reshape(1, -1))[0]
    assert np.allclose([float(value) for value in exact], right, rtol=1e-12, atol=1e-12)


def test_margins_at_a_point_and_constant_ones():
    weight = normal(4, 8, 3)
    weight[:, 1] = weight[:, 0]
    bias = np.array([1.0, 0.75, 0.0], np.float32)
    nodes = [
        node("Gemm", "x a", "h"), node("Relu", "h", "z"), node("Gemm", "z w b", "y"),
    ]  # fmt: skip
    model = load_model(graph_model(nodes, (4,), {"a": normal(5, 4, 8), "w": weight, "b": bias}))
    network, row = model.network, np.array([1.0, -1.0, 0.0])
    assert find_constant_margin(network, row, 0.125) == Fraction(1, 8)
    assert find_constant_margin(network, np.array([1.0, 0.0, -1.0]), 0.0) is None
    x = np.random.default_rng(6).uniform(0, 1, 4)
    (margin,) = compute_margins(network, x, [Conjunction(row[None], np.array([0.125]))])
    assert margin == Fraction(1, 8)
