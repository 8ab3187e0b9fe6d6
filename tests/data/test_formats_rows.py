"""Large arrays stay on disk: the same inputs as from memory, none that was changed meanwhile."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_lippa import InputError
from onnx_lippa.data import open_data
from tests.support.data import read_data

SHAPE = (2, 3)


@pytest.fixture(params=["npy", "npz", "bytes"])
def file(request, tmp_path, monkeypatch):
    """A file of 3,000 inputs that counts as large."""
    monkeypatch.setattr("onnx_lippa.data.files.LARGE", 100)
    generator = np.random.default_rng(0)
    x = generator.uniform(size=(3000, *SHAPE))
    x = (255 * x).astype(np.uint8) if request.param == "bytes" else x
    y = generator.integers(0, 9, 3000)
    if request.param == "npz":
        np.savez(tmp_path / "data.npz", x=x, y=y)
        return tmp_path / "data.npz"
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    return tmp_path / "x.npy"


def test_rows_are_those_of_the_file(file, monkeypatch):
    opened = open_data(file, SHAPE)
    assert type(opened.inputs._source).__name__ == "_FileRows"
    monkeypatch.setattr("onnx_lippa.data.files.LARGE", 1 << 40)
    whole = read_data(file, SHAPE)
    inputs = opened.inputs
    assert inputs.shape == whole.inputs.shape
    assert inputs.dtype == whole.inputs.dtype == np.float32
    assert np.array_equal(opened.labels, whole.labels)
    assert np.array_equal(inputs[:], whole.inputs)
    assert np.array_equal(inputs[7], whole.inputs[7])
    places = np.array([2999, 0, 1, 2, 17, 17])
    assert np.array_equal(inputs[places], whole.inputs[places])
    part = inputs.take(places).take(np.array([0, 2]))
    assert np.array_equal(part[:], whole.inputs[[2999, 1]])
    assert len(list(part)) == 2
    assert inputs[:0].shape == (0, 6)


def test_a_file_that_changes_while_it_is_used(file):
    inputs = open_data(file, SHAPE).inputs
    content = bytearray(file.read_bytes())
    content[1000:2000] = bytes(1000)
    file.write_bytes(content)
    with pytest.raises(InputError, match="was changed while it was used"):
        inputs[:]
    assert inputs[2500].shape == (6,)
    file.write_bytes(content[:600])
    with pytest.raises(InputError, match="was cut off"):
        inputs[2500]
    file.unlink()
    with pytest.raises(InputError, match="cannot read"):
        inputs[0]


def test_what_cannot_be_used_is_named_by_its_place(tmp_path):
    x = np.zeros((2000, 4))
    x[1500, 2] = np.inf
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(InputError, match=r"input 1500 in .* holds inf at feature 2"):
        open_data(tmp_path / "x.npy", (4,))


def test_an_archive_that_is_damaged(file):
    """Where it lies in the file, an array is still checked against the archive's checksum."""
    if file.suffix != ".npz":
        pytest.skip("archives have checksums")
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        open_data(file, SHAPE)
