from __future__ import annotations

import numpy as np
import pytest

from onnx_lippa.ir.layers.activation import Relu
from onnx_lippa.ir.network import Network
from onnx_lippa.lp.region import LinearRegion
from tests.support.networks import chain, dense, family, mlp
from tests.support.regions import changed_units, patterns_of

KINDS = tuple(family(0))
EACH_KIND = pytest.mark.parametrize("kind", KINDS)


def sampled(kind: str, seed: int = 0) -> tuple[Network, np.random.Generator, np.ndarray]:
    network = family(seed)[kind]
    generator = np.random.default_rng(50)
    return network, generator, generator.uniform(0, 1, (12, network.input_size))


@EACH_KIND
def test_inside_it_is_the_network(kind: str) -> None:
    network, generator, points = sampled(kind)
    for x in points:
        region = LinearRegion.of(network, x)
        near = np.concatenate([x[None], x + 0.02 * generator.normal(size=(40, x.size))])
        evaluation = region.evaluate(near)
        assert evaluation.slacks.shape == (41, region.faces)
        same = np.all(evaluation.slacks >= 0, axis=1)
        assert same[0]
        np.testing.assert_allclose(
            evaluation.outputs[same], network.forward(near[same]), rtol=1e-12, atol=1e-12
        )


@EACH_KIND
def test_slacks_are_negative_exactly_where_the_pattern_differs(kind: str) -> None:
    network, generator, points = sampled(kind)
    if not network.units:
        return
    for x in points:
        region = LinearRegion.of(network, x)
        own = patterns_of(network, x[None])
        near = x + 0.1 * generator.normal(size=(40, x.size))
        # The first layers of units that differ are seen alike by the region and the network.
        inside = np.all(region.evaluate(near).slacks > 0, axis=1)
        np.testing.assert_array_equal(inside, np.all(patterns_of(network, near) == own, axis=1))


@EACH_KIND
def test_it_has_a_face_for_every_unit(kind: str) -> None:
    network, _, points = sampled(kind)
    assert LinearRegion.of(network, points[0]).faces == network.units


@EACH_KIND
def test_the_map_is_affine_with_the_gradient_it_names(kind: str) -> None:
    """``v f(x) = (v Γ) (x - x0) + v f(x0)`` far outside of the region too."""
    network, generator, points = sampled(kind)
    region = LinearRegion.of(network, points[0])
    far = generator.normal(size=(30, network.input_size)) * 10
    v = generator.normal(size=(4, network.output_size))
    expected = (far - points[0]) @ region.gradient(v).T
    values = (region.evaluate(far).outputs - region.evaluate(points[:1]).outputs) @ v.T
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9)


@EACH_KIND
def test_slacks_are_affine_with_the_rows_they_name(kind: str) -> None:
    network, generator, points = sampled(kind)
    region = LinearRegion.of(network, points[0])
    far = generator.normal(size=(30, network.input_size)) * 10
    rows = region.face_rows(np.arange(region.faces))
    assert rows.shape == (region.faces, network.input_size)
    change = region.evaluate(far).slacks - region.evaluate(points[:1]).slacks
    np.testing.assert_allclose(change, (far - points[0]) @ rows.T, rtol=1e-9, atol=1e-9)


