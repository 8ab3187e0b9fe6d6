"""Minimal distortions, from both sides."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_lippa import InputError, Verdict, certify, minimal_distortion
from onnx_lippa.ending import Ending
from onnx_lippa.mip.distortion import DistortionBounds
from onnx_lippa.onnx_io import load
from onnx_lippa.proofs import BranchAndBound, bound_distance
from onnx_lippa.spec import InputSpecification, Problem, UnsafeSet, get_norm
from onnx_lippa.witness import Effort, ProvedBy, Result
from tests.support.attacks import digits, linear_file, plain_outputs
from tests.support.one_hidden_layer import layers_file, least_distance, one_hidden_layer

COUNT = 4


@pytest.fixture(scope="module")
def bracketed():
    model, x, y = digits()
    wrong = np.array([(y[0] + 1) % 10])  # an input that is not classified so
    labels = np.concatenate([y[:COUNT], wrong])
    inputs = np.concatenate([x[:COUNT], x[:1]])
    return minimal_distortion(model, inputs, labels, time_limit=40.0), inputs, labels


def test_bounds_meet_and_the_witness_is_there(bracketed):
    found, x, y = bracketed
    model, *_ = digits()
    outputs = plain_outputs(model.file.path, found.adversarials.reshape(len(x), -1))
    for i in range(COUNT):
        effort = found[i].effort
        assert found[i].reason is None
        assert effort.nodes > 0 and effort.seconds > 0 and effort.mips > 0
        assert found.distance_bounds[i] <= found.distances[i] <= found.distance_bounds[i] + 1e-4
        assert outputs[i].argmax() != y[i]
        moved = np.abs(found.adversarials[i].astype(np.float64) - x[i].reshape(-1)).max()
        assert moved == pytest.approx(found.distances[i])
    assert (found.distance_bounds[COUNT], found.distances[COUNT]) == (0.0, 0.0)
    np.testing.assert_array_equal(found.adversarials[COUNT].ravel(), x[COUNT].ravel())


def test_a_proof_agrees_below_and_a_search_above(bracketed):
    """Branch and bound shares neither solver nor formulation with the MIP."""
    found, x, y = bracketed
    model, *_ = digits()
    for i in range(COUNT):
        below = certify(model, x[i], y[i], eps=float(found.distance_bounds[i]) - 1e-4)
        above = certify(model, x[i], y[i], eps=float(found.distances[i]) + 1e-4)
        assert below.verdicts == (Verdict.ROBUST,)
        assert above.verdicts == (Verdict.ADVERSARIAL,)


def test_nothing_within_the_radius(bracketed):
    found, x, y = bracketed
    model, *_ = digits()
    eps = float(found.distance_bounds[0]) / 2
    within = minimal_distortion(model, x[0], y[0], eps=eps)
    assert (within.distance_bounds[0], within.distances[0]) == (eps, np.inf)
    assert within[0].reason is None


def test_limits_and_round_balls_are_named(bracketed):
    _, x, y = bracketed
    model, *_ = digits()
    hasty = minimal_distortion(model, x[0], y[0], time_limit=1e-3)
    assert hasty.distance_bounds[0] == 0.0 and np.isfinite(hasty.distances[0])
    assert hasty[0].reason is not None and hasty[0].reason.ending is Ending.OUT_OF_TIME
    round_ = minimal_distortion(model, x[0], y[0], norm="l2")
    assert round_.distance_bounds[0] == 0.0 and np.isfinite(round_.distances[0])
    assert "round" in str(round_[0].reason)


def test_in_l1(bracketed):
    _, x, y = bracketed
    model, *_ = digits()
    found = minimal_distortion(model, x[0], y[0], norm="l1", time_limit=60.0)
    assert 0 < found.distance_bounds[0] <= found.distances[0]
    if not found[0].reason:
        assert found.distances[0] <= found.distance_bounds[0] * (1 + 1e-3)


@pytest.mark.parametrize("norm", ["linf", "l1"])
@pytest.mark.parametrize("solver", ["scip", "highs"])
def test_lower_ends_on_weights_of_mixed_scale(tmp_path, capfd, norm, solver):
    """HiGHS put some above the truth: what is reported is proven, below it, and near."""
    for seed in (0, 1):
        generator = np.random.default_rng(seed)
        (w, b), (v, c) = one_hidden_layer(seed)
        scale = (10.0 ** generator.uniform(-4, 4, len(b))).astype(np.float32)
        layers = [(w * scale, b * scale), ((v / scale[:, None]).astype(np.float32), c)]
        path = layers_file(tmp_path, layers, f"{seed}.onnx")
        x = generator.uniform(size=(3, len(w))).astype(np.float32)
        labels = plain_outputs(path, x).argmax(axis=1)
        found = minimal_distortion(path, x, labels, norm=norm, solver=solver)
        for i in range(3):
            exact = least_distance(norm, x[i], int(labels[i]), layers)
            assert found[i].distance_proved_by is ProvedBy.COMPLETE
            assert found.distance_bounds[i] <= exact * (1 + 1e-8)
            assert found.distance_bounds[i] >= exact * (1 - 1e-4)
            assert found.distance_bounds[i] <= found.distances[i] <= exact * 1.001
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""  # of solvers nothing reaches the terminal


def test_a_domain_without_another_class(tmp_path):
    path = linear_file(tmp_path, np.eye(2), np.array([0.0, -5.0]))
    found = minimal_distortion(path, np.full((1, 2), 0.5, np.float32), [0])
    assert found.distance_bounds[0] == found.distances[0] == np.inf
    assert found[0].distance_proved_by is ProvedBy.COMPLETE


def lying(lower):
    """A MIP solver that found nothing and says that nothing is nearer."""
    return lambda *_args, **_options: DistortionBounds(
        lower, np.inf, np.zeros(0), Effort(mips=1, nodes=1)
    )


def test_a_solver_that_lies_is_corrected(tmp_path, monkeypatch):
    layers = one_hidden_layer(1)
    path = layers_file(tmp_path, layers)
    x = np.random.default_rng(1).uniform(size=(1, len(layers[0][0]))).astype(np.float32)
    label = int(plain_outputs(path, x).argmax())
    exact = least_distance("linf", x[0], label, layers)
    monkeypatch.setattr("onnx_lippa.proofs.distance.bound_distortion", lying(0.9))
    model = load(path)
    problem = problem_around(model, x[0], label, eps=0.9)
    found = bound_distance(model, problem)
    assert found.lower <= exact * (1 + 1e-8)
    assert found.witness is not None and exact * (1 - 1e-4) <= found.upper < 0.9
    assert found.reason or found.proved_by is ProvedBy.COMPLETE


def test_a_word_that_cannot_be_checked_is_called_one(tmp_path, monkeypatch):
    """Where the search does not finish, an attack looks below; the bound is the solver's word."""
    layers = one_hidden_layer(1)
    path = layers_file(tmp_path, layers)
    x = np.random.default_rng(1).uniform(size=(1, len(layers[0][0]))).astype(np.float32)
    undecided = lambda *_: [Result(0, Verdict.UNKNOWN)]  # noqa: E731
    monkeypatch.setattr(BranchAndBound, "solve", undecided)
    found = minimal_distortion(path, x)
    assert found[0].distance_proved_by is ProvedBy.MIP
    monkeypatch.setattr("onnx_lippa.proofs.distance.bound_distortion", lying(0.9))
    wrong = minimal_distortion(path, x, eps=0.9)
    # The attack's own witness caps what the solver says; beyond it nothing is claimed.
    assert wrong.distance_bounds[0] <= wrong.distances[0] <= found.distances[0] * (1 + 1e-6)


def problem_around(model, x, label, eps):
    inputs = InputSpecification(eps=eps).input_set(x, get_norm("linf"))
    unsafe = UnsafeSet.misclassification(label, model.network.output_size)
    return Problem(0, inputs, unsafe, unsafe)


def test_bad_arguments():
    model, x, y = digits()
    with pytest.raises(InputError, match="abacus"):
        minimal_distortion(model, x[0], y[0], solver="abacus")
    with pytest.raises(InputError, match="time limit"):
        minimal_distortion(model, x[0], y[0], time_limit=0.0)
