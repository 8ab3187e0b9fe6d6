"""Lists of properties: what an answer belongs to, what a kill leaves, and their replay."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest

from onnx_lippa import (
    FalseClaimError,
    InputError,
    InstanceResult,
    InterruptedList,
    Lippa,
    answer_instances,
    replay,
)
from onnx_lippa.errors import DamagedFolderError
from onnx_lippa.runs.properties import answering
from tests.support.commands import command, contents
from tests.support.graphs import graph_model, node, saved

DECLARED = "".join(f"(declare-const {v} Real)\n" for v in ("X_0", "X_1", "Y_0", "Y_1"))
BOX = "".join(f"(assert (>= X_{i} 0.1))\n(assert (<= X_{i} 0.9))\n" for i in (0, 1))
SAT = DECLARED + BOX + "(assert (>= Y_0 0.7))\n"
UNSAT = DECLARED + BOX + "(assert (>= Y_0 0.95))\n"
FEW = ("--restarts", "0", "--lp-steps", "0", "--gradient-steps", "5")


@pytest.fixture
def files(tmp_path):
    """A list of three instances of the networks ``relu(x)`` in two folders."""
    for name in ("a", "b"):
        (tmp_path / "files" / name).mkdir(parents=True)
        saved(graph_model([node("Relu", "x", "y")], (2,)), tmp_path / "files" / name, "net.onnx")
        (tmp_path / "files" / name / "p.vnnlib").write_text(SAT)
    (tmp_path / "files" / "a" / "q.vnnlib").write_text(UNSAT)
    path = tmp_path / "files" / "list.csv"
    path.write_text("a/net.onnx,a/p.vnnlib,10\nb/net.onnx,b/p.vnnlib,10\na/net.onnx,a/q.vnnlib,5\n")
    return path


def rows(out):
    with (out / "results.csv").open() as file:
        return list(csv.DictReader(file))


def run(files, out, *more, task="attack"):
    few = FEW if task == "attack" else ()
    return command(task, "--instances", files, "--out", out, "--workers", 1, *few, *more)


@pytest.fixture
def counted(monkeypatch):
    """The properties that were worked on, since all work is done in this process."""
    asked = []
    real = answering._answer

    def noting(instances, *rest):
        asked.append([(one.onnx, one.vnnlib) for one in instances])
        return real(instances, *rest)

    monkeypatch.setattr(answering, "_answer", noting)
    return asked


def test_counterexamples_of_one_name_do_not_meet(files, tmp_path):
    out = tmp_path / "out"
    assert run(files, out).code == 0
    names = [path.name for path in (out / "counterexamples").iterdir()]
    assert len(names) == 2
    assert all(name.startswith("net_p-") for name in names)
    assert replay(out).adversarial == 2


def test_nothing_is_answered_twice(files, tmp_path, counted):
    out = tmp_path / "out"
    run(files, out)
    before = contents(out)
    run(files, out)
    assert [len(asked) for asked in counted] == [3, 0]
    assert contents(out) == before


def test_an_answer_belongs_to_its_files_options_and_command(files, tmp_path, counted):
    """What differs is answered anew; the rest is taken over."""
    out = tmp_path / "out"
    run(files, out)
    (files.parent / "a" / "q.vnnlib").write_text(SAT)
    assert run(files, out).code == 0
    assert [row["answer"] for row in rows(out)] == ["sat", "sat", "sat"]
    net = graph_model([node("Neg", "x", "y")], (2,))
    saved(net, files.parent / "b", "net.onnx")
    assert run(files, out).code == 0
    assert sorted(row["answer"] for row in rows(out)) == ["sat", "sat", "unknown"]
    files.write_text(files.read_text().replace(",5", ",6"))
    assert run(files, out).code == 0
    assert run(files, out, "--seed", "1").code == 0
    assert run(files, out, task="certify").code == 0
    assert sorted(row["answer"] for row in rows(out)) == ["sat", "sat", "unsat"]
    asked = [("a/net.onnx", "a/q.vnnlib")]
    assert counted == [
        counted[0], asked, [("b/net.onnx", "b/p.vnnlib")], asked, counted[0], counted[0]
    ]  # fmt: skip
    confirmed = replay(out)
    assert (confirmed.adversarial, confirmed.robust, confirmed.is_finished) == (2, 1, True)


def test_python_writes_the_folder_that_the_command_line_resumes(files, tmp_path, counted):
    out, heard = tmp_path / "run", []

    def stop(event):
        if isinstance(event, InstanceResult):
            heard.append(event)
            if len(heard) == 2:
                raise KeyboardInterrupt

    method = Lippa(restarts=0, gradient_steps=5, lp_steps=0)
    with pytest.raises(InterruptedList) as interrupt:
        answer_instances(files, attack=method, proof=None, out=out, on_event=stop)
    assert sorted(interrupt.value.results, key=str) == sorted(heard, key=str)
    assert len(rows(out)) == 2
    ended = run(files, out)
    assert ended.code == 0, ended.err
    known = answer_instances(files, attack=method, proof=None, timeout=20, out=out)
    assert sorted(one.answer for one in known) == ["sat", "sat", "unknown"]
    assert answer_instances(files, attack=method, proof=None, timeout=20, out=out) == known
    assert [len(asked) for asked in counted] == [3, 1, 0, 0]
    assert [one.answer for one in answer_instances(files, proof="complete")].count("unsat") == 1


def test_the_same_pair_with_two_limits_is_two_instances(files, tmp_path, counted):
    files.write_text("a/net.onnx,a/q.vnnlib,1\na/net.onnx,a/q.vnnlib,2\na/net.onnx,a/q.vnnlib,2\n")
    out = tmp_path / "out"
    run(files, out)
    assert sorted(row["timeout"] for row in rows(out)) == ["1", "2", "2"]
    run(files, out)
    assert [len(asked) for asked in counted] == [3, 0]


def test_moved_together(files, tmp_path):
    out = files.parent / "out"
    run(files, out)
    confirmed = replay(out)
    shutil.move(files.parent, tmp_path / "moved")
    assert replay(tmp_path / "moved" / "out") == confirmed
    ended = command("replay", tmp_path / "moved" / "out")
    assert (ended.code, ended.err) == (0, "")
    assert "confirmed: 2 sat of 3 instances" in ended.out


def test_a_killed_list(files, tmp_path):
    """The journal holds what was answered; a line that was cut short is answered again."""
    out = tmp_path / "out"
    run(files, out)
    lines = (out / "answers.jsonl").read_bytes().splitlines(keepends=True)
    (out / "answers.jsonl").write_bytes(lines[0] + lines[1][:40])
    first = rows(out)[0]
    (out / "results.csv").write_text(
        "".join((out / "results.csv").read_text().splitlines(keepends=True)[:2])
    )
    ended = command("replay", out)
    assert ended.code == 0
    assert "unfinished" in ended.out
    assert "1 of 3 instances" in ended.out
    assert run(files, out).code == 0
    assert rows(out)[0] == first
    assert replay(out).inputs == 3


def edit_answers(out, change):
    """As a forger would, checksum included."""
    from onnx_lippa.runs.files import seal_line

    values = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    for one in values:
        del one["check"]
    change(values)
    (out / "answers.jsonl").write_bytes(b"".join(seal_line(one) for one in values))


@pytest.mark.parametrize("name", ["X", "Y", "missing", "nan", "answer"])
def test_false_answers(files, tmp_path, name):
    out = tmp_path / "out"
    run(files, out)
    shutil.rmtree(out / "counterexamples")

    def change(values):
        one = values[0]
        text = one["counterexample"]
        if name == "answer":
            one["answer"] = "unsat"
        elif name == "missing":
            one["counterexample"] = text.replace("X_1", "X_7")
        else:
            start = text.index(f"({'X' if name == 'nan' else name}_0 ")
            value = text[start : text.index(")", start) + 1]
            wrong = "nan" if name == "nan" else "0.25"
            one["counterexample"] = text.replace(value, f"{value.split()[0]} {wrong})")

    edit_answers(out, change)
    with pytest.raises(FalseClaimError):
        replay(out)


def test_a_table_that_says_something_else(files, tmp_path):
    out = tmp_path / "out"
    run(files, out)
    text = (out / "results.csv").read_text()
    (out / "results.csv").write_text(text.replace("unknown", "unsat"))
    with pytest.raises(FalseClaimError, match=r"results\.csv says unsat"):
        replay(out)
    run(files, out)
    assert replay(out).inputs == 3, "the journal writes it anew"


def test_changed_files_are_not_replayed(files, tmp_path):
    out = tmp_path / "out"
    run(files, out)
    (files.parent / "a" / "p.vnnlib").write_text(SAT + "; more\n")
    with pytest.raises(InputError, match="SHA-256"):
        replay(out)


@pytest.mark.parametrize("name", ["list.json", "answers.jsonl", "results.csv"])
def test_damage(files, tmp_path, name):
    """Whatever byte is damaged: one refusal, or nothing that matters."""
    out = tmp_path / "out"
    run(files, out)
    confirmed, content = replay(out), (out / name).read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(40):
        place, value = int(generator.integers(len(content))), int(generator.integers(256))
        (out / name).write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
        try:
            assert replay(out) == confirmed or name == "results.csv" or place > len(content) - 2
        except InputError:
            pass
        except FalseClaimError:
            assert name == "results.csv"
    for damaged in (b"", b"{}", content[: len(content) // 2], b"\xff\xfe\n", b"[1e999]\n"):
        (out / name).write_bytes(damaged)
        ended = command("replay", out)
        assert ended.code in (0, 1, 5)
        assert "Traceback" not in ended.err
        assert ended.code != 1 or name == "results.csv"


def test_a_list_of_before_is_not_taken_over(files, tmp_path):
    """Its results say nothing of what they belong to."""
    out = tmp_path / "out"
    run(files, out)
    for name in ("list.json", "answers.jsonl"):
        (out / name).unlink()
    before = contents(out)
    ended = run(files, out)
    assert (ended.code, contents(out)) == (2, before)
    assert "give another --out" in ended.said


def test_a_full_disk(files, tmp_path, monkeypatch):
    """What was found is printed."""
    from onnx_lippa.errors import InputError as Refused
    from onnx_lippa.runs.files import LineFile

    def full(self, line):
        raise Refused("cannot write (No space left on device)")

    monkeypatch.setattr(LineFile, "append", full)
    out = tmp_path / "out"
    ended = run(files, out)
    assert ended.code == 2
    assert "a/net.onnx,a/p.vnnlib,10,sat" in ended.out
    assert "No space left" in ended.said


def test_a_counterexample_that_cannot_be_written(files, tmp_path):
    """The answer stands, with a note."""
    out = tmp_path / "out"
    (out / "counterexamples").mkdir(parents=True)
    from onnx_lippa.runs.properties.folder import name_counterexamples
    from onnx_lippa.runs.properties.instances import read_instances

    for name in name_counterexamples(read_instances(files)):
        (out / "counterexamples" / name).mkdir()
    ended = run(files, out)
    assert ended.code == 0
    noted = [row for row in rows(out) if row["answer"] == "sat"]
    assert len(noted) == 2
    assert all("cannot write" in row["note"] for row in noted)


def test_two_runs_at_once(files, tmp_path):
    from onnx_lippa.runs.files import FolderLock

    out = tmp_path / "out"
    out.mkdir()
    with FolderLock(out):
        ended = run(files, out)
    assert ended.code == 2
    assert "in use by another run" in ended.said
    assert run(files, out).code == 0


def test_damaged_lists_are_not_continued(files, tmp_path):
    out = tmp_path / "out"
    run(files, out)
    content = (out / "answers.jsonl").read_bytes()
    (out / "answers.jsonl").write_bytes(content.replace(b"unknown", b"unsat  ", 1))
    ended = run(files, out)
    assert ended.code == 5
    with pytest.raises(DamagedFolderError):
        replay(out)
