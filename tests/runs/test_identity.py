"""What a result belongs to: whatever can change an answer is compared before one is taken over."""

from __future__ import annotations

import json
import shutil
import statistics
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from onnx_lippa import FalseClaimError, InputError, replay
from onnx_lippa.method import SingleStage
from tests.support.attacks import DIGITS, DIGITS_DATA
from tests.support.commands import FEW, command, contents
from tests.support.folders import edit_json, edit_records, read_records
from tests.support.graphs import graph_model, node, normal, saved


@pytest.fixture
def external(tmp_path):
    """A linear model whose weights lie in another file, and a data file."""
    weight = normal(1, 6, 3)
    model = graph_model([node("Gemm", "x w", "y")], (6,), {"w": weight})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    (tmp_path / "weights.bin").write_bytes(weight.astype(np.float32).tobytes())
    x = np.random.default_rng(0).uniform(size=(6, 6)).astype(np.float32)
    np.savez(tmp_path / "data.npz", inputs=x)
    return saved(model, tmp_path, "m.onnx")


def question(model, *more):
    return ("attack", model, model.with_name("data.npz"), "--eps", "0.2", *more, *FEW)


def test_external_weights_that_changed(external, tmp_path):
    out = tmp_path / "run"
    assert command(*question(external), "--out", out).code == 0
    assert replay(out).inputs == 6
    other = -np.frombuffer((tmp_path / "weights.bin").read_bytes(), np.float32)
    (tmp_path / "weights.bin").write_bytes(other.tobytes())
    before = contents(out)
    ended = command(*question(external), "--out", out)
    assert ended.code == 2
    assert "differs in the model" in ended.said
    assert contents(out) == before
    with pytest.raises(InputError, match="SHA-256"):
        replay(out)


@pytest.fixture
def two_outputs(tmp_path):
    """A model with two outputs of which each could hold the scores."""
    nodes = [node("Gemm", "x w", "a"), node("Gemm", "x v", "b")]
    model = graph_model(nodes, (4,), {"w": normal(1, 4, 3), "v": normal(2, 4, 3)}, output="a")
    model.graph.output.append(onnx.helper.make_tensor_value_info("b", TensorProto.FLOAT, None))
    x = np.random.default_rng(0).uniform(size=(6, 4)).astype(np.float32)
    np.savez(tmp_path / "data.npz", inputs=x, labels=np.zeros(6, np.int64))
    return saved(model, tmp_path, "m.onnx")


def test_another_output_is_another_run(two_outputs, tmp_path):
    out = tmp_path / "run"
    assert command(*question(two_outputs, "--output", "b"), "--out", out).code == 0
    before = contents(out)
    assert replay(out).inputs == 6
    ended = command(*question(two_outputs, "--output", "a"), "--out", out)
    assert ended.code == 2
    assert "differs in the output" in ended.said
    assert contents(out) == before


def test_an_output_that_is_the_models_own_is_no_other(tmp_path):
    """Named or not, it is the same run."""
    out, words = tmp_path / "run", ("attack", DIGITS, "--eps", "0.06", "--first", "3", *FEW)
    assert command(*words, "--out", out).code == 0
    name = json.loads((out / "run.json").read_text())["output"]
    assert command(*words, "--output", name, "--out", out).code == 0


def test_data_counts_by_what_is_used_of_it(tmp_path):
    """Another file with the same inputs and labels is the same data; one label makes another."""
    with np.load(DIGITS_DATA) as data:
        x, y = data["x"][:8], data["y"][:8]
    np.savez(tmp_path / "d.npz", x=x, y=y)
    out = tmp_path / "run"
    words = ("attack", DIGITS, tmp_path / "d.npz", "--eps", "0.06", "--first", "4", *FEW)
    assert command(*words, "--out", out).code == 0
    np.savez_compressed(tmp_path / "d.npz", x=np.concatenate([x, x]), y=np.concatenate([y, y]))
    assert command(*words, "--out", out).code == 0
    assert replay(out).inputs == 4
    y[2] += 1
    np.savez(tmp_path / "d.npz", x=x, y=y)
    ended = command(*words, "--out", out)
    assert ended.code == 2
    assert "differs in the inputs or labels" in ended.said
    with pytest.raises(InputError, match="SHA-256"):
        replay(out)


