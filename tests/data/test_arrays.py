"""Arrays from Python, by the rules of data files."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_lippa.data import convert_arrays
from onnx_lippa.errors import InputError

PIXELS = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4) * 10


@pytest.mark.parametrize("x", [PIXELS, PIXELS[:, None], PIXELS.reshape(2, 12)])
@pytest.mark.parametrize("shape", [(1, 3, 4), (3, 4)])
def test_bytes_and_channel_axes(x, shape):
    inputs, labels = convert_arrays(x, None, shape)
    assert (inputs.dtype, labels) == (np.dtype(np.float32), None)
    np.testing.assert_array_equal(inputs, (PIXELS.reshape(2, 12) / 255).astype(np.float32))


@pytest.mark.parametrize("y", [[3, 1], np.array([[3], [1]]), np.float32([3, 1]), (np.int8(3), 1)])
def test_labels_in_a_column(y):
    inputs, labels = convert_arrays(np.zeros((2, 5)), y, (5,), np.dtype(np.float64))
    assert inputs.dtype == np.float64
    assert labels is not None
    assert labels.numbers.dtype == np.int64
    assert labels.numbers.tolist() == [3, 1]


def test_a_single_input_and_its_label():
    inputs, labels = convert_arrays([0.25, 0.5], 1, (2,))
    assert inputs.tolist() == [[0.25, 0.5]]
    assert labels is not None
    assert labels.numbers.tolist() == [1]


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        ([[1.0], [1.0, 2.0]], None, "x is ragged"),
        (np.zeros((2, 3)), None, r"x has shape \(2, 3\)"),
        (np.zeros((0, 2)), None, "holds no inputs"),
        (np.array([["a", "b"]]), None, "x holds values of type"),
        (np.zeros((1, 2), complex), None, "x holds values of type"),
        ([[0.0, np.nan]], None, "input 0 in x holds nan at feature 1"),
        (np.zeros((2, 2)), [0], "labels in y number 1"),
        (np.zeros((2, 2)), np.ones((2, 2)), "one-hot"),
        (np.zeros((2, 2)), [0, 0.5], "not a class number"),
    ],
)
def test_refused(x, y, says):
    with pytest.raises(InputError, match=says):
        convert_arrays(x, y, (2,))
