"""Square: queries alone, witnesses that hold, and answers that are known."""

import math

import numpy as np
import pytest

from onnx_lippa import Square, attack, load
from onnx_lippa.attacks.stages.square_updates import Canvas
from onnx_lippa.errors import InputError
from onnx_lippa.spec import get_norm
from onnx_lippa.state import Budget
from onnx_lippa.witness import FoundBy, Verdict
from tests.support.attacks import (
    DIGITS,
    RADII,
    check_result,
    digits,
    fingerprints,
    linear_file,
    outcomes_of,
)
from tests.support.graphs import graph_model, node, saved


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_it_breaks_inputs_with_queries_alone(norm):
    model, x, y = digits()
    result = attack(
        model, x[:12], y[:12], eps=RADII[norm], norm=norm, method=Square(queries=300), workers=1
    )
    check_result(DIGITS, x[:12], y[:12], result, norm, RADII[norm])
    broken = [one for one in result if one.verdict is Verdict.ADVERSARIAL]
    assert len(broken) >= 2
    for one in result:
        assert one.effort.gradients == one.effort.lp_steps == 0
        assert one.effort.gradient_seconds == 0
        if one.verdict is Verdict.UNKNOWN:
            assert one.effort.queries == 300
    assert all(0 < one.effort.queries < 300 for one in broken)
    assert {one.found_by for one in broken} == {FoundBy.SAMPLING}
    assert result.figures.as_json()["queries"] == sum(one.effort.queries for one in result)
    assert "queries of the outputs alone" in result.summary()


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.05), ("l2", 0.4), ("linf", None)])
def test_results_do_not_depend_on_batch_and_workers(norm, eps):
    model, x, y = digits()
    method = Square(queries=120, restarts=1, radii=3)
    together = fingerprints(outcomes_of(model, x, y, range(30), norm, eps, 2, method=method))
    alone = fingerprints(outcomes_of(model, x, y, [3, 28], norm, eps, method=method))
    assert {index: together[index] for index in alone} == alone


def test_restarts_draw_other_numbers_and_break_more():
    model, x, y = digits()
    few = attack(model, x[:40], y[:40], eps=0.05, method=Square(queries=30), workers=1)
    more = attack(model, x[:40], y[:40], eps=0.05, method=Square(queries=30, restarts=5), workers=1)
    assert more.success.sum() > few.success.sum()
    assert np.all(more.success >= few.success)
    most = max(one.effort.queries for one in more)
    assert most == 6 * 30


@pytest.mark.parametrize(("norm", "gap"), [("linf", 1.1), ("l2", 1.3)])
def test_the_distance_of_one_feature(tmp_path, norm, gap):
    """Class 1 wins where the first feature rises by a quarter; the others do nothing."""
    weight = np.zeros((6, 2))
    weight[0] = [-1.0, 1.0]
    path = linear_file(tmp_path, weight, np.array([1.25, 0.0]))
    x = np.full((1, 6), 0.375, np.float32)
    result = attack(load(path), x, [0], norm=norm, method=Square(queries=400, radii=12), workers=1)
    check_result(path, x, [0], result, norm)
    assert 0.25 <= result.distances[0] <= gap * 0.25


def test_whole_colours_are_found(tmp_path):
    """Only the corner with the signs of the weights is unsafe, and each is reached by a block."""
    weight = np.stack([np.zeros(8), np.repeat([1.0, -1.0], 4)], axis=1)
    path = linear_file(tmp_path, weight, np.array([0.79, 0.0]))
    x = np.full((1, 8), 0.5, np.float32)
    result = attack(load(path), x, [0], eps=0.1, method=Square(queries=500), workers=1)
    check_result(path, x, [0], result, "linf", 0.1)
    np.testing.assert_allclose(
        result.adversarials[0], np.repeat([0.6, 0.4], 4).astype(np.float32), atol=1e-6
    )


@pytest.mark.parametrize("shape", [(3, 5, 7), (5, 7, 3), (6, 4), (9,), (1, 8, 8)])
def test_squares_of_images_in_either_layout(tmp_path, shape):
    """The same squares, whichever axis the channels are."""
    canvas = Canvas.of(shape)
    flat = np.arange(2.0 * np.prod(shape)).reshape(2, -1)
    arranged = canvas.arrange(flat)
    assert arranged.shape == (2, *canvas.shape)
    np.testing.assert_array_equal(canvas.flatten(arranged), flat)
    if shape == (5, 7, 3):
        np.testing.assert_array_equal(arranged[0, 1], flat[0].reshape(shape)[:, :, 1])
    size = int(np.prod(shape))
    generator = np.random.default_rng(3)
    constants = {
        "s": np.array([-1, size]),
        "w": generator.normal(size=(size, 3)).astype(np.float32),
        "b": np.zeros(3, np.float32),
    }
    nodes = [node("Reshape", "x s", "f"), node("Gemm", "f w b", "y")]
    path = saved(graph_model(nodes, shape, constants), tmp_path, "m.onnx")
    x = generator.uniform(0.3, 0.7, (4, *shape)).astype(np.float32)
    model = load(path)
    y = model.runtime.forward(x.reshape(4, -1)).argmax(axis=1)
    for norm, eps in (("linf", 0.2), ("l2", 0.2 * math.sqrt(size))):
        result = attack(
            model, x, y, eps=eps, norm=get_norm(norm), method=Square(queries=200), workers=1
        )
        check_result(path, x, y, result, norm, eps)
        assert result.success.sum() >= 2


def test_features_have_their_own_radii_and_fixed_ones_stay():
    model, x, y = digits()
    scale = np.where(np.arange(64) < 32, 0.1, 0.02)
    for norm, eps in (("linf", 1.0), ("l2", 6.0)):
        result = attack(
            model, x[:6], y[:6], scale=scale, eps=eps, norm=get_norm(norm), fixed=[5],
            method=Square(queries=200), workers=1,
        )  # fmt: skip
        moved = np.abs(result.adversarials - x[:6]).reshape(6, -1)
        assert result.success.any()
        assert not moved[:, 5].any()
        assert np.all(moved <= eps * scale + 1e-6)


def test_a_time_limit_ends_it():
    model, x, y = digits()
    method = Square(queries=10**9)
    for outcome in outcomes_of(
        model, x, y, range(3), eps=0.001, method=method, budget=Budget(time_limit=0.1)
    ):
        assert outcome.verdict is Verdict.UNKNOWN
        assert outcome.effort.seconds < 0.3


def test_what_it_refuses():
    model, x, y = digits()
    with pytest.raises(InputError, match="no updates for the norm l1"):
        attack(model, x[:1], y[:1], eps=1.0, norm="l1", method="square")
    for options in (
        {"queries": 0},
        {"restarts": -1},
        {"radii": 0},
        {"p_init": 0.0},
        {"p_init": 2},
    ):
        with pytest.raises(InputError, match=next(iter(options))):
            Square(**options)
