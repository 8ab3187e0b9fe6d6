"""Regions over a plane, against the activation patterns of points drawn from it."""

import numpy as np
import pytest

from onnx_lippa import InputError
from onnx_lippa.ir.plane import Plane, cut_plane
from onnx_lippa.onnx_io import load
from tests.support.attacks import digits, mlp_file
from tests.support.graphs import graph_model, node, saved


def inside(vertices, points):
    """Which points (n, 2) lie strictly inside a convex polygon, by the signs of cross products."""
    edges = np.roll(vertices, -1, axis=0) - vertices
    shifts = points[:, None] - vertices
    cross = edges[:, 0] * shifts[..., 1] - edges[:, 1] * shifts[..., 0]
    return np.all(cross > 1e-9, axis=1)


def area(vertices):
    x, y = vertices.T
    return 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


@pytest.mark.parametrize("seed", range(4))
def test_regions_tile_the_rectangle_and_have_one_pattern(tmp_path, seed):
    network = load(mlp_file(tmp_path, (2, 7, 6, 3), seed), lower=-2, upper=2).network
    plane = Plane(np.zeros(2), np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    lower, upper = np.array([-2.0, -1.0]), np.array([2.0, 1.5])
    regions = cut_plane(network, plane, lower, upper)
    assert sum(area(region.vertices) for region in regions) == pytest.approx(4 * 2.5)
    assert len({region.pattern.key for region in regions}) == len(regions)
    points = np.random.default_rng(seed).uniform(lower, upper, size=(3000, 2))
    logits = network.forward(points)
    seen = 0
    for region in regions:
        own = np.flatnonzero(inside(region.vertices, points))
        seen += len(own)
        assert {network.pattern(points[i]).key for i in own} <= {region.pattern.key}
        for label, part in region.classes.items():
            for i in own[inside(part, points[own])]:
                assert logits[i].argmax() == label
        assert sum(map(area, region.classes.values())) == pytest.approx(area(region.vertices))
    assert seen > 2900
    found = {network.pattern(point).key for point in points}
    assert found <= {region.pattern.key for region in regions}


def test_a_plane_through_three_inputs():
    model, x, _ = digits()
    points = x[:3].reshape(3, -1).astype(np.float64)
    plane = Plane.through(points)
    coordinates = plane.coordinates(points)
    np.testing.assert_allclose(plane.points(coordinates), points, atol=1e-12)
    regions = cut_plane(model.network, plane, coordinates.min(axis=0), coordinates.max(axis=0))
    for region in regions[::50]:
        middle = region.vertices.mean(axis=0)[None]
        logits = model.network.forward(plane.points(middle))
        np.testing.assert_allclose(region.logits.mean(axis=0), logits[0], atol=1e-9)
    with pytest.raises(InputError, match="on a line"):
        Plane.through(np.stack([points[0], points[1], points[0]]))


def test_maxima_are_refused(tmp_path):
    graph = graph_model([node("ReduceMax", "x", "y", axes=[1], keepdims=1)], (2,), {})
    plane = Plane(np.zeros(2), np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    network = load(saved(graph, tmp_path)).network
    with pytest.raises(InputError, match="no activation with one kink"):
        cut_plane(network, plane, np.zeros(2), np.ones(2))
