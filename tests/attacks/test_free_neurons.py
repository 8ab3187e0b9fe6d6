"""Which units are set free: those that a way speaks for, and no more than asked for."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_lippa.attacks.stages.free_neurons import (
    FreeNeurons,
    Incumbent,
    choose_free_neurons,
    influences,
    multipliers,
)
from onnx_lippa.ending import Ending
from onnx_lippa.ir.pattern import read_signs
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.mip.formulation import build_margin_program
from tests.support.mip import random_disjunct, random_system

SEEDS = range(6)
WAYS = list(FreeNeurons)


def incumbent(seed: int, d: int = 3, blocks: tuple[int, ...] = (5, 4), others: int = 6):
    generator = np.random.default_rng([70, seed])
    reduced, _ = random_system(generator, d, blocks)
    points = generator.uniform(reduced.lower, reduced.upper, (1 + others, d))
    signs = read_signs(reduced.pre_activations(points[:1])[0])
    return Incumbent(reduced, random_disjunct(generator, 2), points[0], signs, points[1:])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("way", WAYS)
def test_sizes(seed, way):
    at = incumbent(seed)
    for size in (0, 1, 4, 9, 100):
        free = choose_free_neurons((way,), at, size)
        assert free.size <= min(size, at.reduced.units)
        assert np.all(np.diff(free) > 0)
        filled = choose_free_neurons((way, FreeNeurons.NEAREST), at, size)
        assert filled.size == min(size, at.reduced.units)
        assert set(free) <= set(filled)


@pytest.mark.parametrize("seed", SEEDS)
def test_disagreeing(seed):
    at = incumbent(seed)
    signs = at.reduced.pre_activations(at.others) >= 0
    differ = np.flatnonzero((signs != at.active).any(axis=0))
    np.testing.assert_array_equal(choose_free_neurons((FreeNeurons.DISAGREEING,), at, 99), differ)
    # A unit that differs at every point counts as much as any can.
    always = np.flatnonzero((signs != at.active).all(axis=0))
    assert set(choose_free_neurons((FreeNeurons.DISAGREEING,), at, always.size)) == set(always)


@pytest.mark.parametrize("seed", SEEDS)
def test_nearest(seed):
    at = incumbent(seed)
    width = at.reduced.unit_upper - at.reduced.unit_lower
    share = np.abs(at.reduced.pre_activations(at.x[None])[0]) / width
    chosen = choose_free_neurons((FreeNeurons.NEAREST,), at, 4)
    np.testing.assert_array_equal(chosen, np.sort(np.argsort(share)[:4]))


@pytest.mark.parametrize("seed", SEEDS)
def test_influences(seed):
    """By a difference of z of one unit, the signs of the others kept."""
    at = incumbent(seed)
    s, x = at.reduced, at.x
    row = at.disjunct.matrix[np.argmax(at.disjunct.matrix @ s.forward(x[None])[0]
                                       - at.disjunct.bound)]  # fmt: skip

    def margin(moved: int | None) -> float:
        z = np.zeros(s.units)
        for i in range(s.units):
            z_hat = s.on_input[i] @ x + s.on_units[i, :i] @ z[:i] + s.offset[i]
            z[i] = z_hat * at.active[i] + (1e-3 if i == moved else 0.0)
        return row @ (s.outputs_on_input @ x + s.outputs_on_units @ z + s.outputs_offset)

    expected = [(margin(i) - margin(None)) / 1e-3 for i in range(s.units)]
    np.testing.assert_allclose(influences(at), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_multipliers(seed):
    """Units whose face has a multiplier are those whose row, taken away, lets the optimum fall."""
    at = incumbent(seed, d=4, blocks=(8,))
    at = Incumbent(at.reduced, random_disjunct(np.random.default_rng(seed), 1), at.x, at.signs,
                    at.others)  # fmt: skip
    stated = build_margin_program(at.reduced, at.disjunct, at.signs)
    solution = make_solver("glop").open(stated.program).solve()
    assert solution.ending is Ending.OPTIMAL
    optimum = Incumbent(at.reduced, at.disjunct, stated.x(solution.values), at.signs, at.others)
    found = multipliers(optimum)
    assert np.all(found >= 0)
    z_hat = at.reduced.pre_activations(optimum.x[None])[0]
    assert np.all(np.abs(z_hat[found > 0]) < 1e-5)
    duals = np.sort(np.abs(solution.duals[np.abs(solution.duals) > 1e-7]))
    assert np.count_nonzero(found > 1e-7) == duals.size
    if duals.size:
        assert set(np.flatnonzero(found > 1e-7)) <= set(
            choose_free_neurons((FreeNeurons.BINDING,), optimum, 9)
        )


def test_ways_fill_up_in_order():
    at = incumbent(3)
    first = choose_free_neurons((FreeNeurons.DISAGREEING,), at, 99)
    both = choose_free_neurons(
        (FreeNeurons.DISAGREEING, FreeNeurons.INFLUENTIAL), at, first.size + 1
    )
    assert set(first) < set(both) or first.size == at.reduced.units
