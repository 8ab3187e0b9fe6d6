"""What a run leaves on disk."""

from __future__ import annotations

import json
import math
import statistics

import numpy as np
import pytest

from onnx_lippa import replay
from tests.support.attacks import DIGITS, mlp_file, plain_outputs
from tests.support.commands import FEW, command
from tests.support.folders import read_records

SUMMARY_KEYS = {
    "schema_version", "model", "model_sha256", "norm", "eps", "inputs", "clean_error",
    "robust_error", "counts", "seconds", "seed", "versions",
}  # fmt: skip
RECORD_KEYS = {
    "index", "label", "prediction", "verdict", "target", "distance", "seconds", "found_by",
    "lp_steps",
}  # fmt: skip
VERDICTS = ("misclassified", "adversarial", "robust", "unknown")


def strict_json(text: str):
    """Parses JSON as the standard has it: without NaN and Infinity."""

    def refuse(constant: str):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture(scope="module")
def summary(finished_run):
    return strict_json((finished_run / "run" / "summary.json").read_text())


@pytest.fixture(scope="module")
def records(finished_run):
    lines = (finished_run / "run" / "results.jsonl").read_text().splitlines()
    return [strict_json(line) for line in lines]


def test_files(finished_run):
    names = {path.name for path in (finished_run / "run").iterdir()}
    assert names == {"summary.json", "results.jsonl", "adversarials.npz", "run.json", "config.toml"}


def test_summary(finished_run, summary):
    assert set(summary) >= SUMMARY_KEYS
    assert summary["schema_version"] == 1
    assert summary["norm"] == "linf"
    assert summary["eps"] == 0.06
    assert summary["seed"] == 0
    assert summary["inputs"] == 12
    assert set(summary["robust_error"]) == {"lower", "upper"}
    assert set(summary["counts"]) == set(VERDICTS)
    assert summary["seconds"] > 0
    assert {"onnx-lippa", "onnx", "onnxruntime", "ortools", "numpy"} <= set(summary["versions"])
    import hashlib

    digest = hashlib.sha256((finished_run / "model.onnx").read_bytes()).hexdigest()
    assert summary["model_sha256"] == digest


def test_records(records):
    assert sorted(record["index"] for record in records) == list(range(12))
    for record in records:
        assert set(record) >= RECORD_KEYS
        assert record["verdict"] in VERDICTS
        assert (record["verdict"] == "misclassified") == (record["label"] != record["prediction"])
        assert (record["target"] is None) == (record["verdict"] != "adversarial")
        expected = {"misclassified": 0.0, "unknown": None}
        assert record["distance"] == expected.get(record["verdict"], record["distance"])
        if record["verdict"] == "adversarial":
            assert 0 < record["distance"] <= 0.06
            assert record["target"] != record["label"]
        found = {"misclassified": ("clean",), "unknown": ("nothing",)}
        assert record["found_by"] in found.get(record["verdict"], ("gradient", "lp"))
        assert record["seconds"] >= 0
        assert record["lp_steps"] >= 0


def test_figures_add_up(summary, records):
    verdicts = [record["verdict"] for record in records]
    counts = {name: verdicts.count(name) for name in VERDICTS}
    assert summary["counts"] == counts
    assert counts["misclassified"] == 2
    assert counts["adversarial"] > 0
    assert counts["unknown"] > 0
    assert sum(counts.values()) == summary["inputs"] == len(records)
    assert summary["clean_error"] == 2 / 12  # a fraction of 1
    broken = counts["misclassified"] + counts["adversarial"]
    assert summary["robust_error"] == {"lower": broken / 12, "upper": 1.0}
    found = summary["found_by"]
    assert found["gradient"] + found["lp"] == counts["adversarial"]
    distances = [r["distance"] for r in records if r["verdict"] == "adversarial"]
    assert summary["median_distance"] == statistics.median(distances)
    assert summary["lp_steps"] == sum(record["lp_steps"] for record in records)


