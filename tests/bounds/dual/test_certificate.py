"""What is proven is below the truth, against rational arithmetic: any multipliers, any weights."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.dual.back_substitution import ReluRelaxation
from onnx_lippa.bounds.dual.certificate import Boxes, prove
from onnx_lippa.bounds.dual.objectives import Objectives, Units
from tests.support.rationals import dot, dual_value, fractions

KINDS = {"float64": np.float64, "float32": np.float32}


def mixed(generator: np.random.Generator, shape: tuple[int, ...], powers: int) -> np.ndarray:
    """Numbers of many sizes, some of them 0, and many of them nearly opposite to another one."""
    values = generator.normal(size=shape) * 10.0 ** generator.integers(-powers, powers + 1, shape)
    flat = values.reshape(-1)
    pairs = generator.permutation(flat.size)[: flat.size // 2 * 2].reshape(-1, 2)
    for one, other in pairs[generator.uniform(size=len(pairs)) < 0.5]:
        flat[one] = -flat[other] * (1 + 1e-7 * generator.integers(-2, 3))
    values[generator.uniform(size=shape) < 0.1] = 0.0
    return values


def units_of(
    generator: np.random.Generator, d: int, blocks: tuple[int, ...], powers: int
) -> tuple[Units, np.ndarray, np.ndarray]:
    """Units whose ranges are those of interval arithmetic, rounded well outward."""
    starts = tuple(int(s) for s in np.concatenate([[0], np.cumsum(blocks)]))
    count = starts[-1]
    on_input, on_units = mixed(generator, (count, d), powers), np.zeros((count, count))
    offset = mixed(generator, (count,), powers)
    lower, upper = np.zeros(count), np.zeros(count)
    for first, end in pairwise(starts):
        on_units[first:end, :first] = mixed(generator, (end - first, first), powers)
        for k in range(first, end):
            width = np.abs(on_input[k]).sum()
            plus, minus = np.maximum(on_units[k], 0), np.minimum(on_units[k], 0)
            most = np.maximum(upper, 0)
            lower[k] = offset[k] - width + minus @ most - 1e-9
            upper[k] = offset[k] + width + plus @ most + 1e-9
    lower, upper = np.minimum(1.01 * lower, -1e-6), np.maximum(1.01 * upper, 1e-6)
    domain = InputDomain(np.zeros(d), np.arange(d), -np.ones(d), np.ones(d))
    units = Units(domain, on_input, on_units, offset, starts, upper, np.zeros(count))
    return units, lower, upper


def outward(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Multipliers of any size and sign."""
    return generator.normal(size=shape) * 10.0 ** generator.integers(-8, 9, shape)


@given(st.integers(0, 2**32), st.sampled_from(sorted(KINDS)), st.sampled_from([0, 2, 6]))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_any_multipliers_prove_no_more_than_they_do_exactly(seed, name, powers):
    """Signs, α and β at random: the bound is not above that of the same multipliers, exactly."""
    generator = np.random.default_rng(seed)
    d, blocks = int(generator.integers(1, 4)), ((3,), (3, 2), (2, 2, 2))[seed % 3]
    units, lower, upper = units_of(generator, d, blocks, powers)
    n, count = 4, units.starts[-1]
    signs = generator.integers(-1, 2, (n, count)).astype(np.int8)
    low, high = np.repeat(lower[None], n, axis=0), np.repeat(upper[None], n, axis=0)
    low[signs > 0], high[signs < 0] = 0.0, 0.0
    objectives = Objectives.within(
        units, mixed(generator, (n, d), powers), mixed(generator, (n, count), powers),
        mixed(generator, (n,), powers),
    )  # fmt: skip
    kind = KINDS[name]
    rounded, asked = units.astype(kind), objectives.astype(kind)
    relaxed = ReluRelaxation.of(low.astype(kind), high.astype(kind), signs)
    alpha = outward(generator, (n, count)).astype(kind)
    beta = outward(generator, (n, count)).astype(kind)
    if seed % 2:
        alpha, beta = np.abs(alpha) % 1, np.abs(beta)
    proven, left = prove(rounded, asked, relaxed, alpha, beta)
    for row in range(n):
        nu = left.multipliers[row]
        if not np.all(np.isfinite(nu)):
            assert proven.bounds[row] == -np.inf
            continue
        exact = dual_value(units, objectives, row, nu, signs[row], low[row], high[row])
        assert exact is not None
        assert proven.bounds[row] == -np.inf or Fraction(proven.bounds[row]) <= exact
        if name == "float64" and proven.bounds[row] > -np.inf:
            sizes = np.abs(nu) @ (units.sizes + units.most) + objectives.sizes[row]
            assert float(exact) - proven.bounds[row] <= 1e-12 * (sizes + left.drop[row]) + 1e-200


