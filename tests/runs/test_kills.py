"""SIGKILL at any moment: no listed result lacks its witness, and the same command goes on."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import numpy as np
import pytest

from onnx_lippa import replay
from tests.support.attacks import DIGITS
from tests.support.commands import FEW, command, lines, spawned, wait_for
from tests.support.folders import read_records

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
QUESTION = ("attack", DIGITS, "--eps", "0.08", "--workers", "1")
SLOW = ("--restarts", "60", "--gradient-steps", "200", "--lp-steps", "60")


def kill(process) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def killed(out, count: int, after: int) -> tuple[object, ...]:
    """A command on some inputs, killed once so many results are listed."""
    words = (*QUESTION, "--first", count, *SLOW, "--out", out)
    process = spawned(*words)
    wait_for(lambda: lines(out) >= after, process)
    kill(process)
    return words


def stored(out) -> tuple[int, set[int]]:
    """Results that the journal holds, and adversarial ones among those that are listed."""
    held = []
    for line in (out / "journal.jsonl").read_bytes().split(b"\n")[:-1]:
        held.append(json.loads(line)["record"]["index"])
    claims = {r["index"] for r in read_records(out / "results.jsonl")}
    return len(held), claims - set(held)


def test_killed_and_continued(tmp_path):
    out = tmp_path / "run"
    words = killed(out, 7, 3)
    held, lost = stored(out)
    assert held >= 3
    assert lost == set()
    confirmed = replay(out)
    assert (confirmed.inputs, confirmed.killed, confirmed.is_finished) == (held, True, False)
    ended = command("replay", out)
    assert (ended.code, ended.err) == (0, "")
    assert f"unfinished: the run has not ended, or was killed; {held} of 7" in ended.out
    before = read_records(out / "results.jsonl")
    ended = command(*words)
    assert (ended.code, ended.err) == (0, "")
    assert read_records(out / "results.jsonl")[: len(before)] == before, "none is sought again"
    confirmed = replay(out)
    assert (confirmed.inputs, confirmed.is_finished) == (7, True)
    assert not (out / "journal.jsonl").exists()


def test_killed_before_the_first_result(tmp_path):
    out = tmp_path / "run"
    process = spawned(*QUESTION, "--first", "3", *SLOW, "--out", out)
    wait_for((out / "results.jsonl").exists, process)
    kill(process)
    assert replay(out).inputs == lines(out)


def test_another_command_is_refused_after_a_kill(tmp_path):
    out = tmp_path / "run"
    killed(out, 12, 1)
    ended = command(*QUESTION, "--first", "11", *SLOW, "--out", out)
    assert ended.code == 2
    assert "another run" in ended.said


def test_two_runs_at_once(tmp_path):
    """The second is refused while the first goes on, and let in once it is dead."""
    out = tmp_path / "run"
    words = (*QUESTION, "--first", "5", *SLOW, "--out", out)
    process = spawned(*words)
    wait_for(lambda: lines(out) >= 1, process)
    ended = command(*words)
    assert process.poll() is None
    assert ended.code == 2
    assert "in use by another run" in ended.said
    assert replay(out).killed, "but a replay may look"
    kill(process)
    assert command(*words).code == 0


def test_a_witness_in_every_line(tmp_path):
    """What a kill at any byte of the journal leaves, is taken up and replays."""
    out = tmp_path / "run"
    words = killed(out, 7, 5)
    journal, results = (out / "journal.jsonl").read_bytes(), (out / "results.jsonl").read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(20):
        cut = int(generator.integers(len(journal) + 1))
        (out / "journal.jsonl").write_bytes(journal[:cut])
        whole = journal[:cut].count(b"\n")
        # The result is listed behind its line of the journal: as many, or one less.
        listed = results.splitlines(keepends=True)[: max(0, whole - int(generator.integers(2)))]
        (out / "results.jsonl").write_bytes(b"".join(listed))
        assert replay(out).inputs == whole
    assert command(*words).code == 0
    assert replay(out).is_finished


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_again_and_again(tmp_path, workers):
    """One run through many kills: it ends, and has what a run without kills has."""
    words = ("attack", DIGITS, "--eps", "0.08", "--first", "60", *FEW)
    assert command(*words, "--out", tmp_path / "whole").code == 0
    out, generator = tmp_path / "run", np.random.default_rng(workers)
    for _ in range(12):
        process = spawned(*words, "--workers", workers, "--out", out)
        time.sleep(float(generator.uniform(0.5, 2.5)))
        kill(process)
        if (out / "journal.jsonl").exists():
            assert stored(out)[1] == set()
        if (out / "run.json").exists() and (out / "results.jsonl").exists():
            replay(out)
    assert command(*words, "--workers", workers, "--out", out).code == 0

    def timeless(folder):
        return {
            r["index"]: {k: v for k, v in r.items() if "seconds" not in k}
            for r in read_records(folder / "results.jsonl")
        }

    assert timeless(out) == timeless(tmp_path / "whole")
    assert replay(out).is_finished


def end_in(patch, out, step: int) -> list[str]:
    """The run into a folder is cut off in one step of its end; the names of the files so far."""
    from onnx_lippa.runs import folder

    calls = []

    def counting(real):
        def called(*arguments):
            if arguments[0].parent == out and (out / "journal.jsonl").exists():
                calls.append(arguments[0].name)
                if len(calls) > step:
                    raise KeyboardInterrupt
            real(*arguments)

        return called

    for name in ("replace_file", "replace_with", "remove_file"):
        patch.setattr(folder, name, counting(getattr(folder, name)))
    return calls


@pytest.mark.parametrize("before", [0, 3])
def test_killed_in_any_step_of_the_end(tmp_path, monkeypatch, before):
    """Also at the end of a run that was interrupted and closed before."""
    from tests.support.faults import stop_after

    words = (*QUESTION, "--first", "6", *FEW)
    assert command(*words, "--out", tmp_path / "whole").code == 0
    for step in range(4):
        out = tmp_path / f"run{step}"
        if before:
            with monkeypatch.context() as patch:
                stop_after(patch, before)
                assert command(*words, "--out", out).code == 130
        with monkeypatch.context() as patch:
            calls = end_in(patch, out, step)
            assert command(*words, "--out", out).code == 130
        files = ["adversarials.npz", "summary.json", "run.json", "journal.jsonl"]
        assert calls == files[: step + 1]
        confirmed = replay(out)
        assert (confirmed.inputs, confirmed.killed) == (6, True)
        assert command(*words, "--out", out).code == 0
        assert replay(out) == replay(tmp_path / "whole")