def test_another_version_of_the_program_is_another_run(tmp_path, monkeypatch):
    from onnx_lippa.runs import session

    out, words = tmp_path / "run", ("attack", DIGITS, "--eps", "0.06", "--first", "3", *FEW)
    assert command(*words, "--out", out).code == 0
    monkeypatch.setattr(session, "__version__", "9.9")
    ended = command(*words, "--out", out)
    assert ended.code == 2
    assert "the version of onnx-lippa" in ended.said
    assert replay(out).inputs == 3


def test_a_folder_of_before_identities_replays(tmp_path):
    """It held the digests of the model's file and of the data file, and nothing else."""
    import hashlib

    shutil.copy(DIGITS_DATA, tmp_path / "d.npz")
    out = tmp_path / "run"
    words = ("attack", DIGITS, tmp_path / "d.npz", "--eps", "0.06", "--first", "4", *FEW)
    assert command(*words, "--out", out).code == 0

    def older(values):
        for name in ("output", "inputs_sha256", "version", "check", "sealed", "model_beside",
                     "data_beside"):  # fmt: skip
            del values[name]
        values["data_sha256"] = hashlib.sha256((tmp_path / "d.npz").read_bytes()).hexdigest()

    edit_json(out / "run.json", older)
    confirmed = replay(out)
    assert (confirmed.inputs, confirmed.is_finished) == (4, True)
    before = contents(out)
    ended = command(*words, "--out", out)
    assert (ended.code, contents(out)) == (2, before), "nor are its results taken over"
    np.savez(tmp_path / "d.npz", x=np.zeros((4, 64), np.float32))
    with pytest.raises(InputError, match="SHA-256"):
        replay(out)


def test_distances_of_before_were_rounded_to_nearest(tmp_path):
    """An ulp either way is no false claim there; more is."""
    out = tmp_path / "run"
    words = ("attack", DIGITS, "--eps", "1.5", "--norm", "l2", "--first", "6", *FEW)
    assert command(*words, "--out", out).code == 0

    def older(values):
        for name in ("version", "check", "sealed"):
            del values[name]

    def state(factor):
        def change(records):
            for record in records:
                if record["verdict"] == "adversarial":
                    record["distance"] *= factor

        edit_records(out / "results.jsonl", change)
        found = [r["distance"] for r in read_records(out / "results.jsonl") if r["distance"]]
        edit_json(
            out / "summary.json",
            lambda values: values.update(median_distance=statistics.median(found)),
        )

    edit_json(out / "run.json", older)
    state(1 - 2**-52)
    assert replay(out).adversarial > 0
    state(1 - 1e-6)
    with pytest.raises(FalseClaimError, match="distance"):
        replay(out)


def test_a_model_that_is_replaced_between_radii(tmp_path, monkeypatch):
    """Each radius starts workers anew; they open what was checked, or the run ends."""
    from onnx_lippa.runs import session

    monkeypatch.setattr(SingleStage, "inputs_together", 1)
    path, out = tmp_path / "m.onnx", tmp_path / "curve"
    shutil.copy(DIGITS, path)
    real: Any = vars(session)["write_curve"]

    def replacing(*arguments):
        real(*arguments)
        shutil.copy(DIGITS.with_name("mnist_mlp.onnx"), path)

    monkeypatch.setattr(session, "write_curve", replacing)
    ended = command(
        "attack", path, DIGITS_DATA, "--eps", "0.01,0.02", "--first", "4", "--workers", "2",
        "--out", out, *FEW,
    )  # fmt: skip
    assert ended.code == 3
    assert "was replaced while the run was going on" in ended.said
    shutil.copy(DIGITS, path)
    assert replay(out / "eps-0.01").inputs == 4