@EACH_KIND
def test_rows_of_some_faces_are_those_of_all(kind: str) -> None:
    network, generator, points = sampled(kind)
    region = LinearRegion.of(network, points[0])
    rows = region.face_rows(np.arange(region.faces))
    some = generator.permutation(region.faces)[: region.faces // 2]
    np.testing.assert_allclose(region.face_rows(some), rows[some], rtol=1e-12, atol=1e-13)
    assert region.face_rows(np.zeros(0, dtype=np.int64)).shape == (0, network.input_size)


@EACH_KIND
def test_gradients_against_finite_differences_of_the_network(kind: str) -> None:
    network, generator, points = sampled(kind)
    step = 1e-6
    for x in points[:4]:
        region = LinearRegion.of(network, x)
        slacks = region.evaluate(x[None]).slacks
        if slacks.size and slacks.min() < 1e-3:
            continue  # too near to a face for a difference
        v = generator.normal(size=(2, network.output_size))
        moves = step * np.eye(x.size)
        difference = (network.forward(x + moves) - network.forward(x - moves)) / (2 * step)
        np.testing.assert_allclose(region.gradient(v), v @ difference.T, rtol=1e-6, atol=1e-6)
        outputs, pulled = network.value_and_gradient(np.stack([x, x]), v)
        np.testing.assert_allclose(region.gradient(v), pulled, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(outputs[0], region.evaluate(x[None]).outputs[0], atol=1e-12)


@EACH_KIND
def test_crossing_a_face_changes_that_unit_alone(kind: str) -> None:
    """From a point just inside of a face to just outside: one slack changes sign."""
    network, _, points = sampled(kind)
    crossed = 0
    for x in points[:6]:
        region = LinearRegion.of(network, x)
        slacks = region.evaluate(x[None]).slacks[0]
        for face in np.argsort(slacks)[:5]:
            row = region.face_rows(np.array([face]))[0]
            if not np.any(row):
                continue
            to_face = -slacks[face] / (row @ row) * row
            inner, outer = x + (1 - 1e-7) * to_face, x + (1 + 1e-7) * to_face
            if slacks[face] < 1e-3 or not region.contains(inner, 1e-12):
                continue  # another face comes first
            crossed += 1
            assert region.contains(inner)
            assert not region.contains(outer)
            assert region.contains(outer, tolerance=1e-4)
            beyond = LinearRegion.of(network, outer).pattern
            assert changed_units(region.pattern, beyond) >= 1
            difference = patterns_of(network, inner[None]) != patterns_of(network, outer[None])
            assert difference[0, face]
    assert crossed > 0 or not network.units


@pytest.mark.parametrize("kink", [0.5, 0.3, 1.0])
def test_the_edge_of_a_region_is_sharp(kink: float) -> None:
    """relu(x - kink): float64 neighbours of the kink are told apart."""
    network = chain((1,), dense(1, [[1.0]], [-kink]), Relu((1,)), dense(1, [[1.0]], [0.0]))
    inactive = LinearRegion.of(network, np.array([kink - 0.1]))
    active = LinearRegion.of(network, np.array([kink]))
    below, above = np.array([np.nextafter(kink, 0)]), np.array([np.nextafter(kink, 2)])
    at = np.array([kink])
    assert [active.contains(x) for x in (below, at, above)] == [False, True, True]
    assert [inactive.contains(x) for x in (below, at, above)] == [True, True, False]
    assert active.contains(np.array([kink - 1e-9]), tolerance=2e-9)
    assert not active.contains(np.array([kink - 3e-9]), tolerance=2e-9)
    assert active.pattern.key != inactive.pattern.key
    assert changed_units(active.pattern, inactive.pattern) == 1


def test_a_network_without_kinks_is_one_region() -> None:
    network = mlp(0, (3, 4))
    region = LinearRegion.of(network, np.full(3, 0.5))
    assert region.faces == 0
    assert region.contains(np.full(3, 1e9))
    assert region.face_rows(np.zeros(0, dtype=np.int64)).shape == (0, 3)
    x = np.random.default_rng(51).normal(size=(5, 3))
    evaluation = region.evaluate(x)
    assert evaluation.slacks.shape == (5, 0)
    np.testing.assert_allclose(evaluation.outputs, network.forward(x), atol=1e-12)


def test_inputs_may_have_the_networks_shape() -> None:
    network, _, points = sampled("conv 9")
    flat = LinearRegion.of(network, points[0])
    shaped = LinearRegion.of(network, points[0].reshape(network.input_shape))
    assert flat.pattern.key == shaped.pattern.key
    assert shaped.contains(points[0].reshape(network.input_shape))


def test_the_pattern_is_carried_and_not_recomputed() -> None:
    """A region evaluated elsewhere keeps its own pieces."""
    network = chain((1,), dense(1, [[1.0]], [-0.5]), Relu((1,)), dense(1, [[2.0]], [0.25]))
    active = LinearRegion.of(network, np.array([0.75]))
    elsewhere = np.array([[0.0], [0.5], [1.0]])
    np.testing.assert_array_equal(active.evaluate(elsewhere).outputs, [[-0.75], [0.25], [1.25]])
    np.testing.assert_array_equal(active.evaluate(elsewhere).slacks, [[-0.5], [0.0], [0.5]])
    assert active.pattern.key == network.pattern(np.array([0.75])).key