def test_adversarials(finished_run, records):
    with np.load(finished_run / "run" / "adversarials.npz", allow_pickle=False) as arrays:
        assert {"index", "inputs", "labels", "predictions"} <= set(arrays.files)
        index, inputs = arrays["index"], arrays["inputs"]
        labels, predictions = arrays["labels"], arrays["predictions"]
    claims = {r["index"]: r for r in records if r["verdict"] == "adversarial"}
    assert inputs.dtype == np.float32
    assert index.dtype == labels.dtype == predictions.dtype == np.int64
    assert inputs.shape == (len(claims), 64)
    assert sorted(index.tolist()) == sorted(claims)
    outputs = plain_outputs(DIGITS, inputs)
    np.testing.assert_array_equal(outputs.argmax(axis=1), predictions)
    with np.load(finished_run / "data.npz") as data:
        clean = data["x"][index].astype(np.float64)
        np.testing.assert_array_equal(labels, data["y"][index])
    assert np.all(labels != predictions)
    distances = np.abs(inputs.astype(np.float64) - clean).max(axis=1)
    for i, distance in zip(index.tolist(), distances, strict=True):
        assert distance == claims[i]["distance"] <= 0.06


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_other_norms(tmp_path, norm):
    out = tmp_path / "run"
    ended = command("attack", DIGITS, "--norm", norm, "--first", 6, "--out", out, *FEW)
    assert ended.code == 0, ended.err
    summary = strict_json((out / "summary.json").read_text())
    assert summary["norm"] == norm
    assert summary["eps"] is None
    with np.load(out / "adversarials.npz") as arrays:
        assert len(arrays["index"]) == summary["counts"]["adversarial"]
    assert replay(out).inputs == 6


def test_samples_keep_their_shape(tmp_path):
    """Adversarial inputs are stored in the model's own shape."""
    from tests.support.graphs import graph_model, node, normal, saved

    nodes = [node("Flatten", "x", "f"), node("Gemm", "f w", "y")]
    model = saved(graph_model(nodes, (2, 3), {"w": normal(1, 6, 3)}), tmp_path)
    ended = command("attack", model, "--out", tmp_path / "run", *FEW)
    assert ended.code == 0, ended.err
    with np.load(tmp_path / "run" / "adversarials.npz") as arrays:
        assert arrays["inputs"].shape[1:] == (2, 3)
        assert len(arrays["inputs"]) > 0
    with np.load(tmp_path / "run" / "data.npz") as arrays:
        assert arrays["inputs"].shape == (10, 2, 3)
    assert replay(tmp_path / "run").adversarial > 0


def test_a_run_that_breaks_nothing(tmp_path):
    out = tmp_path / "run"
    ended = command("attack", DIGITS, "--eps", 0.0001, "--indices", "0,1", "--out", out, *FEW)
    assert ended.code == 0, ended.err
    summary = strict_json((out / "summary.json").read_text())
    assert summary["counts"]["unknown"] == 2
    assert summary["robust_error"] == {"lower": 0.0, "upper": 1.0}
    assert summary["median_distance"] is None
    confirmed = replay(out)
    assert (confirmed.inputs, confirmed.adversarial, confirmed.misclassified) == (2, 0, 0)


def test_a_run_of_misclassified_inputs_only(tmp_path):
    model, out = mlp_file(tmp_path, (3, 6, 3)), tmp_path / "run"
    x = np.random.default_rng(0).uniform(size=(4, 3)).astype(np.float32)
    wrong = (plain_outputs(model, x).argmax(axis=1) + 1) % 3
    np.savez(tmp_path / "data.npz", inputs=x, labels=wrong)
    ended = command("attack", model, tmp_path / "data.npz", "--eps", 0.1, "--out", out, *FEW)
    assert ended.code == 0, ended.err
    summary = strict_json((out / "summary.json").read_text())
    assert summary["clean_error"] == 1.0
    assert summary["robust_error"] == {"lower": 1.0, "upper": 1.0}
    assert replay(out).misclassified == 4


@pytest.mark.parametrize(("lower", "upper"), [("-inf", "inf"), ("0.7", "inf"), ("-inf", "0.7")])
def test_unbounded_domains(tmp_path, lower, upper):
    """Infinities are not JSON, and drawn inputs lie in the domain exactly."""
    model, out = mlp_file(tmp_path, (3, 8, 3)), tmp_path / "run"
    ended = command(
        "attack", model, f"--lower={lower}", f"--upper={upper}", "--first", 12, "--out", out,
        "--json", "--method", "pgd", "--restarts", "1",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    strict_json(ended.out)
    strict_json((out / "summary.json").read_text())
    for line in (out / "results.jsonl").read_text().splitlines():
        strict_json(line)
    with np.load(out / "data.npz") as data:
        drawn = data["inputs"].astype(np.float64)
    assert np.all((drawn >= float(lower)) & (drawn <= float(upper)))
    assert replay(out).inputs == 12


def test_only_target_is_a_label(tmp_path):
    """An input of the target class has no adversarial example; its record is still JSON."""
    out = tmp_path / "run"
    ended = command(
        "attack", DIGITS, "--eps", 0.1, "--first", 6, "--targets", 6, "--out", out, *FEW
    )
    assert ended.code == 0, ended.err
    for line in (out / "results.jsonl").read_text().splitlines():
        record = strict_json(line)
        assert record["label"] != 6 or record["verdict"] == "unknown"
    assert replay(out).inputs == 6


def test_times_are_finite(records):
    assert all(math.isfinite(record["seconds"]) for record in records)
    assert read_records is not None
