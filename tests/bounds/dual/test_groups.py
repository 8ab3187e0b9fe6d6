"""Objectives bounded in groups, over what they see, get the bounds they would get over all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.dual import ascent
from onnx_lippa.bounds.dual.ascent import Ascent
from onnx_lippa.bounds.dual.back_substitution import (
    ReluRelaxation,
    back_substitute,
    estimate_bounds,
)
from onnx_lippa.bounds.dual.objectives import Objectives, Units, group_objectives
from onnx_lippa.bounds.reduced.build import reduce_network
from onnx_lippa.bounds.reduced.reduction import Tightening, decide_signs
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.pattern import UNDECIDED
from onnx_lippa.spec import L2, InputSpecification, LInf
from tests.support.graphs import graph_model, load_model, node, normal


def banded(seed: int, count: int = 30, blocks: int = 3) -> tuple[Units, ReluRelaxation, Objectives]:
    """Units that take their neighbours only, and objectives on the last ones, in mixed order."""
    rng = np.random.default_rng(seed)
    near = np.abs(np.subtract.outer(np.arange(count), np.arange(count))) <= 1
    total = count * blocks
    on_units = np.zeros((total, total))
    for block in range(1, blocks):
        rows = slice(block * count, (block + 1) * count)
        before = slice((block - 1) * count, block * count)
        on_units[rows, before] = rng.normal(size=near.shape) * near
    on_input = np.zeros((total, count))
    on_input[:count] = rng.normal(size=near.shape) * near
    domain = InputDomain(np.zeros(count), np.arange(count), -np.ones(count), np.ones(count))
    width = np.abs(on_input).sum(axis=1) + 3 * (np.abs(on_units).sum(axis=1)) + 1
    lower, upper = -width[None], width[None]
    units = Units(
        domain, on_input, on_units, rng.normal(size=total) / 4,
        tuple(range(0, total + 1, count)), width, np.zeros(total),
    )  # fmt: skip
    chosen = rng.permutation(np.repeat(np.arange(count), 8))
    wanted = np.zeros((chosen.size, total))
    wanted[np.arange(chosen.size), (blocks - 1) * count + chosen] = rng.normal(size=chosen.size)
    nothing, constant = np.zeros((chosen.size, count)), rng.normal(size=chosen.size)
    objectives = Objectives.within(units, nothing, wanted, constant)
    return units, ReluRelaxation.of(lower, upper, decide_signs(lower, upper)), objectives


def over_all(monkeypatch, *arguments, **named):
    with monkeypatch.context() as patch:
        patch.setattr(ascent, "group_objectives", lambda *_: [])
        return Ascent(arguments[0]).run(*arguments[1:], **named)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("steps", [0, 12])
def test_bounds_are_those_over_all(seed, steps, monkeypatch):
    units, relaxed, objectives = banded(seed)
    groups = group_objectives(units, objectives)
    assert len(groups) > 2
    assert sorted(np.concatenate([g.rows for g in groups])) == list(range(objectives.count))
    if seed % 2:  # a row for each objective
        relaxed = relaxed.each(np.zeros(objectives.count, np.int64))
    found = Ascent(units).run(objectives, relaxed, steps)
    whole = over_all(monkeypatch, units, objectives, relaxed, steps)
    size = 1 + np.abs(whole.bounds)
    np.testing.assert_allclose(found.bounds, whole.bounds, atol=1e-5 * size.max())
    # What is returned is what gives the bound.
    alpha = relaxed.alphas(found.multipliers.alpha.astype(np.float64))
    beta = np.where(relaxed.signs == UNDECIDED, 0, found.multipliers.beta.astype(np.float64))
    left = back_substitute(units, objectives, relaxed, alpha, beta)
    np.testing.assert_allclose(estimate_bounds(units, left), found.bounds, atol=1e-9 * size.max())
    np.testing.assert_allclose(left.rows, found.residual.rows, atol=1e-9 * size.max())
    np.testing.assert_allclose(left.multipliers, found.residual.multipliers, atol=1e-9)
    reached = np.einsum("nd,nd->n", left.rows, found.points) + left.constant
    np.testing.assert_allclose(reached, found.bounds, atol=1e-6 * size.max())


def test_below_a_node_everything_counts(monkeypatch):
    """Signs of units that an objective does not see tell of the inputs, too."""
    units, relaxed, objectives = banded(0)
    rows = np.arange(objectives.count)
    each = relaxed.each(np.zeros(rows.size, np.int64))
    signs = np.where(rows % 2, 1, -1).astype(np.int8)
    signed = each.with_sign(rows, (7 * rows) % 90, signs)
    start = Ascent(units).run(objectives, relaxed, 3).multipliers
    found = Ascent(units).run(objectives, signed, 10, start)
    whole = over_all(monkeypatch, units, objectives, signed, 10, start)
    np.testing.assert_array_equal(found.bounds, whole.bounds)


def test_no_groups_where_everything_is_seen_or_the_domain_is_no_box():
    units, relaxed, objectives = banded(0)
    ones = np.ones_like(objectives.on_units)
    dense = Objectives.within(units, objectives.on_input, ones, objectives.offset)
    assert group_objectives(units, dense) == []
    nothing = objectives.take(np.zeros(0, np.int64))
    assert group_objectives(units, nothing) == []
    features = InputSpecification.build(30, lower=0.0, upper=1.0, eps=0.3)
    ball = InputDomain.of(features.input_set(np.full(30, 0.5), L2()))
    round_ = replace(units, domain=ball)
    assert group_objectives(round_, objectives) == []
    assert relaxed.signs.shape == (1, 90)


def convolutions(seed: int) -> Network:
    nodes = [
        node("Conv", "x k", "a", strides=[2, 2]),
        node("Relu", "a", "b"),
        node("Conv", "b m", "c", strides=[2, 2]),
        node("Relu", "c", "y"),
    ]
    weights = {"k": normal(seed, 6, 1, 4, 4), "m": normal(seed + 9, 16, 6, 3, 3)}
    return load_model(graph_model(nodes, (1, 24, 24), weights)).network


@pytest.mark.parametrize("seed", range(2))
def test_a_network_of_convolutions_is_bounded_in_groups(seed, monkeypatch):
    """Folded both ways it has the same units and, but for the ascent's path, the same bounds."""
    network = convolutions(seed)
    features = InputSpecification.build(network.input_size, lower=0.0, upper=1.0, eps=0.05)
    rng = np.random.default_rng(seed)
    domain = InputDomain.of(features.input_set(rng.random(network.input_size), LInf()))
    used = []

    def counted(*arguments):
        groups = group_objectives(*arguments)
        used.append(len(groups))
        return groups

    for tightening in (Tightening(), Tightening(steps=6)):
        monkeypatch.setattr(ascent, "group_objectives", counted)
        grouped = reduce_network(network, domain, tightening)
        assert max(used) > 2
        monkeypatch.setattr(ascent, "group_objectives", lambda *_: [])
        whole = reduce_network(network, domain, tightening)
        if tightening.steps == 0:
            assert grouped.starts == whole.starts
            np.testing.assert_allclose(grouped.unit_lower, whole.unit_lower, atol=1e-9)
            np.testing.assert_allclose(grouped.unit_upper, whole.unit_upper, atol=1e-9)
        x = rng.uniform(domain.lower, domain.upper, (500, domain.lower.size))
        z_hat = grouped.pre_activations(x)
        assert np.all(z_hat >= grouped.unit_lower - 1e-9)
        assert np.all(z_hat <= grouped.unit_upper + 1e-9)
