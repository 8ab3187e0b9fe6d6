"""Coefficients of a reduced network are off by no more than it says, in rational numbers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from onnx_lippa.bounds.dual.ascent import Ascent
from onnx_lippa.bounds.dual.objectives import Units
from onnx_lippa.bounds.reduced.reduction import relax_units
from onnx_lippa.ir.layers.activation import Abs, LeakyRelu, Relu
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.network import Network
from onnx_lippa.search.base import express_margins
from onnx_lippa.spec import Conjunction
from tests.support.rationals import ExactNetwork, Numbers, dot, fractions, inside, pre_activations
from tests.support.reduced import NETWORKS, systems


def units_at(net: Network, exact: ExactNetwork, x: Numbers) -> dict[int, Fraction]:
    """The pre-activation of each scalar unit of kinks, by its number; none for maxima."""
    values, found, first = exact.values(x), {}, 0
    for step in net.steps:
        if isinstance(step.layer, Relu | LeakyRelu | Abs):
            for place, value in enumerate(values[step.inputs[0]]):
                found[first + place] = value
        if isinstance(step.layer, Relu | LeakyRelu | Abs | ReduceMax):
            first += int(np.prod(step.layer.shape))
    return found


@pytest.mark.parametrize("seed", range(9))
@pytest.mark.parametrize("name", ["deep", "convolutions"])
def test_forms_are_off_by_no_more_than_their_error(name, seed):
    net, reduced, generator = systems(name, seed)
    exact = ExactNetwork(net)
    for _ in range(6):
        x = inside(reduced.domain, generator)
        values = units_at(net, exact, x)
        z_hat = [values[int(number)] for number in reduced.origin]
        z = [max(value, Fraction(0)) for value in z_hat]
        forms, outputs = pre_activations(reduced, x, z)
        for true, form, off in zip(z_hat, forms, reduced.error, strict=True):
            assert abs(true - form) <= Fraction(float(off))
        for true, form, off in zip(exact.forward(x), outputs, reduced.output_error, strict=True):
            assert abs(true - form) <= Fraction(float(off))
        for true, low, high in zip(z_hat, reduced.unit_lower, reduced.unit_upper, strict=True):
            assert Fraction(float(low)) <= true <= Fraction(float(high))


@pytest.mark.parametrize("seed", range(9))
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_no_margin_is_below_what_is_proven(name, seed):
    net, reduced, generator = systems(name, seed)
    exact = ExactNetwork(net)
    rows = [Conjunction(generator.normal(size=(1, 3)), generator.normal(size=1)) for _ in range(4)]
    units = Units.of(reduced)
    found = Ascent(units).run(express_margins(reduced, rows, units), relax_units(reduced), 10)
    for point in range(8):
        x = inside(reduced.domain, generator)
        if point < 4:  # where the bound is attained, but for the relaxation
            x = fractions(reduced.domain.at(found.points[point : point + 1])[0])
        outputs = exact.forward(x)
        for row, bound in zip(rows, found.bounds, strict=True):
            margin = dot(fractions(row.matrix[0]), outputs) - Fraction(float(row.bound[0]))
            assert bound == -np.inf or margin >= Fraction(float(bound))


def test_errors_are_those_of_rounding():
    """They are small beside what forms are made of, so that nothing is lost where it matters."""
    for name in ("deep", "convolutions"):
        for seed in range(0, 9, 3):  # of weights of one size
            _, reduced, _ = systems(name, seed)
            sizes = reduced.sizes(reduced.on_input, reduced.on_units, reduced.offset)
            assert np.all(reduced.error <= 1e-12 * (1 + sizes))
