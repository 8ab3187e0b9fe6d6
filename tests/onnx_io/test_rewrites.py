"""Positions that are a slice, and what the graph algebra makes of positions of every kind."""

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.ir.algebra import NumpyAlgebra
from onnx_lippa.onnx_io.compiler import GraphAlgebra
from onnx_lippa.onnx_io.rewrites import StraightRun, straight_pieces, straight_run


@pytest.mark.parametrize(
    ("indices", "run"),
    [
        ([0, 1, 2], StraightRun(0, 0, 1, 3, 0)),
        ([2, 3], StraightRun(0, 2, 1, 2, 0)),
        ([-1, -1, 2, 3, -1], StraightRun(2, 2, 1, 2, 1)),
        ([5, 3, 1], StraightRun(0, 5, -2, 3, 0)),
        ([2, 1, 0], StraightRun(0, 2, -1, 3, 0)),
        ([0, 2, 4, -1], StraightRun(0, 0, 2, 3, 1)),
        ([7], StraightRun(0, 7, 1, 1, 0)),
        ([-1, 7, -1], StraightRun(1, 7, 1, 1, 1)),
    ],
)
def test_runs(indices, run):
    assert straight_run(np.array(indices)) == run


@pytest.mark.parametrize(
    "indices", [[], [-1], [-1, -1], [0, -1, 1], [0, 0], [1, 1, 1], [0, 1, 3], [0, 1, 0]]
)
def test_what_is_no_run(indices):
    assert straight_run(np.array(indices, dtype=np.int64)) is None


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.integers(-1, 5), min_size=1, max_size=6))
def test_a_run_gives_its_positions_back(indices):
    run = straight_run(np.array(indices))
    if run is not None:
        taken = [run.start + run.step * i for i in range(run.count)]
        assert [-1] * run.before + taken + [-1] * run.after == indices


@pytest.mark.parametrize(
    ("indices", "lengths"),
    [
        ([1, 0, 1, 2, 3, 2], [2, 3, 1]),  # mirrored at both ends
        ([2, 3, 0, 1, 2, 3, 0, 1], [2, 4, 2]),  # wrapped
        ([0, 0, 1, 2, 2], [1, 3, 1]),
        ([-1, 2, -1, -1, 5, -1], [4, 2]),
        ([0, 1, 3], [2, 1]),
        ([0, 0, 0, 0, 0], None),
        ([-1, -1], None),
        ([], []),
    ],
)
def test_pieces(indices, lengths):
    pieces = straight_pieces(np.array(indices, dtype=np.int64), 4)
    assert (pieces if pieces is None else [len(piece) for piece in pieces]) == lengths


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.integers(-1, 5), min_size=1, max_size=9))
def test_pieces_are_straight_and_give_the_positions_back(indices):
    pieces = straight_pieces(np.array(indices), 9)
    if pieces is None:
        assert max(indices) == -1
    else:
        assert np.concatenate(pieces).tolist() == indices
        assert all(straight_run(piece) is not None for piece in pieces)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.one_of(
        st.lists(st.integers(-1, 4), min_size=1, max_size=7),
        st.builds(
            lambda before, steps, after: [-1] * before + [*range(*steps.indices(5))] + [-1] * after,
            st.integers(0, 2),
            st.sampled_from([slice(a, b, c) for a in (None, 3, 4) for b in (None, 1, 2)
                             for c in (1, 2, -1, -2, -3)]),
            st.integers(0, 2),
        ).filter(len),
    ),
    st.integers(0, 2),
)  # fmt: skip
def test_both_algebras_take_the_same(indices, axis):
    shape = [2, 3, 2]
    shape[axis] = 5
    x = np.random.default_rng(len(indices)).normal(size=(3, *shape)).astype(np.float32)
    taken = NumpyAlgebra(np.float32).take(x, axis, tuple(shape), np.array(indices))
    algebra = GraphAlgebra()
    value = algebra.take("x", axis, tuple(shape), np.array(indices))
    model = algebra.model("take", {"x": tuple(shape)}, {"y": (value, taken.shape[1:])})
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(session.run(None, {"x": x})[0], taken)
