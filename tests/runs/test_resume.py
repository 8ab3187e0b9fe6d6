"""Interrupted runs: what had finished is kept, and the same command continues."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from onnx_lippa import InputError, replay
from onnx_lippa.errors import WorkerError
from onnx_lippa.method import SingleStage
from tests.support.attacks import DIGITS, DIGITS_DATA
from tests.support.commands import FEW, command, contents
from tests.support.faults import stop_after
from tests.support.folders import edit_arrays, read_records

QUESTION = ("attack", DIGITS, DIGITS_DATA, "--eps", "0.08", "--first", "8", *FEW)


def results(out):
    """What a run found, without times."""
    records = {
        record["index"]: {k: v for k, v in record.items() if "seconds" not in k}
        for record in read_records(out / "results.jsonl")
    }
    with np.load(out / "adversarials.npz") as arrays:
        stored = {key: arrays[key].tolist() for key in arrays.files}
    summary = json.loads((out / "summary.json").read_text())
    figures = {k: v for k, v in summary.items() if "seconds" not in k}
    return records, stored, figures


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run without any interrupt."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert command(*QUESTION, "--out", out).code == 0
    return results(out)


@pytest.mark.parametrize("count", [0, 1, 3, 7])
def test_interrupted_and_continued(tmp_path, monkeypatch, whole, count):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_after(patch, count)
        ended = command(*QUESTION, "--out", out)
    assert ended.code == 130
    assert "Traceback" not in ended.err
    assert f"{count} of 8" in ended.said
    assert len(read_records(out / "results.jsonl")) == count
    assert replay(out).inputs == count
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["inputs"], summary["requested"]) == (count, 8)
    ended = command(*QUESTION, "--out", out)
    assert (ended.code, ended.err) == (0, "")
    assert results(out) == whole
    assert replay(out).inputs == 8


def test_finished_inputs_are_not_attacked_again(tmp_path, monkeypatch):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        command(*QUESTION, "--out", out)
    done = {record["index"]: record for record in read_records(out / "results.jsonl")}
    asked = []

    real = SingleStage.run

    def noting(method, pool, problems, budget):
        asked.extend(problems.indices)
        return real(method, pool, problems, budget)

    monkeypatch.setattr(SingleStage, "run", noting)
    assert command(*QUESTION, "--out", out).code == 0
    assert len(done) == 3
    assert sorted(asked) == sorted(set(range(8)) - set(done))
    for record in read_records(out / "results.jsonl"):
        assert record == done.get(record["index"], record)


def test_a_finished_run_again(tmp_path, whole):
    out = tmp_path / "run"
    for _ in range(2):
        assert command(*QUESTION, "--out", out).code == 0
        assert results(out) == whole


def test_interrupted_twice(tmp_path, monkeypatch, whole):
    out = tmp_path / "run"
    for count in (2, 3):
        with monkeypatch.context() as patch:
            stop_after(patch, count)
            assert command(*QUESTION, "--out", out).code == 130
    assert replay(out).inputs == 5
    assert command(*QUESTION, "--out", out).code == 0
    assert results(out) == whole


def test_an_error_keeps_what_had_finished(tmp_path, monkeypatch):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_after(patch, 4, WorkerError("something of ours"))
        ended = command(*QUESTION, "--out", out)
    assert ended.code == 71
    assert "something of ours" in ended.said
    assert replay(out).inputs == 4


@pytest.mark.parametrize(
    "other",
    [
        ("--eps", "0.09"), ("--first", "9"), ("--norm", "l2"), ("--seed", "1"),
        ("--restarts", "2"), ("--targets", "runner-up"), ("--minimize",), ("--upper", "2"),
        ("--method", "lippa+mip"), ("--engine", "stacked"), ("--solver", "highs"),
    ],
)  # fmt: skip
def test_another_command_is_refused(tmp_path_factory, tmp_path, other, finished_once):
    out = tmp_path / "run"
    shutil.copytree(finished_once, out)
    before = contents(out)
    ended = command(*QUESTION, *other, "--out", out)
    assert ended.code == 2
    assert "holds the results of another run" in ended.said
    assert ended.err.count("\n") == 1
    assert contents(out) == before


@pytest.fixture(scope="module")
def finished_once(tmp_path_factory):
    out = tmp_path_factory.mktemp("once") / "run"
    assert command(*QUESTION, "--out", out).code == 0
    return out


def test_another_model_or_data_is_refused(tmp_path, finished_once):
    out = tmp_path / "run"
    shutil.copytree(finished_once, out)
    before = contents(out)
    data = tmp_path / "data.npz"
    shutil.copy(DIGITS_DATA, data)
    edit_arrays(data, lambda arrays: arrays["y"].sort())
    ended = command("attack", DIGITS, data, *QUESTION[3:], "--out", out)
    assert (ended.code, contents(out) == before) == (2, True)
    ended = command("attack", DIGITS.with_name("mnist_mlp.onnx"), "--eps", 0.1, "--out", out)
    assert (ended.code, contents(out) == before) == (2, True)


def test_number_of_workers_may_change(tmp_path, monkeypatch, whole):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        command(*QUESTION, "--out", out, "--workers", 1)
    assert command(*QUESTION, "--out", out, "--workers", 2).code == 0
    records, stored, figures = results(out)
    assert (records, stored) == whole[:2]
    assert {**figures, "workers": 0} == {**whole[2], "workers": 0}


# What a crash leaves


def test_killed_before_the_witnesses_were_written(tmp_path, monkeypatch, whole):
    """A claim without its witness is worked out again."""
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_after(patch, 5)
        command(*QUESTION, "--out", out)
    (out / "adversarials.npz").unlink()
    (out / "summary.json").unlink()
    assert command(*QUESTION, "--out", out).code == 0
    assert results(out) == whole


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_killed_in_the_middle_of_a_line(tmp_path, monkeypatch, whole, cut):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_after(patch, 5)
        command(*QUESTION, "--out", out)
    path = out / "results.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    (out / "summary.json").unlink()
    assert command(*QUESTION, "--out", out).code == 0
    assert results(out) == whole
    assert replay(out).inputs == 8


def test_killed_right_after_the_start(tmp_path, whole):
    out = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 0)
        command(*QUESTION, "--out", out)
    for name in ("results.jsonl", "adversarials.npz", "summary.json"):
        (out / name).unlink()
    (out / "summary.json.part").write_bytes(b"half a summ")
    assert command(*QUESTION, "--out", out).code == 0
    assert results(out) == whole


@pytest.mark.parametrize("name", ["run.json", "results.jsonl", "adversarials.npz"])
@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe\x00broken\n\n", b"null\n", b"[1, 2]\n"])
def test_damaged_runs_are_not_continued(tmp_path, finished_once, name, damage):
    """Nor touched: whoever damaged them may have a copy."""
    out = tmp_path / "run"
    shutil.copytree(finished_once, out)
    (out / name).write_bytes(damage)
    before = contents(out)
    ended = command(*QUESTION, "--out", out)
    assert "Traceback" not in ended.err
    if name == "results.jsonl" and damage in (b"", b"{"):
        assert ended.code == 0  # cut short: all of it is worked out again
    else:
        assert ended.code == 5
        assert ended.err.count("\n") == 1
        assert contents(out) == before


def test_results_for_other_labels_are_not_mixed(tmp_path):
    """Labels of a pair of files are not in the digest of the inputs."""
    with np.load(DIGITS_DATA) as data:
        np.save(tmp_path / "x.npy", data["x"][:8])
        labels = data["y"][:8]
    np.save(tmp_path / "y.npy", labels)
    out, question = tmp_path / "run", ("--eps", "0.06", *FEW)
    assert command("attack", DIGITS, tmp_path / "x.npy", *question, "--out", out).code == 0
    before = contents(out)
    np.save(tmp_path / "y.npy", (labels + 1) % 10)
    ended = command("attack", DIGITS, tmp_path / "x.npy", *question, "--out", out)
    assert ended.code == 2
    assert contents(out) == before


# Folders that are not ours


@pytest.mark.parametrize(
    "name", ["results.jsonl", "summary.json", "adversarials.npz", "data.npz", "run.json"]
)
def test_files_of_others_are_not_overwritten(tmp_path, name):
    model, out = tmp_path / "net.onnx", tmp_path / "work"
    shutil.copy(DIGITS, model)
    out.mkdir()
    (out / name).write_bytes(b"years of work")
    (out / "notes.txt").write_text("keep")
    before = contents(out)
    ended = command("attack", model, "--out", out, *FEW)
    assert ended.code == (5 if name == "run.json" else 2)
    assert "give another --out" in ended.said or "give the --out folder" in ended.said
    assert contents(out) == before


def test_other_files_in_the_folder_stay(tmp_path, whole):
    out = tmp_path / "run"
    out.mkdir()
    (out / "notes.txt").write_text("keep")
    assert command(*QUESTION, "--out", out).code == 0
    assert (out / "notes.txt").read_text() == "keep"
    assert results(out) == whole


def test_folders_are_made(tmp_path, whole):
    out = tmp_path / "a" / "b" / "run"
    assert command(*QUESTION, "--out", out).code == 0
    assert results(out) == whole


def test_out_is_a_file(tmp_path):
    target = tmp_path / "file"
    target.write_text("text")
    for out in (target, target / "below"):
        ended = command(*QUESTION, "--out", out)
        assert ended.code == 2
        assert "cannot write" in ended.said
        assert ended.err.count("\n") == 1
    assert target.read_text() == "text"


def test_unwritable_folder(tmp_path):
    """Even an administrator cannot make a folder below /proc."""
    ended = command(*QUESTION, "--out", "/proc/none/run")
    assert ended.code == 2
    assert "cannot write" in ended.said
    with pytest.raises(InputError):
        replay("/proc/none/run")


def test_the_disk_fills_up(tmp_path, monkeypatch):
    """A failure to write in the middle of a run is one sentence, too."""

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        command(*QUESTION, "--out", out)
    before = contents(out)

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    ended = command(*QUESTION, "--out", out)
    assert ended.code == 2
    assert "No space left on device" in ended.said
    assert "Traceback" not in ended.err
    kept = {k: v for k, v in contents(out).items() if not k.endswith(".part")}
    assert kept == before


def test_what_was_found_is_said_where_it_cannot_be_written(tmp_path, monkeypatch):
    """And no empty or half-written file is left."""
    from onnx_lippa.runs.files import LineFile

    real, out = LineFile.append, tmp_path / "run"

    def filling(self, line):
        if len(read_records(out / "results.jsonl")) == 3:
            raise InputError("cannot write: No space left on device")
        real(self, line)

    monkeypatch.setattr(LineFile, "append", filling)
    ended = command(*QUESTION, "--out", out)
    assert ended.code == 2
    assert "No space left on device" in ended.said
    assert "4 of 8" in " ".join(ended.out.split())
    assert all(content for content in contents(out).values())
    assert not list(out.glob("*.part"))


def test_a_disk_without_room_leaves_no_file(tmp_path, monkeypatch):

    def full(handle):
        raise OSError(28, "No space left on device")

    out = tmp_path / "run"
    monkeypatch.setattr("os.fsync", full)
    ended = command(*QUESTION, "--out", out)
    assert ended.code == 2
    assert "No space left on device" in ended.said
    assert contents(out) == {}
