"""BatchNormalization at inference, on every rank, and its training forms refused."""

import numpy as np
import pytest

from tests.support.graphs import graph_model, node, normal, one_op, opsets_of
from tests.support.layers import check_model, refusal


def statistics(channels, variance=None):
    """Scale, bias, mean and variance."""
    spread = np.abs(normal(4, channels)) + 0.1 if variance is None else variance
    return normal(1, channels), normal(2, channels), normal(3, channels), np.float32(spread)


@pytest.mark.parametrize("opset", opsets_of("BatchNormalization"))
def test_every_opset(opset):
    check_model(
        one_op("BatchNormalization", (2, 3, 3), "x", *statistics(2), opset=opset, epsilon=1e-3)
    )


@pytest.mark.parametrize("sample", [(3,), (3, 4), (3, 2, 2), (3, 2, 1, 2)])
def test_every_rank(sample):
    check_model(one_op("BatchNormalization", sample, "x", *statistics(3)))


@pytest.mark.parametrize("epsilon", [0.0, 1e-5, 0.7])
def test_epsilon(epsilon):
    check_model(one_op("BatchNormalization", (3,), "x", *statistics(3), epsilon=epsilon))


def test_epsilon_has_the_default_of_the_standard():
    check_model(one_op("BatchNormalization", (3,), "x", *statistics(3, np.full(3, 1e-6))))


def test_means_far_from_zero():
    scale, bias, _, variance = statistics(3)
    mean = np.array([100.0, -300.0, 500.0], np.float32)
    check_model(one_op("BatchNormalization", (3,), "x", scale, bias, mean, variance))


def test_momentum_does_nothing_at_inference():
    check_model(one_op("BatchNormalization", (3,), "x", *statistics(3), momentum=0.1))


def test_between_other_layers():
    nodes = [
        node("Conv", "x w", "a"),
        node("BatchNormalization", "a s b m v", "n"),
        node("Relu", "n", "r"),
        node("Flatten", "r", "y"),
    ]
    constants = dict(zip("sbmv", statistics(4), strict=True)) | {"w": normal(1, 4, 1, 2, 2)}
    check_model(graph_model(nodes, (1, 4, 4), constants))


def test_refuses_training_mode():
    nodes = [node("BatchNormalization", "x s b m v", "y rm rv", training_mode=1)]
    constants = dict(zip("sbmv", statistics(3), strict=True))
    problem = refusal(graph_model(nodes, (3,), constants))
    assert "training mode" in problem.reason
    assert "export" in problem.reason


def test_refuses_the_training_outputs_of_old_opsets():
    nodes = [node("BatchNormalization", "x s b m v", "y rm rv sm sv")]
    constants = dict(zip("sbmv", statistics(3), strict=True))
    problem = refusal(graph_model(nodes, (3,), constants, opset=9))
    assert "training mode" in problem.reason


def test_refuses_statistics_that_do_not_fit():
    problem = refusal(one_op("BatchNormalization", (3, 2), "x", *statistics(2)))
    assert "one entry for each" in problem.reason


def test_refuses_a_variance_without_a_root():
    spread = np.array([1.0, -1.0, 0.5], np.float32)
    problem = refusal(one_op("BatchNormalization", (3,), "x", *statistics(3, spread)))
    assert "variance" in problem.reason


def test_refuses_computed_statistics():
    scale, bias, mean, _ = statistics(3)
    problem = refusal(one_op("BatchNormalization", (3,), "x", scale, bias, mean, "x"))
    assert "variance must be a constant" in problem.reason
