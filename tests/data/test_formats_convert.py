import numpy as np
import pytest

from onnx_lippa.data.convert import to_floats
from onnx_lippa.data.files import Stored
from onnx_lippa.data.labels import to_labels
from onnx_lippa.errors import InputError


def test_every_byte_is_its_fraction_of_255():
    values = np.arange(256, dtype=np.uint8)[None]
    converted = to_floats(values, "a")
    assert np.array_equal(converted, (values / 255).astype(np.float32))
    assert np.array_equal(converted, values.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize(
    "dtype", ["i1", "i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8", ">f4", ">i4", "g", "?"]
)
def test_other_numbers_keep_their_value(dtype):
    converted = to_floats(np.array([[0, 1, 1]], dtype=dtype), "a")
    assert converted.dtype == np.float32 and converted.tolist() == [[0, 1, 1]]


@pytest.mark.parametrize(
    ("value", "shown"), [(np.nan, "nan"), (-np.inf, "-inf"), (1e300, "1e+300")]
)
def test_the_first_input_that_is_not_finite_is_named(value, shown):
    values = np.zeros((4, 3))
    values[2, 1] = values[3, 0] = value
    with pytest.raises(InputError) as caught:
        to_floats(values, "a.npy")
    assert str(caught.value).startswith(f"input 2 in a.npy holds {shown} at feature 1, ")


@pytest.mark.parametrize("dtype", ["c8", "U3", "S3", "M8[s]", "m8[s]", [("a", "f4")], "V2"])
def test_what_is_not_a_real_number_is_refused(dtype):
    values = np.zeros((2, 1), dtype=dtype)
    with pytest.raises(InputError, match=r"a holds values of type .*: store real numbers"):
        to_floats(values, "a")
    if values.dtype.kind not in "US":  # names
        with pytest.raises(InputError, match="store real numbers"):
            to_labels(Stored(values, "a"), 2)


@pytest.mark.parametrize(
    "values",
    [
        np.array([1, 0, 2], np.uint8),
        np.array([1, 0, 2], ">i8"),
        np.array([[1], [0], [2]]),
        np.array([1.0, 0.0, 2.0], np.float16),
        np.array([1, 0, 2], np.uint64),
    ],
)
def test_labels(values):
    labels = to_labels(Stored(values, "a"), 3).numbers
    assert labels.dtype == np.dtype(np.int64) and labels.tolist() == [1, 0, 2]


def test_the_label_of_a_single_input_may_be_a_scalar():
    assert to_labels(Stored(np.array(7), "a"), 1).numbers.tolist() == [7]
    assert to_labels(Stored(np.array([True]), "a"), 1).numbers.tolist() == [1]


@pytest.mark.parametrize("inputs", [1, 3, 10])
def test_one_hot_labels_are_class_numbers(inputs):
    hot = np.eye(10)[:inputs]
    assert to_labels(Stored(hot, "a"), inputs).numbers.tolist() == list(range(inputs))
    with pytest.raises(InputError, match=r"rows that are not one-hot: give class numbers"):
        to_labels(Stored(hot + hot[:, ::-1], "a"), inputs)


@pytest.mark.parametrize("shape", [(3, 1, 1), (2, 0), (3, 2, 1)])
def test_labels_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match="give one class number or name per input"):
        to_labels(Stored(np.zeros(shape), "a"), 3)


@pytest.mark.parametrize("count", [0, 2, 4])
def test_labels_must_number_as_many_as_inputs(count):
    with pytest.raises(InputError, match=f"number {count}, but there are 3 inputs"):
        to_labels(Stored(np.zeros(count), "a"), 3)


@pytest.mark.parametrize("bad", [0.5, np.nan, np.inf, -np.inf, 1e30])
def test_labels_that_are_not_whole_are_refused(bad):
    with pytest.raises(InputError, match=r"of input 1 in a is not a class number"):
        to_labels(Stored(np.array([1.0, bad, bad]), "a"), 3)


def test_labels_too_large_for_int64_do_not_wrap():
    with pytest.raises(InputError, match="label 18446744073709551615 of input 0"):
        to_labels(Stored(np.array([2**64 - 1], np.uint64), "a"), 1)
