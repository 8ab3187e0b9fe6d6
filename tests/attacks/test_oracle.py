"""The margins and gradients that attacks see, against the unsafe set and difference quotients."""

import numpy as np
import pytest

from onnx_lippa.attacks.stages.oracle import LeastMargin, Loss, MarginOracle, OneMargin
from onnx_lippa.attacks.stages.state import AttackBatch
from onnx_lippa.lp import make_engine
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.spec import ProblemSet
from onnx_lippa.state import Budget
from tests.support.attacks import digits, problems_of


def begin(problems: ProblemSet) -> AttackBatch:
    model, _, _ = digits()
    engine = make_engine("auto", model.network, make_solver("glop"))
    return AttackBatch.begin(list(problems), model, engine, Budget())


class SumOfSquares(Loss):
    """A loss whose slopes are no weights of a single margin."""

    def evaluate(self, margins):
        return (margins**2).sum(axis=1), 2 * margins


@pytest.mark.parametrize("loss", [LeastMargin(), OneMargin(np.array([3, 0, 8])), SumOfSquares()])
def test_gradients_are_those_of_the_loss(loss):
    model, x, y = digits()
    batch = begin(problems_of(model, x, y, [0, 1, 2]))
    attacks = [batch.attacks[i] for i in (0, 2, 0)]  # one input twice
    points = x[[0, 2, 0]].reshape(3, -1) + 0.01
    oracle, network = MarginOracle(attacks), model.network
    found = oracle.evaluate(points, loss)
    expected = np.stack(
        [
            attack.state.problem.unsafe.margins(network.forward(point[None].astype(np.float64)))[0]
            for attack, point in zip(attacks, points, strict=True)
        ]
    )
    np.testing.assert_allclose(found.margins, expected, atol=1e-4)
    np.testing.assert_allclose(found.losses, loss.evaluate(expected)[0], rtol=1e-4, atol=1e-4)
    direction = np.random.default_rng(0).standard_normal(points.shape)
    step = 1e-6
    ahead, behind = (
        [
            attack.state.problem.unsafe.margins(network.forward(point[None]))[0]
            for attack, point in zip(attacks, points + sign * step * direction, strict=True)
        ]
        for sign in (1, -1)
    )
    quotient = (loss.evaluate(np.stack(ahead))[0] - loss.evaluate(np.stack(behind))[0]) / (2 * step)
    slope = (found.gradient * direction).sum(axis=1)
    np.testing.assert_allclose(slope, quotient, rtol=1e-3, atol=1e-3)
    assert [attack.state.effort.gradients for attack in batch.attacks] == [2, 0, 1]


def test_gradients_of_several_disjuncts():
    model, x, y = digits()
    batch = begin(problems_of(model, x, y, [0, 1]))
    oracle, points = MarginOracle(batch.attacks), x[:2].reshape(2, -1)
    disjuncts = np.array([[0, 5], [8, 2]])
    margins, gradients = oracle.gradients(points, disjuncts)
    for place in range(2):
        one = oracle.evaluate(points, OneMargin(disjuncts[:, place]))
        np.testing.assert_array_equal(margins[:, place], one.losses)
        np.testing.assert_array_equal(gradients[:, place], one.gradient)
