"""The check of witnesses, on models whose answers are known: the logits are two of the inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from onnx_lippa.ending import OUT_OF_TIME
from onnx_lippa.onnx_io import Runtime, load
from onnx_lippa.spec import Conjunction, InputSet, Norm, UnsafeSet, get_norm
from onnx_lippa.witness import (
    Effort,
    FoundBy,
    ProvedBy,
    Result,
    Verdict,
    Witness,
    check_candidate,
    check_stored,
)

WRONG = UnsafeSet.misclassification(0, 2)
NORMS = pytest.mark.parametrize("norm", ["linf", "l1", "l2"])


def saved_model(folder: Path, shape: tuple[int, ...], batch: int | str) -> Path:
    """Relu(x) W with W picking the first two features: s = (relu(x_0), relu(x_1))."""
    features = int(np.prod(shape))
    weight = np.zeros((features, 2), dtype=np.float32)
    weight[0, 0] = weight[1, 1] = 1.0
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], name="flatten"),
        helper.make_node("Relu", ["flat"], ["hidden"], name="relu"),
        helper.make_node("Gemm", ["hidden", "weight"], ["logits"], name="dense"),
    ]
    graph = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 2])],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / f"model-{batch}-{len(shape)}.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return load(saved_model(tmp_path_factory.mktemp("model"), (2,), "batch")).runtime


def around(center: list[float], eps: float, norm: str | Norm = "linf") -> InputSet:
    exact = np.array(center, dtype=np.float32).astype(np.float64)
    return InputSet(exact, get_norm(norm), eps, np.zeros(exact.size), np.ones(exact.size))


def f32(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def step(value: float, towards: float) -> np.float32:
    return np.nextafter(np.float32(value), np.float32(towards))


@NORMS
def test_a_clean_input_that_is_right_is_no_witness(runtime: Runtime, norm: str) -> None:
    inputs = around([0.6, 0.4], 0.3, norm)
    assert check_candidate(runtime, inputs.center, inputs, WRONG) is None
    assert check_stored(runtime, inputs.center.astype(np.float32), inputs, WRONG) is None


@NORMS
def test_a_clean_input_that_is_wrong_is_one_at_distance_zero(runtime: Runtime, norm: str) -> None:
    inputs = around([0.4, 0.6], 0.0, norm)
    witness = check_candidate(runtime, inputs.center, inputs, WRONG)
    assert witness is not None
    assert witness.distance == 0.0


@NORMS
def test_a_true_adversarial_is_accepted_as_it_is(runtime: Runtime, norm: str) -> None:
    inputs = around([0.6, 0.4], 0.3, norm)
    x = f32(0.47, 0.53)
    witness = check_stored(runtime, x, inputs, WRONG)
    assert isinstance(witness, Witness)
    assert witness.x.dtype == witness.outputs.dtype == np.float32
    np.testing.assert_array_equal(witness.x, x)
    np.testing.assert_array_equal(witness.outputs, x)
    assert witness.prediction == 1
    assert witness.distance == inputs.distance(x)
    assert 0 < witness.distance <= 0.3
    same = check_candidate(runtime, x.astype(np.float64), inputs, WRONG)
    assert same is not None
    np.testing.assert_array_equal(same.x, x)


@NORMS
def test_one_ulp_outside_of_the_ball_is_rejected(runtime: Runtime, norm: str) -> None:
    """Along one axis all norms have the same edge: 0.25, which float32 holds."""
    inputs = around([0.5, 0.375], 0.25, norm)
    edge = f32(0.5, 0.625)
    assert check_stored(runtime, edge, inputs, WRONG) is not None
    outside = f32(0.5, step(0.625, 1))
    assert WRONG.contains(outside)
    assert check_stored(runtime, outside, inputs, WRONG) is None
    # Offered as a candidate it is moved in first.
    moved = check_candidate(runtime, outside.astype(np.float64), inputs, WRONG)
    assert moved is not None
    assert inputs.contains(moved.x)


@pytest.mark.parametrize("eps", [0.1, 0.05, 8 / 255])
def test_a_radius_that_float32_cannot_hold_is_not_exceeded(runtime: Runtime, eps: float) -> None:
    """float32(center + eps) may lie outside of the ball; then it is no witness."""
    rejected = 0
    for pixel in range(30, 200, 7):
        inputs = around([pixel / 255, pixel / 255], eps)
        x = f32(inputs.center[0], inputs.center[1] + eps)
        x[1] = x[1] if float(x[1]) - inputs.center[1] > eps else step(float(x[1]), 2)
        assert WRONG.contains(x)
        if float(x[1]) - inputs.center[1] > eps:
            rejected += 1
            assert check_stored(runtime, x, inputs, WRONG) is None
        witness = check_candidate(runtime, x.astype(np.float64), inputs, WRONG)
        assert witness is not None
        assert abs(float(witness.x[1]) - inputs.center[1]) <= eps
    assert rejected > 10


def test_one_ulp_outside_of_the_box_is_rejected(runtime: Runtime) -> None:
    inputs = around([0.9, 0.8], 5.0)
    assert check_stored(runtime, f32(0.9, 1.0), inputs, WRONG) is not None
    assert check_stored(runtime, f32(0.9, step(1.0, 2)), inputs, WRONG) is None
    assert check_stored(runtime, f32(0.0, 0.5), inputs, WRONG) is not None
    assert check_stored(runtime, f32(step(0.0, -1), 0.5), inputs, WRONG) is None


@NORMS
def test_a_tie_is_not_adversarial(runtime: Runtime, norm: str) -> None:
    inputs = around([0.5, 0.25], 0.5, norm)
    assert check_stored(runtime, f32(0.5, 0.5), inputs, WRONG) is None
    assert check_candidate(runtime, np.array([0.5, 0.5]), inputs, WRONG) is None
    broken = check_stored(runtime, f32(0.5, step(0.5, 1)), inputs, WRONG)
    assert broken is not None
    assert broken.prediction == 1
    # The same the other way round, where the label is the second class.
    other = UnsafeSet.misclassification(1, 2)
    assert check_stored(runtime, f32(0.5, 0.5), around([0.5, 0.5], 0.5, norm), other) is None


def test_a_tie_in_float32_is_a_tie_whatever_the_solver_says(runtime: Runtime) -> None:
    """A solution that is adversarial by less than float32 can hold is none."""
    inputs = around([0.5, 0.25], 0.5)
    assert check_candidate(runtime, np.array([0.5, 0.5 + 1e-10]), inputs, WRONG) is None
    assert check_candidate(runtime, np.array([0.5, 0.5 + 1e-7]), inputs, WRONG) is not None


def test_a_closed_property_counts_ties(runtime: Runtime) -> None:
    closed = UnsafeSet((Conjunction(np.array([[1.0, -1.0]]), np.zeros(1), strict=False),))
    inputs = around([0.5, 0.25], 0.5)
    witness = check_stored(runtime, f32(0.5, 0.5), inputs, closed)
    assert witness is not None
    assert check_stored(runtime, f32(step(0.5, 1), 0.5), inputs, closed) is None


def test_only_what_is_asked_counts(runtime: Runtime) -> None:
    inputs = around([0.6, 0.4], 0.3)
    nothing = UnsafeSet.misclassification(0, 2, [0])
    both = UnsafeSet((Conjunction(np.array([[1.0, 0.0], [0.0, -1.0]]), np.array([0.5, -0.55])),))
    assert check_stored(runtime, f32(0.4, 0.6), inputs, nothing) is None
    assert check_stored(runtime, f32(0.4, 0.6), inputs, both) is not None
    assert check_stored(runtime, f32(0.4, 0.5), inputs, both) is None


def test_what_is_not_a_number_is_no_witness(runtime: Runtime) -> None:
    inputs = around([0.6, 0.4], np.inf)
    assert check_stored(runtime, f32(np.nan, 0.9), inputs, WRONG) is None
    assert check_candidate(runtime, np.array([np.nan, 0.9]), inputs, WRONG) is None
    assert check_candidate(runtime, np.array([np.nan, np.nan]), inputs, WRONG) is None


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    center=st.tuples(st.integers(0, 255), st.integers(0, 255)),
    candidate=st.tuples(st.floats(-1, 2), st.floats(-1, 2)),
    eps=st.sampled_from([0.0, 0.05, 0.1, 0.3, 1.0]),
    norm=st.sampled_from(["linf", "l1", "l2"]),
)
def test_whatever_is_accepted_is_real(
    runtime: Runtime,
    center: tuple[int, int],
    candidate: tuple[float, float],
    eps: float,
    norm: str,
) -> None:
    inputs = around([value / 255 for value in center], eps, norm)
    witness = check_candidate(runtime, np.array(candidate), inputs, WRONG)
    if witness is not None:
        x = witness.x.astype(np.float64)
        assert x[1] > x[0]
        assert np.all((x >= 0) & (x <= 1))
        assert get_norm(norm).distance(x, inputs.center) == witness.distance <= eps
        assert check_stored(runtime, witness.x, inputs, WRONG) is not None


@pytest.mark.parametrize("batch", ["batch", 1])
@pytest.mark.parametrize("shape", [(2,), (1, 2, 2)])
def test_models_of_any_batch_size_and_shape(
    tmp_path: Path, shape: tuple[int, ...], batch: int | str
) -> None:
    model = load(saved_model(tmp_path, shape, batch))
    assert model.interface.batch_is_free == (batch == "batch")
    runtime, rest = model.runtime, [0.5] * (int(np.prod(shape)) - 2)
    inputs = around([0.6, 0.4, *rest], 0.3)
    assert check_stored(runtime, inputs.center.astype(np.float32), inputs, WRONG) is None
    assert check_stored(runtime, f32(0.5, 0.5, *rest), inputs, WRONG) is None
    witness = check_candidate(runtime, np.array([0.45, 0.55, *rest]), inputs, WRONG)
    assert witness is not None
    np.testing.assert_allclose(witness.outputs, [0.45, 0.55], rtol=1e-6)
    shaped = check_candidate(runtime, np.array([0.45, 0.55, *rest]).reshape(shape), inputs, WRONG)
    assert shaped is not None
    assert shaped.x.shape == (inputs.size,)


def test_a_witness_survives_being_saved(runtime: Runtime, tmp_path: Path) -> None:
    inputs = around([0.6, 0.4], 0.1)
    witness = check_candidate(runtime, np.array([0.0, 1.0]), inputs, WRONG)
    assert witness is None  # the ball is too small: 0.5 against 0.5 at best
    inputs = around([0.6, 0.41], 0.1)
    witness = check_candidate(runtime, np.array([0.0, 1.0]), inputs, WRONG)
    assert witness is not None
    np.savez(tmp_path / "saved.npz", x=witness.x)
    with np.load(tmp_path / "saved.npz") as saved:
        again = check_stored(runtime, saved["x"], inputs, WRONG)
    assert again is not None
    assert again.distance == witness.distance
    np.testing.assert_array_equal(again.outputs, witness.outputs)


class Disagreeing:
    """A runtime whose answers depend on the company an input is in."""

    def __init__(self, alone: list[float], together: list[float]) -> None:
        self.alone, self.together = f32(*alone), f32(*together)

    def forward_alone(self, x: np.ndarray) -> np.ndarray:
        return np.repeat(self.alone[None], len(x), axis=0)

    def forward(self, x: np.ndarray) -> np.ndarray:
        return np.repeat(self.together[None], len(x), axis=0)


@pytest.mark.parametrize(
    ("alone", "together", "holds"),
    [
        ([0.0, 1.0], [0.0, 1.0], True),
        ([0.0, 1.0], [1.0, 1.0], False),
        ([1.0, 1.0], [0.0, 1.0], False),
        ([0.0, np.nan], [0.0, 1.0], False),
    ],
)
def test_it_must_hold_alone_and_in_a_batch(
    alone: list[float], together: list[float], holds: bool
) -> None:
    runtime: Any = Disagreeing(alone, together)
    inputs = around([0.6, 0.4], 0.3)
    assert (check_stored(runtime, f32(0.45, 0.55), inputs, WRONG) is not None) == holds


def test_a_result_in_one_line():
    witness = Witness(np.zeros(2, np.float32), np.zeros(2, np.float32), 0.25)
    broken = Result(
        3, Verdict.ADVERSARIAL, witness, found_by=FoundBy.LP, effort=Effort(seconds=2.0)
    )
    assert repr(broken) == "Result(input 3 is adversarial; distance 0.25, found by lp; 2 s)"
    proven = Result(0, Verdict.ROBUST, bound=0.5, proved_by=ProvedBy.LINEAR)
    assert repr(proven) == (
        "Result(input 0 is robust; margin of at least 0.5, proved by linear; 0 s)"
    )
    assert repr(Result(1, Verdict.UNKNOWN, reason=OUT_OF_TIME)) == (
        "Result(input 1 is unknown; its time was used up; 0 s)"
    )