@pytest.mark.parametrize("name", sorted(KINDS))
@pytest.mark.parametrize("seed", range(12))
def test_no_point_is_below_what_is_proven(seed, name):
    """Values in rational numbers at points of a box, errors of units and functions included."""
    generator = np.random.default_rng([seed, 1])
    units, lower, upper = units_of(generator, 2, (3, 2), 1 + seed % 5)
    error = np.abs(units.offset) * 1e-3
    units = Units(
        units.domain, units.on_input, units.on_units, units.offset, units.starts, 2 * units.most,
        error,
    )  # fmt: skip
    objectives = Objectives.within(
        units, mixed(generator, (3, 2), 3), mixed(generator, (3, 5), 3), mixed(generator, (3,), 3),
        np.full(3, 0.01),
    )  # fmt: skip
    kind = KINDS[name]
    lower, upper = 2 * lower, 2 * upper
    relaxed = ReluRelaxation.of(
        lower[None].astype(kind), upper[None].astype(kind), np.zeros((1, 5), np.int8)
    )
    end = generator.uniform(-1, 1, (3, 2, 2))
    boxes = Boxes(end.mean(axis=2), np.abs(end[..., 0] - end[..., 1]) / 2)
    alpha = generator.uniform(size=(3, 5)).astype(kind)
    rounded, asked = units.astype(kind), objectives.astype(kind)
    whole, _ = prove(rounded, asked, relaxed, alpha, None)
    part, _ = prove(rounded, asked, relaxed, alpha, None, boxes)
    for _ in range(20):
        for row in range(3):
            e = fractions(generator.choice([-1.0, 0.5, 1.0], 2))
            assert value(generator, units, objectives, row, e) >= Fraction(whole.bounds[row])
            e = [
                Fraction(float(m)) + t * Fraction(float(r))
                for m, r, t in zip(boxes.middle[row], boxes.radius[row], e, strict=True)
            ]
            assert value(generator, units, objectives, row, e) >= Fraction(part.bounds[row])


def value(generator, units: Units, objectives: Objectives, row: int, e) -> Fraction:
    """A function where every form is off by something that its error allows."""
    z: list[Fraction] = []
    for k in range(units.starts[-1]):
        off = Fraction(float(units.error[k])) * int(generator.integers(-1, 2))
        z_hat = dot(fractions(units.on_input[k]), e) + Fraction(float(units.offset[k])) + off
        z_hat += dot(fractions(units.on_units[k, :k]), z)
        z.append(max(z_hat, Fraction(0)))
    total = dot(fractions(objectives.on_input[row]), e) + Fraction(float(objectives.offset[row]))
    total += dot(fractions(objectives.on_units[row]), z)
    return total + Fraction(float(objectives.error[row])) * int(generator.integers(-1, 2))


@given(st.integers(0, 2**32), st.sampled_from(sorted(KINDS)))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_lines_are_above_the_kink_whatever_was_rounded(seed, name):
    generator = np.random.default_rng(seed)
    sizes = 10.0 ** generator.uniform(-60, 60, (2, 6))
    sizes[:, generator.uniform(size=6) < 0.2] *= 1e240
    sizes[generator.uniform(size=(2, 6)) < 0.1] = 0.0
    lower, upper, kind = -sizes[0][None], sizes[1][None], KINDS[name]
    with np.errstate(over="ignore"):
        low, high = lower.astype(kind), upper.astype(kind)
        relaxed = ReluRelaxation.of(low, high, np.zeros((1, 6), np.int8))
    lines = zip(lower[0], upper[0], relaxed.slope[0], relaxed.intercept[0], strict=True)
    for l, u, s, h in lines:  # noqa: E741
        if not (np.isfinite(s) and np.isfinite(h)):
            continue
        assert 0 <= s <= 1
        slope, height = Fraction(float(s)), Fraction(float(h))
        if np.isfinite(l):
            assert slope * Fraction(l) + height >= 0
        else:
            assert slope == 0
        if np.isfinite(u):
            assert slope * Fraction(u) + height >= Fraction(u)
        else:
            assert slope == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", sorted(KINDS))
def test_numbers_that_are_none_prove_nothing(name, bad):
    generator = np.random.default_rng(3)
    units, lower, upper = units_of(generator, 2, (3, 2), 1)
    objectives = Objectives.within(units, np.ones((2, 2)), np.ones((2, 5)), np.ones(2))
    kind, signs = KINDS[name], np.zeros((2, 5), np.int8)
    low, high = (np.repeat(b[None], 2, axis=0).astype(kind) for b in (lower, upper))
    rounded, asked = units.astype(kind), objectives.astype(kind)
    alpha, beta = np.full((2, 5), 0.5, kind), np.zeros((2, 5), kind)
    fine, _ = prove(rounded, asked, ReluRelaxation.of(low, high, signs), alpha, beta)
    assert np.all(np.isfinite(fine.bounds))
    beta[0, 0] = bad
    found, _ = prove(rounded, asked, ReluRelaxation.of(low, high, signs), alpha, beta)
    assert found.bounds[0] <= fine.bounds[0] + 1e-3
    assert found.bounds[1] == fine.bounds[1]
    broken = asked.take(np.arange(2))
    broken.on_units[0, 1] = bad
    found, _ = prove(rounded, broken, ReluRelaxation.of(low, high, signs), alpha, None)
    assert found.bounds[0] == -np.inf
    assert np.isfinite(found.bounds[1])


def test_sums_that_overflow_prove_nothing():
    generator = np.random.default_rng(4)
    units, lower, upper = units_of(generator, 2, (2, 2), 1)
    objectives = Objectives.within(units, np.ones((1, 2)), np.full((1, 4), 1e36), np.zeros(1))
    signs = np.zeros((1, 4), np.int8)
    low, high = (b[None].astype(np.float32) for b in (lower, upper))
    wide = Units(
        units.domain, units.on_input, 1e6 * units.on_units, units.offset, units.starts, units.most,
        units.error,
    )  # fmt: skip
    found, _ = prove(
        wide.astype(np.float32), objectives.astype(np.float32), ReluRelaxation.of(low, high, signs),
        np.ones((1, 4), np.float32), None,
    )  # fmt: skip
    assert found.bounds[0] == -np.inf
