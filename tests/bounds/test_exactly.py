"""Interval and linear bounds against rational arithmetic: weights of many sizes that cancel."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from onnx_lippa.ir.layers import PiecewiseLayer
from onnx_lippa.ir.network import Network
from onnx_lippa.spec import L1, L2, Conjunction, LInf, StatedSet, UnsafeSet
from tests.support.bounds import interval_bounds, interval_margins, linear_bounds, linear_margins
from tests.support.rationals import ExactNetwork, Numbers, dot, fractions
from tests.support.reduced import NETWORKS

NORMS = {"linf": LInf(), "l1": L1(), "l2": L2()}
SIZES = (0, 2, 6, -160, -305)
"""Powers of ten of the weights: up to so many either way, or all of them so small."""


def network_of(name: str, size: int, generator: np.random.Generator) -> Network:
    net = NETWORKS[name](generator, max(size, 0))
    if size < 0:
        for step in net.steps:
            weight = getattr(step.layer, "_weight", None)
            if weight is not None:
                weight *= 10.0**size
                for part in ("_bias", "_weight_t"):
                    other = getattr(step.layer, part, None)
                    if other is not None and not np.shares_memory(other, weight):
                        other *= 10.0**size
            break
    return net


def ball(generator: np.random.Generator, d: int, norm: str) -> StatedSet:
    center = generator.normal(size=d) * 10.0 ** generator.integers(-2, 3)
    eps = float(generator.uniform(0, 0.3) * 10.0 ** generator.integers(-3, 2))
    infinite = np.full(d, np.inf)
    return StatedSet(center, NORMS[norm], eps, -infinite, infinite)


def points(inputs: StatedSet, generator: np.random.Generator) -> list[Numbers]:
    """Points of a ball, in rational numbers."""
    center, eps = fractions(inputs.center), Fraction(inputs.eps)
    found = [center]
    for _ in range(5):
        share = generator.integers(-4, 5, inputs.size)
        if inputs.norm.order == np.inf:
            moves = [Fraction(int(n), 4) for n in share]
        else:  # the ball of ℓ1 lies within that of ℓ2
            total = max(1, int(np.abs(share).sum()))
            moves = [Fraction(int(n), total) for n in share]
        found.append([c + eps * m for c, m in zip(center, moves, strict=True)])
    return found


@pytest.mark.parametrize("norm", sorted(NORMS))
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_nothing_escapes(name, size, norm):
    for seed in range(2):
        generator = np.random.default_rng([seed, size + 400, *name.encode()])
        net = network_of(name, size, generator)
        exact, inputs = ExactNetwork(net), ball(generator, net.input_size, norm)
        bounds = [find(net, [inputs]) for find in (interval_bounds, linear_bounds)]
        rows = tuple(
            Conjunction(generator.normal(size=(1, 3)), generator.normal(size=1) * (size >= 0))
            for _ in range(3)
        )
        margins = [
            find(net, [inputs], [UnsafeSet(rows)])[0] for find in (interval_margins, linear_margins)
        ]
        for x in points(inputs, generator):
            values, layer = exact.values(x), 0
            for step in net.steps:
                if isinstance(step.layer, PiecewiseLayer):
                    for found in bounds:
                        assert_between(found, layer, values[step.inputs[0]])
                    layer += 1
            for place, row in enumerate(rows):
                true = dot(fractions(row.matrix[0]), values[-1]) - Fraction(float(row.bound[0]))
                for margin in margins:
                    assert margin[place] == -np.inf or true >= Fraction(float(margin[place]))


def assert_between(found, layer: int, values: Numbers) -> None:
    lower, upper = found.lower[layer][0].ravel(), found.upper[layer][0].ravel()
    for low, high, value in zip(lower, upper, values, strict=True):
        assert low == -np.inf or Fraction(float(low)) <= value
        assert high == np.inf or value <= Fraction(float(high))
