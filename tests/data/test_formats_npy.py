import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from onnx_lippa.errors import InputError
from tests.support.data import read_data


@pytest.mark.parametrize(
    ("inputs", "labels"),
    [
        ("images", "labels"),
        ("x", "y"),
        ("inputs", "labels"),
        ("mnist_x", "mnist_y"),
        ("x_test", "y_test"),
        ("X_test", "y_test"),
        ("X", "Y"),
        ("test-images", "test-labels"),
        ("images.test", "labels.test"),
    ],
)
def test_companions(tmp_path, inputs, labels):
    np.save(tmp_path / f"{inputs}.npy", np.ones((2, 3)))
    np.save(tmp_path / f"{labels}.npy", np.array([4, 5]))
    assert read_data(tmp_path / f"{inputs}.npy", (3,)).labels.tolist() == [4, 5]


@pytest.mark.parametrize(
    ("inputs", "other"),
    [("max", "may"), ("a_x_b", "a_y_b"), ("data", "labels"), ("xtest", "ytest")],
)
def test_other_files_are_no_companions(tmp_path, inputs, other):
    np.save(tmp_path / f"{inputs}.npy", np.ones((2, 3)))
    np.save(tmp_path / f"{other}.npy", np.array([4, 5]))
    assert read_data(tmp_path / f"{inputs}.npy", (3,)).labels is None


def test_the_folder_is_not_renamed(tmp_path):
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
    np.save(tmp_path / "x" / "data.npy", np.ones((2, 3)))
    np.save(tmp_path / "y" / "data.npy", np.array([4, 5]))
    assert read_data(tmp_path / "x" / "data.npy", (3,)).labels is None


def test_a_damaged_companion_is_named(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((2, 3)))
    (tmp_path / "y.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"y\.npy cannot be read as a NumPy \.npy file"):
        read_data(tmp_path / "x.npy", (3,))


def test_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object))
    with pytest.raises(InputError, match=r"cannot be read as a NumPy \.npy file"):
        read_data(tmp_path / "a.npy", (1,))


@settings(deadline=None, derandomize=True)
@given(inputs=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=4)))
def test_round_trip_of_bytes(scratch, inputs):
    np.save(scratch / "round.npy", inputs)
    data = read_data(scratch / "round.npy", inputs.shape[1:])
    expected = (inputs / 255).astype(np.float32).reshape(len(inputs), -1)
    assert data.inputs.dtype == np.float32 and data.labels is None
    assert np.array_equal(data.inputs, expected)
