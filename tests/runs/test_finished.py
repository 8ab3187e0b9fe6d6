"""Runs read back from their folders, for reports and comparisons."""

from __future__ import annotations

import json

import numpy as np
import pytest

from onnx_lippa import InputError, attack
from onnx_lippa.errors import DamagedFolderError
from onnx_lippa.runs.finished import FinishedRun, read_runs
from tests.support.attacks import DIGITS, DIGITS_DATA, digits
from tests.support.commands import FEW, command


@pytest.mark.parametrize("labelled", [True, False])
def test_a_folder_holds_what_memory_did(tmp_path, labelled):
    """Arrays in memory lie in the folder; those of a file are found where it is."""
    _, x, y = digits()
    out = tmp_path / "run"
    results = attack(DIGITS, x[:6], y[:6] if labelled else None, eps=0.08, out=out)
    known, read = FinishedRun.of(results), FinishedRun.read(out)
    assert (known.name, read.name) == ("", "run")
    assert read.records == known.records
    assert read.input_shape == known.input_shape
    assert read.identity == known.identity
    assert read.are_labelled == known.are_labelled == labelled
    assert read.reading == known.reading
    assert dict(read.figures) == json.loads(json.dumps(known.figures))
    np.testing.assert_array_equal(read.clean, known.clean)
    assert read.witnesses.keys() == known.witnesses.keys()
    for index, witness in known.witnesses.items():
        np.testing.assert_array_equal(read.witnesses[index].x, witness.x)


def test_data_that_is_gone(tmp_path):
    data, out = tmp_path / "data.npz", tmp_path / "run"
    data.write_bytes(DIGITS_DATA.read_bytes())
    words = ("attack", DIGITS, data, "--indices", "5,2", "--eps", "0.08", "--out", out, *FEW)
    assert command(*words).code == 0
    read = FinishedRun.read(out)
    assert [record.index for record in read.records] == [2, 5]
    assert read.clean is not None
    np.testing.assert_array_equal(read.clean[1].ravel(), digits()[1][5].ravel())
    assert read.are_labelled
    data.unlink()
    assert FinishedRun.read(out).clean is None
    assert FinishedRun.read(out).are_labelled is None


def test_runs_that_cannot_be_read(tmp_path):
    out = tmp_path / "run"
    with pytest.raises(InputError, match="holds no run"):
        FinishedRun.read(tmp_path)
    words = ("attack", DIGITS, "--first", 2, "--eps", "0.08", "--out", out, *FEW)
    assert command(*words).code == 0
    (out / "summary.json").write_text("{")
    with pytest.raises(DamagedFolderError, match="summary"):
        FinishedRun.read(out)
    (out / "summary.json").unlink()
    with pytest.raises(InputError, match="has not ended"):
        FinishedRun.read(out)


def test_the_runs_of_a_curve_come_by_radius(tmp_path):
    _, x, y = digits()
    attack(DIGITS, x[:2], y[:2], eps=[0.1, 0.05], restarts=1, out=tmp_path / "curve")
    runs = read_runs(tmp_path / "curve")
    assert [run.identity.features.eps for run in runs] == [0.05, 0.1]
    assert read_runs(tmp_path / "curve" / runs[0].name)[0].records == runs[0].records
    with pytest.raises(InputError, match="holds no run"):
        read_runs(tmp_path)
