"""Selects: those whose branches meet are kinks, those that jump hold all that they may be."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_lippa.arrays import Float64
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.reduced.affine import AffineExpressions
from onnx_lippa.bounds.reduced.build import reduce_layer
from onnx_lippa.bounds.reduced.reduction import Reduction, Tightening
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ir.layers.select import Select


def forms_of(matrix: Float64, constants: Float64) -> AffineExpressions:
    """(3, n) forms of x, with coefficients (d, 3, n)."""
    size = np.abs(constants) + np.abs(matrix).sum(axis=0)
    on_input = np.concatenate([constants[None], matrix])
    return AffineExpressions(
        on_input, np.zeros((0, *constants.shape)), size, np.zeros(constants.shape)
    )


def select_network(matrix: Float64, constants: Float64) -> ReducedNetwork:
    d, _, n = matrix.shape
    reduction = Reduction(
        InputDomain(np.zeros(d), np.arange(d), -np.ones(d), np.ones(d)), Tightening()
    )
    return reduction.network(reduce_layer(reduction, Select((n,)), forms_of(matrix, constants), 0))


def values(matrix: Float64, constants: Float64, x: Float64) -> Float64:
    d, a, b = np.moveaxis(np.einsum("md,dpn->mpn", x, matrix) + constants, 1, 0)
    return np.where(d >= 0, a, b)


@pytest.mark.parametrize("seed", range(20))
def test_branches_that_meet_are_a_kink(seed):
    """As LeakyRelu, Clip, Abs and Max are exported; in float32 they meet but for rounding."""
    generator = np.random.default_rng(seed)
    matrix, constants = generator.normal(size=(3, 3, 6)), 0.3 * generator.normal(size=(3, 6))
    slope = generator.normal(size=6)
    matrix[:, 1] = (matrix[:, 2] + slope * matrix[:, 0]).astype(np.float32 if seed % 2 else float)
    constants[1] = constants[2] + slope * constants[0]
    reduced = select_network(matrix, constants)
    assert reduced.inputs == 3 and reduced.exact
    assert 0 < reduced.units <= 6
    x = generator.uniform(-1, 1, (2000, 3))
    off = np.abs(reduced.forward(x) - values(matrix, constants, x))
    assert np.all(off <= reduced.output_error + 1e-12)
    assert reduced.output_error.max() < (1e-5 if seed % 2 else 1e-12)


@pytest.mark.parametrize("gap", (1e-3, 0.1, 3.0))
@pytest.mark.parametrize("seed", range(10))
def test_a_jump_holds_all_that_it_may_be(seed, gap):
    generator = np.random.default_rng(seed)
    matrix, constants = generator.normal(size=(3, 3, 5)), 0.3 * generator.normal(size=(3, 5))
    slope = generator.normal(size=5)
    matrix[:, 1] = matrix[:, 2] + slope * matrix[:, 0]
    constants[1] = constants[2] + slope * constants[0] + gap * generator.choice([-1, 1], 5)
    if seed % 3 == 0:
        matrix[:, 1] = generator.normal(size=(3, 5))
    reduced = select_network(matrix, constants)
    x = generator.uniform(-1, 1, (500, 3))
    wanted = values(matrix, constants, x)
    free = reduced.inputs - 3
    widths = reduced.upper[3:] - reduced.lower[3:]
    assert not reduced.exact and 0 < free <= 5
    if seed % 3 and gap < 1:
        assert widths.max() <= gap * 1.001  # no more than the jump itself
    # Each output has a feature of its own at most: between its ends lies what is wanted.
    ends = [
        reduced.forward(np.hstack([x, np.tile(end[3:], (len(x), 1))]))
        for end in (reduced.lower, reduced.upper)
    ]
    assert np.all(np.minimum(*ends) <= wanted + 1e-9)
    assert np.all(wanted <= np.maximum(*ends) + 1e-9)
