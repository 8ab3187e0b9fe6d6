import os
from pathlib import Path

import numpy as np
import pytest

from onnx_lippa.errors import InputError
from onnx_lippa.text import printable
from tests.support.data import read_data


def refusal(path):
    with pytest.raises(InputError) as caught:
        read_data(path, (2,))
    assert caught.value.exit_code == 2 and printable(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a-idx3-ubyte.gz", "a.csv", "none/a.npy"])
def test_missing_files(tmp_path, name):
    assert "does not exist" in refusal(tmp_path / name)


def test_a_file_as_a_folder(tmp_path):
    (tmp_path / "a.npy").touch()
    assert "does not exist" in refusal(tmp_path / "a.npy" / "b.npy")


@pytest.mark.parametrize("name", ["", "folder.npz", "folder.npy", "folder.idx"])
def test_folders(tmp_path, name):
    (tmp_path / name).mkdir(exist_ok=True)
    assert "is a folder" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["a.txt", "a", "a.png", "a.npy.gz", "npz"])
def test_unknown_names_say_what_is_known(tmp_path, name):
    (tmp_path / name).touch()
    message = refusal(tmp_path / name)
    for naming in (".npz, .npy, .csv, .parquet, .arrow", "IDX (with idx or ubyte in the name)"):
        assert naming in message


@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a.idx"])
def test_empty_files(tmp_path, name):
    (tmp_path / name).touch()
    refusal(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_pipes_are_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    assert "is not a regular file" in refusal(tmp_path / "a.npy")


def test_names_that_no_file_can_have():
    refusal(Path("a\0b.npy"))
    assert "cannot be opened" in refusal(Path("a" * 5000 + ".npy"))


@pytest.mark.parametrize("method", ["open", "is_file"])
def test_files_without_permission(tmp_path, monkeypatch, method):
    np.save(tmp_path / "a.npy", np.zeros((1, 2)))

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, method, refuse)
    assert "cannot be opened (Permission denied)" in refusal(tmp_path / "a.npy")


def test_inputs_and_labels_must_match(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2)), y=np.zeros(2))
    assert "number 2, but there are 3 inputs" in refusal(tmp_path / "a.npz")


def test_a_single_image_with_its_label(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.full((4, 4), 51, np.uint8), labels=3)
    data = read_data(tmp_path / "a.npz", (1, 4, 4))
    assert np.array_equal(data.inputs, np.full((1, 16), 0.2, np.float32))
    assert data.labels.tolist() == [3]


def test_messages_are_one_line(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.full((1, 2), np.nan))
    assert "\n" not in refusal(tmp_path / "a.npz")
