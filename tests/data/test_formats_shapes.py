import numpy as np
import pytest

from onnx_lippa.data.convert import as_rows
from onnx_lippa.data.files import Stored
from onnx_lippa.errors import InputError


def rows(shape, sample_shape):
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    matched = as_rows(Stored(values, "a.npy"), sample_shape)
    assert np.array_equal(matched.ravel(), values.ravel())
    return matched.shape


@pytest.mark.parametrize(
    ("shape", "sample_shape", "expected"),
    [
        ((5, 3, 4, 2), (3, 4, 2), (5, 24)),
        ((5, 4, 4), (1, 4, 4), (5, 16)),
        ((5, 4, 4, 1), (1, 4, 4), (5, 16)),
        ((5, 1, 4, 4), (4, 4), (5, 16)),
        ((5, 16), (1, 4, 4), (5, 16)),
        ((5, 1, 1, 16), (1, 4, 4), (5, 16)),
        ((5, 4, 4, 4), (4, 4, 4), (5, 64)),
        ((5, 1, 1, 3), (3, 1, 1), (5, 3)),
        ((5,), (1,), (5, 1)),
        ((5, 1), (), (5, 1)),
        # Images of one channel for a flat model.
        ((5, 4, 4), (16,), (5, 16)),
        ((5, 28, 28), (784,), (5, 784)),
        ((5, 1, 28, 28), (784, 1), (5, 784)),
        ((5, 28, 28, 1), (1, 784), (5, 784)),
        ((1, 28, 28), (784,), (1, 784)),
        ((5, 6, 10), (60,), (5, 60)),
        # Single samples.
        ((3, 4, 2), (3, 4, 2), (1, 24)),
        ((4, 4), (1, 4, 4), (1, 16)),
        ((1, 4, 4), (1, 4, 4), (1, 16)),
        ((4, 4, 1), (1, 4, 4), (1, 16)),
        ((16,), (16,), (1, 16)),
        ((), (1,), (1, 1)),
    ],
)
def test_accepted(shape, sample_shape, expected):
    assert rows(shape, sample_shape) == expected


@pytest.mark.parametrize(
    ("shape", "sample_shape"),
    [
        ((5, 4, 4), (1, 5, 5)),
        # Channels, or what may be channels, in a flat model.
        ((5, 3, 4, 4), (48,)),
        ((5, 4, 4, 3), (48,)),
        ((5, 3, 16), (48,)),
        ((5, 16, 3), (48,)),
        ((5, 2, 8), (16,)),
        # Not a batch, or of more axes than an image has.
        ((4, 4), (16,)),
        ((5, 1, 4, 4, 1), (16,)),
        ((5, 4, 4), (4, 2, 2)),
        ((5, 2, 8), (4, 4)),
        ((16,), (1, 4, 4)),
        ((5, 8, 3, 4), (3, 4, 8)),
        ((5, 3, 2, 4), (3, 4, 2)),
        ((), (2,)),
    ],
)
def test_other_shapes_are_refused_with_both_shapes(shape, sample_shape):
    with pytest.raises(InputError) as caught:
        rows(shape, sample_shape)
    assert f"a.npy has shape {shape}" in str(caught.value)
    assert f"samples have shape {sample_shape}" in str(caught.value)
    assert "reshape the array to (n, " in str(caught.value)


@pytest.mark.parametrize("shape", [(5, 4, 4, 3), (4, 4, 3)])
def test_channels_last_is_refused_and_the_advice_works(shape):
    with pytest.raises(InputError) as caught:
        rows(shape, (3, 4, 4))
    message = str(caught.value)
    assert str(shape) in message and "(3, 4, 4)" in message and "transpose" in message
    assert "numpy.moveaxis(images, -1, -3)" in message
    transposed = np.moveaxis(np.zeros(shape), -1, -3)
    assert as_rows(Stored(transposed, "a.npy"), (3, 4, 4)).shape[1] == 48


def test_channels_last_is_refused_where_axes_of_extent_1_would_hide_it():
    with pytest.raises(InputError, match="channels last"):
        rows((5, 3, 1, 3), (3, 3, 1))


@pytest.mark.parametrize("shape", [(0, 4), (0,), (3, 0)])
def test_empty_data_is_refused(shape):
    with pytest.raises(InputError, match="holds no inputs"):
        rows(shape, (4,))
