import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from onnx_lippa.errors import InputError
from tests.support.data import read_data
from tests.support.shared_files import SHARED, needs_shared

MNIST = SHARED / "data" / "mnist"


@pytest.mark.parametrize(
    ("inputs", "labels"),
    [
        ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        ("images.idx", "labels.idx"),
        ("colour-images-idx4-ubyte", "colour-labels-idx1-ubyte"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_companions(tmp_path, idx_bytes, inputs, labels, zipped):
    pack, ending = (gzip.compress, ".gz") if zipped else (bytes, "")
    path = tmp_path / (inputs + ending)
    path.write_bytes(pack(idx_bytes(np.full((2, 2, 2), 255, np.uint8))))
    assert read_data(path, (1, 2, 2)).labels is None
    (tmp_path / (labels + ending)).write_bytes(pack(idx_bytes(np.array([7, 9], np.uint8))))
    data = read_data(path, (1, 2, 2))
    assert data.inputs.tolist() == [[1.0] * 4] * 2 and data.labels.tolist() == [7, 9]


def test_a_name_without_images_has_no_companion(tmp_path, idx_bytes):
    path = tmp_path / "data.idx"
    path.write_bytes(idx_bytes(np.zeros((2, 3), np.uint8)))
    assert read_data(path, (3,)).labels is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an IDX file"),
        (b"\0\0\x08", "is not an IDX file"),
        (b"\0\1\x08\1\0\0\0\1\0", "starts with the bytes '00 01 08 01'"),
        (b"\0\0\x0a\1\0\0\0\1\0", "is not an IDX file"),
        (b"\0\0\x08\2\0\0\0\1\0", "ends inside its header"),
        (b"\0\0\x08\1\0\0\0\2\0", "takes 2 bytes, but holds 1"),
        (b"\0\0\x08\1\0\0\0\1\0\0", "takes 1 bytes, but holds 2"),
        (b"\0\0\x08\1\0\0\0\0", "holds no inputs"),
        (b"\0\0\x08\2" + b"\xff" * 8, "incomplete or damaged"),
        (b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"\0", "cannot be read as an IDX file"),
        (gzip.compress(b"\0\0\x08\1\0\0\0\1\0", mtime=0)[:-9], "cannot be read as an IDX file"),
        (
            gzip.compress(b"\0\0\x08\1\0\0\0\1\0", mtime=0) + b"more",
            "cannot be read as an IDX file",
        ),
    ],
)
def test_damaged_files(tmp_path, content, message):
    path = tmp_path / "a.idx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_data(path, (1,))


@settings(deadline=None, derandomize=True)
@given(
    inputs=st.sampled_from(["u1", "i1", "i2", "i4", "f4", "f8"]).flatmap(
        lambda code: hnp.arrays(
            np.dtype(code),
            hnp.array_shapes(min_dims=2, max_dims=4),
            elements=st.integers(0, 100),
        )
    ),
    zipped=st.booleans(),
)
def test_round_trip_of_all_types(scratch, idx_bytes, inputs, zipped):
    path = scratch / "round.idx"
    content = idx_bytes(inputs)
    path.write_bytes(gzip.compress(content, mtime=0) if zipped else content)
    data = read_data(path, inputs.shape[1:])
    values = inputs / 255 if inputs.dtype == np.uint8 else inputs
    expected = values.astype(np.float32).reshape(len(inputs), -1)
    assert data.inputs.dtype.isnative and np.array_equal(data.inputs, expected)


@needs_shared("data/mnist")
def test_mnist_is_the_same_in_both_formats():
    full = read_data(MNIST / "t10k-images-idx3-ubyte.gz", (1, 28, 28))
    part = read_data(MNIST / "mnist_test_1000.npz", (1, 28, 28))
    assert full.inputs.shape == (10000, 784) and part.inputs.shape == (1000, 784)
    assert np.array_equal(full.inputs[:1000], part.inputs)
    assert np.array_equal(full.labels[:1000], part.labels)
