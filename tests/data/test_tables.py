"""Tables: columns by name, labels, groups and categories, in every format of tables."""

from __future__ import annotations

import csv
import sys

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_lippa.data import DataOptions, open_data
from onnx_lippa.errors import InputError

COLUMNS = {
    "id": [7, 8, 9],
    "age": [31.5, 40.0, 22.25],
    "city": ["Ulm", "Bonn", "Ulm"],
    "income": [0.1, 0.2, 0.3],
    "sex": ["f", "m", "f"],
    "label": ["no", "yes", "yes"],
}


def as_csv(path, columns, delimiter=","):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def as_parquet(path, columns):
    pa.parquet.write_table(pa.table(columns), path)
    return path


def as_arrow(path, columns):
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return path


def as_stream(path, columns):
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return path


WRITERS = {"csv": as_csv, "parquet": as_parquet, "arrow": as_arrow, "arrows": as_stream}


@pytest.fixture(params=WRITERS)
def table(request, tmp_path):
    """A function: the path of a file with these columns."""
    return lambda columns=COLUMNS: WRITERS[request.param](
        tmp_path / f"people.{request.param}", columns
    )


def test_columns_by_name(table):
    data = open_data(
        table(), (2,), options=DataOptions(features=("income", "age"), groups="sex"), first=2
    )
    np.testing.assert_array_equal(data.inputs[:], np.float32([[0.1, 31.5], [0.2, 40.0]]))
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 1]
    assert (data.classes, data.groups) == (("no", "yes"), ("f", "m", "f"))
    assert (data.features, data.count) == (("income", "age"), 3)
    assert data.notes == ("classes: no = 0, yes = 1, sorted by name (other orders with --classes)",)


def test_categories_are_one_hot_or_codes_by_the_size_of_the_model(table):
    kept = {name: COLUMNS[name] for name in ("age", "city", "label")}
    options = DataOptions(categorical=("city",))
    wide = open_data(table(kept), (3,), options=options)
    assert wide.features == ("age", "city=Bonn", "city=Ulm")
    assert wide.inputs[:].tolist() == [[31.5, 0, 1], [40, 1, 0], [22.25, 0, 1]]
    assert wide.categorical == (1, 2)
    narrow = open_data(table(kept), (2,), options=options)
    assert narrow.features == ("age", "city")
    assert narrow.inputs[:].tolist() == [[31.5, 1], [40, 0], [22.25, 1]]
    assert narrow.categorical == (1,)
    assert "keep their values: 'city'" in narrow.notes[0]


def test_groups_are_a_feature_too_where_the_model_has_as_many(table):
    columns = {"age": [1.0, 2.0], "sex": [0, 1], "y": [1, 0]}
    both = open_data(table(columns), (2,), options=DataOptions(groups="sex"))
    assert both.inputs[:].tolist() == [[1, 0], [2, 1]]
    assert both.groups == ("0", "1")
    alone = open_data(table(columns), (1,), options=DataOptions(groups="sex"))
    assert alone.features == ("age",)


@pytest.mark.parametrize(
    ("changed", "options", "says"),
    [
        ({}, DataOptions(), "gives 5 features"),
        (
            {},
            DataOptions(features=("age", "id"), label="lable"),
            "--label lable: .* no such column",
        ),
        ({}, DataOptions(features=("age", "hair")), r"no columns 'hair', which are features"),
        (
            {},
            DataOptions(features=("age", "city")),
            "'city' of .* holds the text 'Ulm' in row",
        ),
        ({}, DataOptions(features=("age", "income"), classes=("no", "maybe")), "'yes' of input 1"),
        ({"age": [1, None, 3]}, DataOptions(features=("age", "id")), "row 1 of .* has no value"),
        ({"age": [1, np.nan, 3]}, DataOptions(features=("age", "id")), "nan at feature 0"),
    ],
)
def test_refused(table, changed, options, says):
    with pytest.raises(InputError, match=says):
        open_data(table(COLUMNS | changed), (2,), options=options)


NUMBERS = st.floats(-1e6, 1e6, width=32)


@given(
    rows=st.lists(st.tuples(NUMBERS, NUMBERS, st.integers(0, 5)), min_size=1, max_size=8),
    order=st.permutations(["a", "b", "y"]),
)
@settings(max_examples=40, deadline=None)
def test_every_format_gives_the_same_data(scratch, rows, order):
    whole = dict(zip(("a", "b", "y"), map(list, zip(*rows, strict=True)), strict=True))
    columns = {name: whole[name] for name in order}
    features = tuple(name for name in order if name != "y")
    for suffix, write in WRITERS.items():
        data = open_data(write(scratch / f"t.{suffix}", columns), (2,))
        expected = np.float32([columns[name] for name in features]).T
        np.testing.assert_array_equal(data.inputs[:], expected)
        assert data.labels is not None
        assert data.labels.tolist() == columns["y"]
        assert data.features == features


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_and_a_byte_order_mark(tmp_path, delimiter):
    path = as_csv(tmp_path / "t.csv", {"a b": [1.5, 2], "y": [0, 1]}, delimiter)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    data = open_data(path, (1,))
    assert data.features == ("a b",)
    assert data.inputs[:].tolist() == [[1.5], [2]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,2\n3,4\n", "holds numbers where the names"),
        ("a,a\n3,4\n", "two columns 'a'"),
        ("a,b\n3\n", "row 0 of .* has 1 cells where there are 2 columns"),
        ("a,b\n", "no rows"),
        ("a,,b\n1,2,3\n", "must name every column"),
        ("", "must name every column"),
        ('a,b\n"1,2\n', "cannot be read as a CSV file"),
    ],
)
def test_csv_refused(tmp_path, text, says):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        open_data(tmp_path / "t.csv", (2,))


def test_text_that_looks_like_numbers_is_shown(tmp_path):
    path = as_parquet(tmp_path / "t.parquet", {"age": ["1.5", "2"], "id": ["3", "4"]})
    with pytest.raises(InputError, match=r"column 'age' of .* holds the text '1.5' in row 0"):
        open_data(path, (2,))


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.csv"])
def test_damaged_files(tmp_path, name):
    (tmp_path / name).write_bytes(b"PAR1\xff\xfe\x00garbage" * 3)
    with pytest.raises(InputError):
        open_data(tmp_path / name, (2,))


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    path = as_parquet(tmp_path / "t.parquet", {"a": [1]})
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(InputError, match=r"pip install 'onnx-lippa\[tables\]'"):
        open_data(path, (1,))
