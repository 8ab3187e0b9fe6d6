"""Runs with radii, bounds, masks and grids per feature: replayed and continued from their files."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from onnx_lippa import FalseClaimError, InputError, replay
from onnx_lippa.runs.identity import read_run
from onnx_lippa.spec import InputSpecification
from tests.support.attacks import DIGITS, DIGITS_DATA, mlp_file
from tests.support.commands import FEW, command
from tests.support.faults import stop_after
from tests.support.folders import edit_arrays, edit_json, read_records

D = 64


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One number for each of the digits' features, in files."""
    folder = tmp_path_factory.mktemp("features")
    generator = np.random.default_rng(0)
    np.save(folder / "eps.npy", generator.uniform(0.1, 0.3, D))
    np.save(folder / "other_eps.npy", generator.uniform(0.1, 0.3, D))
    np.savez(folder / "upper.npz", upper=np.full((8, 8), 1.125, np.float32))
    np.save(folder / "mask.npy", generator.uniform(size=D) < 0.2)
    np.save(folder / "grid.npy", np.where(generator.uniform(size=D) < 0.5, 1 / 16, 0.0))
    return folder


def question(files, eps="eps.npy"):
    return (
        "attack", DIGITS, DIGITS_DATA, "--eps", files / eps, "--upper", files / "upper.npz",
        "--fixed", files / "mask.npy", "--grid", files / "grid.npy", "--first", 6, *FEW,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("finished") / "run"
    ended = command(*question(files), "--out", out)
    assert (ended.code, ended.err) == (0, ""), ended.err
    assert "distance 1, scaled by" in " ".join(ended.out.split())
    return out


@pytest.fixture
def run(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def test_replayed_from_the_files_of_the_run_alone(finished, files):
    confirmed = replay(finished)
    assert confirmed.inputs == 6
    assert confirmed.adversarial > 0
    expected = InputSpecification.build(
        D, eps=np.load(files / "eps.npy"), upper=np.full(D, 1.125),
        fixed=np.load(files / "mask.npy"), grid=np.load(files / "grid.npy"),
    )  # fmt: skip
    assert read_run(finished).identity.features == expected
    summary = json.loads((finished / "summary.json").read_text())
    eps = np.load(files / "eps.npy")
    assert summary["eps"] == {"lower": eps.min(), "upper": eps.max()}
    assert (summary["lower"], summary["fixed"]) == (0.0, int(np.load(files / "mask.npy").sum()))
    assert summary["grid"] == {"lower": 0.0, "upper": 1 / 16}
    assert sum(summary["found_by"].values()) == confirmed.adversarial


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values["eps"].__setitem__(slice(None), [1e-3] * D),
        lambda values: values.update(upper=[0.01 if i % 2 else 1.2 for i in range(D)]),
        lambda values: values.update(fixed=list(range(D))),
        lambda values: values.update(grid=0.3),
        lambda values: values.update(eps=0.001),
    ],
    ids=["eps", "upper", "fixed", "grid", "one eps"],
)
def test_another_specification_is_not_confirmed(run, change):
    edit_json(run / "run.json", change)
    with pytest.raises((FalseClaimError, InputError)):
        replay(run)


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.update(eps=[0.1] * 5),
        lambda values: values.update(fixed=[99]),
        lambda values: values.update(fixed=[0.5]),
        lambda values: values.update(fixed=3),
        lambda values: values.update(fixed=[True]),
        lambda values: values.update(grid="1"),
        lambda values: values.update(lower=[None] * D),
        lambda values: values.update(eps=[-1.0] * D),
        lambda values: values.pop("upper"),
    ],
)
def test_damaged_specifications(run, change):
    edit_json(run / "run.json", change)
    with pytest.raises(InputError):
        replay(run)


def test_witnesses_off_the_grid_or_moved_where_fixed(run, files):
    """An ulp is enough."""
    mask, grid = np.load(files / "mask.npy"), np.load(files / "grid.npy")
    original = (run / "adversarials.npz").read_bytes()
    for feature in (np.flatnonzero(mask)[0], np.flatnonzero(~mask & (grid > 0))[0]):

        def nudge(arrays, feature=feature):
            value = arrays["inputs"][0, feature]
            arrays["inputs"][0, feature] = np.nextafter(value, np.float32(0.51))

        edit_arrays(run / "adversarials.npz", nudge)
        with pytest.raises(FalseClaimError, match="does not replay"):
            replay(run)
        (run / "adversarials.npz").write_bytes(original)


def test_interrupted_and_continued(tmp_path, monkeypatch, files, finished):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        assert command(*question(files), "--out", out).code == 130
    assert replay(out).inputs == 2
    refused = command(*question(files, "other_eps.npy"), "--out", out)
    assert refused.code == 2
    assert "another run" in refused.said
    assert command(*question(files), "--out", out).code == 0
    assert replay(out) == replay(finished)
    timeless = [
        [{k: v for k, v in record.items() if "seconds" not in k} for record in records]
        for records in (
            sorted(read_records(folder / "results.jsonl"), key=lambda r: r["index"])
            for folder in (out, finished)
        )
    ]
    assert timeless[0] == timeless[1]


def test_runs_of_before_there_were_grids(tmp_path):
    """Neither run.json nor summary.json said anything of them."""
    out = tmp_path / "run"
    words = ("attack", DIGITS, DIGITS_DATA, "--eps", 0.08, "--first", 4, *FEW, "--out", out)
    assert command(*words).code == 0
    confirmed = replay(out)

    def without(values):
        for name in ("fixed", "grid"):
            del values[name]
        values.get("found_by", {}).pop("grid", None)

    edit_json(out / "run.json", without)
    edit_json(out / "summary.json", without)
    assert replay(out) == confirmed
    assert command(*words).code == 0, "and continued"
    assert replay(out) == confirmed


def test_infinite_bounds_of_some_features(tmp_path):
    model = mlp_file(tmp_path, (4, 10, 3), seed=3)
    np.save(tmp_path / "lower.npy", np.array([-np.inf, 0, 0, -2.5]))
    np.save(tmp_path / "upper.npy", np.array([np.inf, 1, np.inf, 4]))
    out = tmp_path / "run"
    ended = command(
        "attack", model, "--lower", tmp_path / "lower.npy", "--upper", tmp_path / "upper.npy",
        "--grid", 0.5, "--fixed", "1", "--out", out, *FEW,
    )  # fmt: skip
    assert (ended.code, ended.err) == (0, "")
    assert replay(out).inputs == 10
    summary = json.loads((out / "summary.json").read_text(), parse_constant=pytest.fail)
    assert summary["lower"] == {"lower": None, "upper": 0.0}
