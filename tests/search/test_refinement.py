"""Bounds of later units in float32, against the exact extremes of units whose sums cancel."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.reduced.reduction import decide_signs
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ir.pattern import ACTIVE, INACTIVE
from onnx_lippa.search.refinement import Refinement
from tests.support.search import random_system


def cancelling(generator: np.random.Generator, size: float) -> tuple[ReducedNetwork, Fraction]:
    """x and y in two units, two units of their difference, and what is left of those in a fifth.

    Where the first two differ upward the fifth is ``D (z_0 - z_1)`` for a D of some units in the
    last place of float32, which is returned.
    """
    a, b, c = (float(np.float32(n)) for n in generator.uniform(0.5 * size, 1.5 * size, 3))
    d = float(np.float32(c * a / b))
    on_input, on_units = np.zeros((5, 2)), np.zeros((5, 5))
    on_input[0, 0] = on_input[1, 1] = 1
    on_units[2, :2], on_units[3, :2], on_units[4, 2:4] = (a, -a), (b, -b), (c, -d)
    domain = InputDomain(np.zeros(2), np.arange(2), -np.ones(2), np.ones(2))
    lower, upper = np.array([-1, -1, -a, -b, -d * b]), np.array([1, 1, a, b, c * a])
    reduced = ReducedNetwork(
        domain, on_input, on_units, np.zeros(5), (0, 2, 4, 5), lower, upper,
        np.zeros((1, 2)), np.eye(1, 5, 4), np.zeros(1), np.arange(5),
    )  # fmt: skip
    return reduced, Fraction(c) * Fraction(a) - Fraction(d) * Fraction(b)


@pytest.mark.parametrize("power", range(-3, 7))
def test_no_bound_is_tighter_than_the_truth(power):
    """The third unit is split and the fourth follows it, so the fifth is all that cancels."""
    generator = np.random.default_rng(power + 10)
    for _ in range(20):
        reduced, left = cancelling(generator, 10.0**power)
        refiner = Refinement(reduced, 0)
        lower, upper = refiner.lower[None].copy(), refiner.upper[None].copy()
        lower[0, 2] = lower[0, 3] = 0.0
        signs = decide_signs(lower, upper)
        refiner.run(np.array([2]), lower, upper, signs, np.ones((1, 5)), 32)
        assert Fraction(lower[0, 4]) <= min(left, Fraction(0))
        assert Fraction(upper[0, 4]) >= max(left, Fraction(0))
        assert upper[0, 4] <= 1e-3 * 10.0 ** (2 * power)


@pytest.mark.parametrize("seed", range(20))
def test_bounds_hold_under_the_signs_of_a_node(seed):
    generator = np.random.default_rng(seed)
    reduced = random_system(generator, 3, (4, 3, 3))
    refiner = Refinement(reduced, 5)
    x = generator.uniform(reduced.lower, reduced.upper, (4000, 3))
    z_hat = reduced.pre_activations(x)
    base = decide_signs(refiner.lower[None], refiner.upper[None])
    for unit in np.flatnonzero(base[0, :4] == 0):
        for sign in (ACTIVE, INACTIVE):
            lower, upper = refiner.lower[None].copy(), refiner.upper[None].copy()
            signs = base.copy()
            signs[0, unit] = sign
            refiner.run(np.array([unit]), lower, upper, signs, np.ones((1, 10)), 32)
            there = z_hat[sign * z_hat[:, unit] >= 0]
            assert np.all(there >= lower - 1e-12) and np.all(there <= upper + 1e-12)
            assert np.all(there[:, signs[0] > 0] >= 0) and np.all(there[:, signs[0] < 0] <= 0)
