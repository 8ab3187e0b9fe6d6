"""Runs from every format of data: the same results, resumed and replayed from the file."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

import onnx_lippa
from onnx_lippa import DataOptions, InputError
from onnx_lippa.data.options import DEFAULT_OPTIONS
from onnx_lippa.runs.finished import FinishedRun
from onnx_lippa.runs.identity import RunFile, read_run
from tests.support.attacks import mlp_file
from tests.support.commands import FEW, assert_refused, command

NAMES = ("age", "income", "rooms")
CLASSES = ("no", "yes")
X = (np.random.default_rng(0).integers(0, 9, (8, 3)) / 8).astype(np.float32)
Y = np.array(list(CLASSES))[[0, 1, 1, 0, 1, 0, 0, 1]]
GROUPS = np.array(["north", "south"])[np.arange(8) % 2]


@pytest.fixture
def model(tmp_path):
    """A model of tables with three columns."""
    return mlp_file(tmp_path, (3, 8, 2), seed=1)


def columns():
    return {"sex": list(GROUPS), **{n: list(map(float, X[:, i])) for i, n in enumerate(NAMES)},
            "label": list(Y)}  # fmt: skip


def write_csv(path):
    rows = [columns().keys(), *zip(*columns().values(), strict=True)]
    path.write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")


def write_parquet(path):
    pa.parquet.write_table(pa.table(columns()), path)


def write_npz(path):
    np.savez(path, x=X, y=Y, groups=GROUPS, features=np.array(NAMES))


FORMATS = {
    "d.csv": (write_csv, ("--groups", "sex")),
    "d.parquet": (write_parquet, ("--groups", "sex")),
    "d.npz": (write_npz, ()),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_run_is_resumed_and_replayed(tmp_path, model, name):
    write, words = FORMATS[name]
    data, out = tmp_path / name, tmp_path / "run"
    write(data)
    arguments = ("audit", model, data, *words, "--eps", "income=0.2,*=0.1", "--fixed", "rooms",
                 "--only-up", "age", "--out", out)  # fmt: skip
    assert command(*arguments).code == 0
    assert command(*arguments).code == 0  # nothing is left to do
    assert command("replay", out).code == 0
    options = DataOptions(groups=list(GROUPS), features=NAMES)
    here = onnx_lippa.audit(
        model, X, Y, eps={"income": 0.2, "*": 0.1}, fixed=["rooms"], only_up=["age"],
        data_options=options, out=tmp_path / "python",
    )  # fmt: skip
    stored, known = FinishedRun.read(out), FinishedRun.of(here)
    assert stored.identity.inputs_sha256 == known.identity.inputs_sha256
    assert [one.verdict for one in stored.records] == [one.verdict for one in known.records]
    assert [one.group for one in stored.records] == list(GROUPS)
    assert [one.group for one in known.records] == list(GROUPS)
    assert stored.classes == known.classes == CLASSES
    assert stored.features == known.features == NAMES
    np.testing.assert_array_equal(stored.clean, X)
    onnx_lippa.replay(tmp_path / "python")
    again = FinishedRun.read(tmp_path / "python")
    assert (again.classes, again.features, again.are_labelled) == (CLASSES, NAMES, True)


def test_other_data_under_the_same_name_is_refused(tmp_path, model):
    write_csv(tmp_path / "d.csv")
    out = tmp_path / "run"
    words = ("attack", model, tmp_path / "d.csv", "--groups", "sex", "--eps", "0.1", *FEW)
    assert command(*words, "--out", out).code == 0
    text = (tmp_path / "d.csv").read_text()
    (tmp_path / "d.csv").write_text(text.replace(",yes\n", ",no\n", 1))
    assert_refused(command("replay", out), 2, "the SHA-256 of its inputs and labels differs")


def test_other_groups_are_a_false_claim(tmp_path, model):
    """The column of groups is no input, so the digest of the inputs is the same."""
    write_csv(tmp_path / "d.csv")
    out = tmp_path / "run"
    words = ("attack", model, tmp_path / "d.csv", "--groups", "sex", "--eps", "0.1", *FEW)
    assert command(*words, "--out", out).code == 0
    text = (tmp_path / "d.csv").read_text()
    (tmp_path / "d.csv").write_text(text.replace("\nsouth", "\nnorth", 1))
    assert_refused(command("replay", out), 1, "input 1: its group is not that of the data")


def test_python_reads_files_and_iterables(tmp_path, model):
    write_csv(tmp_path / "d.csv")
    options = DataOptions(groups="sex", first=5)
    read = onnx_lippa.attack(model, tmp_path / "d.csv", eps=0.1, data_options=options)
    pairs = onnx_lippa.attack(model, zip(X[:5], Y[:5], strict=True), eps=0.1)
    arrays = onnx_lippa.attack(model, X[:5], Y[:5], eps=0.1)
    for other in (read, pairs):
        assert [one.verdict for one in other] == [one.verdict for one in arrays]
        np.testing.assert_array_equal(other.adversarials, arrays.adversarials)
    assert [one.group for one in read.records()] == list(GROUPS[:5])
    with pytest.raises(InputError, match="leave y out"):
        onnx_lippa.attack(model, tmp_path / "d.csv", Y, eps=0.1)
    with pytest.raises(InputError, match="are for files"):
        onnx_lippa.attack(model, X, Y, eps=0.1, data_options=options)


def test_a_folder_of_images(tmp_path):
    model = mlp_file(tmp_path, (16, 8, 2), seed=1)
    generator = np.random.default_rng(3)
    for place in range(6):
        folder = tmp_path / "photos" / ("cat", "dog")[place % 2]
        folder.mkdir(parents=True, exist_ok=True)
        size = (8, 8) if place == 5 else (4, 4)
        pixels = generator.integers(0, 256, size, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{place}.png")
    out = tmp_path / "run"
    words = ("attack", model, tmp_path / "photos", "--eps", "8/255", "--out", out, *FEW)
    assert_refused(command(*words), 2, "has 8x8 pixels, and the model takes 4x4")
    ended = command(*words, "--resize")
    assert "1 of 6 images are resized to 4x4" in " ".join(ended.out.split())
    assert "1 of 6 images are resized" in json.loads((out / "summary.json").read_text())["data"]
    assert command("replay", out).code == 0
    assert read_run(out).reading.resize


def test_classes_of_the_model(tmp_path, model):
    """Its metadata maps names to classes, and a contradiction is refused."""
    proto = onnx.load(model)
    onnx.helper.set_model_props(proto, {"classes": '["yes", "no"]', "features": "age,income,rooms"})
    onnx.save(proto, model)
    loaded = onnx_lippa.load(model)
    assert (loaded.classes, loaded.feature_names) == (("yes", "no"), NAMES)
    results = onnx_lippa.attack(loaded, X, Y, eps={"age": 0.1})
    assert results.inputs.labels.tolist() == [int(name == "no") for name in Y]
    with pytest.raises(InputError, match="the model states the classes yes,no"):
        write_csv(tmp_path / "d.csv")
        onnx_lippa.attack(
            loaded, tmp_path / "d.csv", eps=0.1, data_options=DataOptions(classes=CLASSES)
        )


def test_folders_without_options_are_as_before(tmp_path, model):
    onnx_lippa.attack(model, X, eps=0.1, out=tmp_path / "run")
    values = json.loads((tmp_path / "run" / "run.json").read_text())
    assert not {"reading", "preprocess", "only_up", "only_down"} & set(values)
    assert RunFile.parse(values).reading == DEFAULT_OPTIONS
    assert "group" not in (tmp_path / "run" / "results.jsonl").read_text()
