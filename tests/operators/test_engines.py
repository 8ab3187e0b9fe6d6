"""Both LP engines find the same optimum in networks of every kind of piecewise-linear unit."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from onnx_lippa.ir.network import Network
from tests.support.engines import Comparison
from tests.support.graphs import graph_model, load_model, node, normal

CONSTANTS = {
    "low": np.float32(-0.2),
    "high": np.float32(0.6),
    "zero": np.float32(0.0),
    "half": np.float32(0.5),
    "mixed": normal(5, 6),
    "slope": normal(6, 6),
    "shape": np.array([-1, 2, 3]),
}

UNITS = {
    "Clip": [node("Clip", "a low high", "b")],
    "Abs": [node("Abs", "a", "b")],
    "HardSigmoid": [node("HardSigmoid", "a", "b", alpha=0.4)],
    "Shrink": [node("Shrink", "a", "b", lambd=0.3, bias=0.3)],
    "PRelu": [node("PRelu", "a slope", "b")],
    "Max with a constant": [node("Max", "a mixed", "b")],
    "Min with a constant": [node("Min", "mixed a", "b")],
    "Max": [node("Gemm", "x u", "c"), node("Max", "a c", "b")],
    "Min of three": [node("Gemm", "x u", "c"), node("Neg", "a", "d"),
                     node("Min", "a c d half", "b")],
    "ReduceMax": [node("Reshape", "a shape", "c"),
                  node("ReduceMax", "c", "d", axes=[1], keepdims=1),
                  node("Sub", "c d", "e"), node("Flatten", "e", "b")],
    "ReduceL1": [node("Reshape", "a shape", "c"),
                 node("ReduceL1", "c", "d", axes=[2], keepdims=1),
                 node("Add", "c d", "e"), node("Flatten", "e", "b")],
    "Where as a leaky rectifier": [node("Greater", "a zero", "t"), node("Mul", "a half", "c"),
                                   node("Where", "t a c", "b")],
    "Where of two tensors": [node("Gemm", "x u", "c"), node("LessOrEqual", "c a", "t"),
                             node("Where", "t a c", "b")],
    "Where with a constant": [node("Less", "a mixed", "t"), node("Where", "t mixed a", "b")],
}  # fmt: skip
"""Nodes that make a tensor b of six features from one a: continuous, so that an optimum on a
face has the margin of both sides."""


@cache
def network_of(unit: str, seed: int) -> Network:
    """Two layers of the unit between dense layers; four inputs, three outputs."""
    second = [  # the same nodes on other tensors
        node(
            one.op_type,
            [name if name in CONSTANTS or name in "xu" else f"{name}2" for name in one.input],
            [f"{name}2" for name in one.output],
            **{a.name: list(a.ints) or a.i or round(a.f, 3) for a in one.attribute},
        )
        for one in UNITS[unit]
    ]
    nodes = [
        node("Gemm", "x w c0", "a"),
        *UNITS[unit],
        node("Gemm", "b v", "a2"),
        *second,
        node("Gemm", "b2 o", "y"),
    ]
    weights = {"w": normal(seed, 4, 6), "c0": 0.3 * normal(seed, 6), "u": normal(seed + 1, 4, 6),
               "v": 0.7 * normal(seed, 6, 6), "o": normal(seed, 6, 3)}  # fmt: skip
    return load_model(graph_model(nodes, (4,), {**CONSTANTS, **weights}, opset=16)).network


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_margin(unit, norm):
    comparison = Comparison(network_of(unit, 1), norm, "margin")
    comparison.run([1, 70], sets=2, regions=6)
    assert comparison.found == 12


@pytest.mark.parametrize("unit", UNITS)
def test_distance(unit):
    comparison = Comparison(network_of(unit, 2), "linf", "distance")
    comparison.run([2, 71], sets=2, regions=6)
    assert comparison.found > 0
