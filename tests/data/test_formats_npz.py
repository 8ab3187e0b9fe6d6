import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from onnx_lippa.errors import InputError
from tests.support.data import read_data


@pytest.mark.parametrize("inputs_key", ["images", "x", "inputs"])
@pytest.mark.parametrize("labels_key", ["labels", "y", None])
def test_reads_the_usual_names(tmp_path, inputs_key, labels_key):
    arrays = {inputs_key: np.arange(6, dtype=np.float32).reshape(3, 2), "other": np.zeros(7)}
    if labels_key:
        arrays[labels_key] = np.array([2, 0, 1])
    np.savez(tmp_path / "a.npz", **arrays)
    data = read_data(tmp_path / "a.npz", (2,))
    assert data.inputs.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert data.source == str(tmp_path / "a.npz")
    if labels_key:
        assert data.labels.tolist() == [2, 0, 1] and data.labels.dtype == np.int64
    else:
        assert data.labels is None


def test_compressed_archives_are_read(tmp_path):
    np.savez_compressed(tmp_path / "a.NPZ.npz", x=np.ones((1, 2)))
    assert read_data(tmp_path / "a.NPZ.npz", (2,)).inputs.tolist() == [[1, 1]]


def test_unknown_names_are_listed(tmp_path):
    np.savez(tmp_path / "a.npz", pictures=np.zeros((1, 2)), labels=np.zeros(1))
    with pytest.raises(InputError, match="holds only the arrays 'pictures', 'labels': store"):
        read_data(tmp_path / "a.npz", (2,))
    np.savez(tmp_path / "b.npz")
    with pytest.raises(InputError, match="holds no arrays: store"):
        read_data(tmp_path / "b.npz", (2,))


def test_objects_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{}], dtype=object))
    with pytest.raises(InputError, match=r"cannot be read as a NumPy \.npz file"):
        read_data(tmp_path / "a.npz", (1,))


def test_an_npy_file_under_the_wrong_name(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((1, 2)))
    (tmp_path / "a.npz").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match="of another kind"):
        read_data(tmp_path / "a.npz", (2,))


@settings(deadline=None, derandomize=True)
@given(
    inputs=hnp.arrays(
        np.float32, (3, 4), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)
    ),
    labels=hnp.arrays(np.int64, 3),
    fortran=st.booleans(),
)
def test_round_trip(scratch, inputs, labels, fortran):
    stored = np.asfortranarray(inputs) if fortran else inputs
    # Labels above 2**53 are exact too: they never pass through float64.
    labels = np.clip(labels, -(2**62), 2**62)
    np.savez(scratch / "round.npz", x=stored, y=labels)
    data = read_data(scratch / "round.npz", (4,))
    assert data.inputs.dtype == np.float32 and data.inputs.flags.c_contiguous
    assert np.array_equal(data.inputs, inputs) and np.array_equal(data.labels, labels)
