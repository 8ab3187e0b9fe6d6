"""Minimal distortions, from both sides."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_lippa import InputError, Verdict, distortion, prove
from tests.attacks.cases import digits, plain_outputs

COUNT = 4


@pytest.fixture(scope="module")
def bracketed():
    model, x, y = digits()
    wrong = np.array([(y[0] + 1) % 10])  # an input that is not classified so
    labels = np.concatenate([y[:COUNT], wrong])
    inputs = np.concatenate([x[:COUNT], x[:1]])
    return distortion(model, inputs, labels, time_limit=40.0), inputs, labels


def test_bounds_meet_and_the_witness_is_there(bracketed):
    found, x, y = bracketed
    model, *_ = digits()
    outputs = plain_outputs(model.file.path, found.adversarials.reshape(len(x), -1))
    for i in range(COUNT):
        detail = found.details[i]
        assert detail.reason == "" and detail.nodes > 0 and detail.seconds > 0
        assert found.lower[i] <= found.upper[i] <= found.lower[i] + 1e-4
        assert outputs[i].argmax() != y[i]
        moved = np.abs(found.adversarials[i].astype(np.float64) - x[i].reshape(-1)).max()
        assert moved == pytest.approx(found.upper[i])
    assert (found.lower[COUNT], found.upper[COUNT]) == (0.0, 0.0)
    np.testing.assert_array_equal(found.adversarials[COUNT].ravel(), x[COUNT].ravel())


def test_a_proof_agrees_below_and_a_search_above(bracketed):
    """Branch and bound shares neither solver nor formulation with the MIP."""
    found, x, y = bracketed
    model, *_ = digits()
    for i in range(COUNT):
        below = prove(model, x[i], y[i], eps=float(found.lower[i]) - 1e-4)
        above = prove(model, x[i], y[i], eps=float(found.upper[i]) + 1e-4)
        assert below.verdicts == (Verdict.ROBUST,)
        assert above.verdicts == (Verdict.ADVERSARIAL,)


def test_nothing_within_the_radius(bracketed):
    found, x, y = bracketed
    model, *_ = digits()
    eps = float(found.lower[0]) / 2
    within = distortion(model, x[0], y[0], eps=eps)
    assert (within.lower[0], within.upper[0]) == (eps, np.inf)
    assert within.details[0].reason == ""


def test_limits_and_round_balls_are_named(bracketed):
    _, x, y = bracketed
    model, *_ = digits()
    hasty = distortion(model, x[0], y[0], time_limit=1e-3)
    assert hasty.lower[0] == 0.0 and np.isfinite(hasty.upper[0])
    assert "time" in hasty.details[0].reason or "limit" in hasty.details[0].reason
    round_ = distortion(model, x[0], y[0], norm="l2")
    assert round_.lower[0] == 0.0 and np.isfinite(round_.upper[0])
    assert "round" in round_.details[0].reason


def test_in_l1(bracketed):
    _, x, y = bracketed
    model, *_ = digits()
    found = distortion(model, x[0], y[0], norm="l1", time_limit=60.0)
    assert 0 < found.lower[0] <= found.upper[0]
    if not found.details[0].reason:
        assert found.upper[0] <= found.lower[0] * (1 + 1e-3)


def test_bad_arguments():
    model, x, y = digits()
    with pytest.raises(InputError, match="abacus"):
        distortion(model, x[0], y[0], solver="abacus")
    with pytest.raises(InputError, match="time limit"):
        distortion(model, x[0], y[0], time_limit=0.0)
