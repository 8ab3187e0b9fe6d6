"""Least values of linear functions over ball and box, against closed forms and exact points."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.spec import InputSet, InputSpecification, get_norm
from onnx_lippa.spec.norms import L1, L2, WeightedNorm


def drawn(generator: np.random.Generator, norm: str, scaled: bool) -> InputSet:
    """A ball that the box cuts, around a centre that may lie on the box's faces."""
    d = int(generator.integers(1, 8))
    x = generator.uniform(0, 1, d)
    x = np.where(generator.random(d) < 0.3, np.round(x), x).astype(np.float32)
    eps = generator.uniform(0.05, 1.0, d) if scaled else float(generator.uniform(0.01, 1.5))
    fixed = range(int(generator.integers(0, d)))
    return InputSpecification.build(d, eps=eps, fixed=fixed).input_set(x, get_norm(norm))


def rows_for(generator: np.random.Generator, d: int) -> np.ndarray:
    rows = generator.normal(size=(6, d)) * 10.0 ** generator.uniform(-4, 4, (6, 1))
    rows[generator.random(rows.shape) < 0.2] = 0.0
    rows[0] = 0.0
    return rows


def is_inside(inputs: InputSet, x: list[Fraction]) -> bool:
    """Whether a rational point lies in ball and box, exactly."""
    norm = inputs.norm
    units = norm.scale if isinstance(norm, WeightedNorm) else np.ones(inputs.size)
    shifts = [
        abs(v - Fraction(c)) / Fraction(u)
        for v, c, u in zip(x, inputs.center.tolist(), units.tolist(), strict=True)
        if u > 0
    ]
    if any(
        not Fraction(low) <= v <= Fraction(high)
        for v, low, high in zip(x, inputs.lower.tolist(), inputs.upper.tolist(), strict=True)
    ):
        return False
    if norm.order == 1:
        return sum(shifts) <= Fraction(inputs.eps)
    return sum(s * s for s in shifts) <= Fraction(inputs.eps) ** 2


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_the_least_value_is_that_of_ball_and_box_together(norm, scaled):
    for seed in range(60):
        generator = np.random.default_rng(seed)
        inputs = drawn(generator, norm, scaled)
        domain = InputDomain.for_search(inputs)
        rows = rows_for(generator, domain.free.size)
        least, (guess, points) = domain.least(rows), domain.optima(rows)
        accuracy = 1e-5 if rows.dtype == np.float32 else 1e-12
        assert np.all(np.abs(guess - least) <= accuracy * np.abs(rows).sum(axis=1) + 1e-30)
        sizes = np.abs(rows).sum(axis=1)
        for row, value, point, size in zip(rows, least, points, sizes, strict=True):
            cost = np.zeros(inputs.size)
            cost[domain.free] = row / domain.radius
            best = inputs.norm.minimize_linear(
                cost, inputs.center, inputs.eps, inputs.lower, inputs.upper
            )
            truth = row @ ((best[domain.free] - domain.middle) / domain.radius)
            assert truth - 1e-9 * size - 1e-280 <= value <= truth + 1e-12 * size
            assert abs(row @ point - value) <= 1e-9 * size + 1e-280
            x = inputs.center.copy()
            x[domain.free] = domain.at(point[None])[0]
            assert inputs.norm.distance(x, inputs.center) <= inputs.eps * (1 + 1e-12)


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_point_of_the_exact_set_is_below_the_least_value(norm, dtype):
    """In rational arithmetic, at the minimisers themselves and just inside of them."""
    tried = 0
    for seed in range(40):
        generator = np.random.default_rng(100 + seed)
        inputs = drawn(generator, norm, seed % 2 == 0)
        domain = InputDomain.for_search(inputs)
        rows = rows_for(generator, domain.free.size).astype(dtype)
        least, (guess, points) = domain.least(rows), domain.optima(rows)
        accuracy = 1e-5 if rows.dtype == np.float32 else 1e-12
        assert np.all(np.abs(guess - least) <= accuracy * np.abs(rows).sum(axis=1) + 1e-30)
        for row, value, point in zip(rows, least, points, strict=True):
            for shrink in (1.0, 1 - 1e-15, 1 - 1e-12):
                x = inputs.center.copy()
                inside = domain.at(point[None])[0] - inputs.center[domain.free]
                x[domain.free] = inputs.center[domain.free] + shrink * inside
                exact = [Fraction(v) for v in x.tolist()]
                if not is_inside(inputs, exact):
                    continue
                tried += 1
                told = sum(
                    (
                        Fraction(float(r)) * (exact[i] - Fraction(m)) / Fraction(w)
                        for r, i, m, w in zip(
                            row, domain.free, domain.middle.tolist(), domain.radius.tolist(),
                            strict=True,
                        )
                    ),
                    Fraction(0),
                )  # fmt: skip
                assert Fraction(float(value)) <= told
    assert tried > 100


def test_a_ball_that_holds_the_box_changes_nothing_and_one_of_no_room_leaves_its_centre():
    generator = np.random.default_rng(3)
    x = generator.uniform(0, 1, 5).astype(np.float32)
    rows = generator.normal(size=(4, 5))
    for norm in (L1(), L2()):
        wide = InputDomain.for_search(InputSpecification.build(5, eps=100.0).input_set(x, norm))
        assert np.allclose(wide.least(rows), -np.abs(rows).sum(axis=1), rtol=1e-12)
        narrow = InputDomain.for_search(InputSpecification.build(5, eps=0.0).input_set(x, norm))
        assert narrow.free.size == 0
        assert np.all(np.abs(narrow.least(np.zeros((2, 0)))) < 1e-280)
