"""Labels as names, and iterables of pairs from Python."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_lippa.data import convert_arrays, open_data
from onnx_lippa.data.files import Stored
from onnx_lippa.data.labels import to_labels
from onnx_lippa.errors import InputError


@given(st.lists(st.sampled_from(["cat", "dog", "é", "10", "9"]), min_size=1))
def test_names_are_sorted_and_keep_their_meaning(names):
    for values in (np.array(names), np.char.encode(names, "utf-8"), np.array(names, object)):
        found = to_labels(Stored(values, "a"), len(names))
        assert found.classes == tuple(sorted(set(names)))
        assert [found.classes[number] for number in found.numbers] == names


def test_names_follow_the_list_of_classes():
    found = to_labels(Stored(np.array(["b", "a"]), "a"), 2, ("b", "c", "a"))
    assert found.numbers.tolist() == [0, 2]
    with pytest.raises(InputError, match="label 'd' of input 1 in a is not a class"):
        to_labels(Stored(np.array(["b", "d"]), "a"), 2, ("b", "c", "a"))


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (["0", "1"], ""),
        (["a", "b"], "classes: a = 0, b = 1"),
    ],
)
def test_the_note_about_the_numbers_of_classes(names, note):
    assert to_labels(Stored(np.array(names), "y"), 2, names).note == note
    sorting = ", sorted by name (other orders with --classes)" if note else ""
    assert to_labels(Stored(np.array(names), "y"), 2).note == note + sorting


def test_numbers_that_name_classes():
    """As of a model that was trained on the classes 3, 5 and 7."""
    values = np.array([5, 7, 5])
    assert to_labels(Stored(values, "a"), 3, ("3", "5", "7")).numbers.tolist() == [1, 2, 1]
    assert to_labels(Stored(values, "a"), 3, ("cat", "dog")).numbers.tolist() == [5, 7, 5]


class Dataset:
    """A sequence of pairs, as those of PyTorch are."""

    def __init__(self, pairs):
        self.pairs = pairs

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, place):
        return self.pairs[place]


X = np.arange(12, dtype=np.float32).reshape(6, 2) / 12


@pytest.mark.parametrize(
    "pairs",
    [
        ((x, y) for x, y in zip(X, range(6), strict=True)),
        iter([(X[:4], [0, 1, 2, 3]), (X[4:], [4, 5])]),
        Dataset([(X[:1], np.array([0])), (X[1:], np.arange(1, 6)[:, None].ravel())]),
        ([x, np.int64(y)] for x, y in zip(X, range(6), strict=True)),
    ],
)
def test_iterables_of_pairs(pairs):
    inputs, labels = convert_arrays(pairs, None, (2,))
    np.testing.assert_array_equal(inputs, X)
    assert labels is not None
    assert labels.numbers.tolist() == list(range(6))


def test_iterables_refused():
    with pytest.raises(InputError, match="leave y out"):
        convert_arrays(iter([(X[0], 1)]), [1], (2,))
    with pytest.raises(InputError, match="gives no inputs"):
        convert_arrays(iter([]), None, (2,))
    with pytest.raises(InputError, match="item 1 is no pair"):
        convert_arrays(iter([(X[0], 1), X[0]]), None, (2,))
    with pytest.raises(InputError, match="item 0 of x has 6 inputs and labels of shape"):
        convert_arrays(iter([(X, [1, 2])]), None, (2,))


def test_a_memory_map_is_never_held_whole(tmp_path):
    """A file of 1 TB is opened for its first inputs, and one of 200 MB checked row by row."""
    huge, large = (1 << 28, 1024), (200_000, 1024)
    for name, shape in (("huge", huge), ("large", large)):
        header = np.lib.format.header_data_from_array_1_0(np.zeros(0, np.float32))
        with (tmp_path / f"{name}.npy").open("wb") as file:
            np.lib.format.write_array_header_2_0(
                file, header | {"shape": shape, "descr": "<f4" if name == "huge" else "|u1"}
            )
            start = file.tell()
            file.write(np.float32([0.5]).tobytes())
            file.truncate(start + shape[0] * shape[1] * (4 if name == "huge" else 1))
    tracemalloc.start()
    few = open_data(tmp_path / "huge.npy", (1024,), first=3)
    assert (few.count, few.inputs[0][0], len(few.inputs)) == (huge[0], 0.5, 3)
    many = open_data(tmp_path / "large.npy", (1024,))
    assert many.inputs[np.array([199_999])].shape == (1, 1024)
    assert tracemalloc.get_traced_memory()[1] < 40e6
    tracemalloc.stop()
