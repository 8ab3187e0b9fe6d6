"""Folders of curves: replayed as a whole, locked, and unfinished where they are."""

from __future__ import annotations

import json
import shutil

import pytest

from onnx_lippa import FalseClaimError, InputError, replay
from onnx_lippa.errors import DamagedFolderError
from onnx_lippa.runs.files import FolderLock
from tests.support.attacks import DIGITS, DIGITS_DATA
from tests.support.commands import FEW, command, contents
from tests.support.folders import edit_json, edit_records


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a model, data, and a curve of three radii in a folder of its own."""
    folder = tmp_path_factory.mktemp("curve")
    shutil.copy(DIGITS, folder / "m.onnx")
    shutil.copy(DIGITS_DATA, folder / "d.npz")
    ended = command(*words(folder), "--out", folder / "out")
    assert (ended.code, ended.err) == (0, ""), ended.err
    assert f"onnx-lippa replay {folder / 'out'}" in " ".join(ended.out.split())
    return folder


def words(folder):
    return (
        "attack", folder / "m.onnx", folder / "d.npz", "--eps", "0.02,0.05,0.1", "--first", 5, *FEW,
    )  # fmt: skip


@pytest.fixture
def curve(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "moved")
    return tmp_path / "moved" / "out"


def test_replay(finished):
    confirmed = replay(finished / "out")
    assert [name for name, _ in confirmed.parts] == ["eps-0.02", "eps-0.05", "eps-0.1"]
    assert all(part.inputs == 5 for _, part in confirmed.parts)
    assert (confirmed.inputs, confirmed.requested, confirmed.is_finished) == (15, 15, True)
    assert confirmed.adversarial == sum(part.adversarial for _, part in confirmed.parts) > 0
    ended = command("replay", finished / "out")
    assert (ended.code, ended.err) == (0, "")
    assert [line.split(":")[0] for line in ended.out.splitlines()] == [
        name for name, _ in confirmed.parts
    ]


def test_moved_together(finished, curve):
    assert replay(curve) == replay(finished / "out")


def test_one_radius_that_claims_what_is_not(curve):
    def claim(records):
        next(r for r in records if r["verdict"] == "adversarial")["distance"] = 0.001

    edit_records(curve / "eps-0.1" / "results.jsonl", claim)
    with pytest.raises(FalseClaimError):
        replay(curve)


def test_a_curve_that_says_something_else(curve):
    edit_json(curve / "curve.json", lambda values: values["curve"][1].update(inputs=7))
    with pytest.raises(FalseClaimError, match=r"curve\.json says of eps 0\.05"):
        replay(curve)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"curve": 3}', b'{"curve": [3]}', b"\xff"]
)
def test_a_damaged_curve(curve, content):
    (curve / "curve.json").write_bytes(content)
    with pytest.raises(DamagedFolderError):
        replay(curve)


def test_an_unfinished_curve(curve):
    """A kill before the last radius, or before the curve's own file."""
    shutil.rmtree(curve / "eps-0.1")
    edit_json(curve / "curve.json", lambda values: values["curve"].pop())
    assert replay(curve).inputs == 10
    (curve / "curve.json").unlink()
    confirmed = replay(curve)
    assert (confirmed.killed, confirmed.is_finished) == (True, False)
    ended = command("replay", curve)
    assert ended.code == 0
    assert "unfinished" in ended.out


def test_two_curves_at_once(curve):
    before = contents(curve)
    with FolderLock(curve):
        ended = command(*words(curve.parent), "--out", curve)
    assert ended.code == 2
    assert "in use by another run" in ended.said
    assert contents(curve) == before
    assert command(*words(curve.parent), "--out", curve).code == 0


def test_a_run_is_no_curve(curve):
    """A folder that holds one is not written over, nor the other way round."""
    single = command(*words(curve.parent)[:4], "0.05", "--first", 5, *FEW, "--out", curve)
    assert single.code == 2
    run = curve / "eps-0.05"
    before = contents(run)
    ended = command(*words(curve.parent), "--out", run)
    assert ended.code == 2
    assert contents(run) == before


def test_nothing_there(tmp_path):
    (tmp_path / "eps-1").mkdir()
    with pytest.raises(InputError, match="holds no run"):
        replay(tmp_path)


def test_curve_and_radii_state_the_same_seconds(finished):
    """What is printed, what the curve holds and what a radius holds is one summary."""
    curve = json.loads((finished / "out" / "curve.json").read_text())["curve"]
    names = ("eps-0.02", "eps-0.05", "eps-0.1")
    radii = [json.loads((finished / "out" / name / "summary.json").read_text()) for name in names]
    assert curve == radii
