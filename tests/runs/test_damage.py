"""Damaged folders: one clear refusal, and no damaged value is believed."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

from onnx_lippa import FalseClaimError, InputError, replay
from onnx_lippa.errors import DamagedFolderError, LippaError
from tests.support.attacks import DIGITS
from tests.support.commands import FEW, command, contents
from tests.support.faults import stop_after
from tests.support.folders import edit_arrays, edit_json, edit_records, read_records

WORDS = ("attack", DIGITS, "--eps", "0.08", "--first", "8", *FEW)
PROOF = ("certify", DIGITS, "--eps", "0.02", "--first", "8", "--workers", "1")
FILES = ("run.json", "results.jsonl", "summary.json", "adversarials.npz", "data.npz")
NUMBERS = (b"1e999", b"-1e999", b"NaN", b"Infinity", b"1" * 400, b"-1", b"true", b"null", b'"x"',
           b"[" * 3000, b"{}", b"0.5")  # fmt: skip


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A finished run of both kinds; its inputs were drawn, so they lie in the folder."""
    folder = tmp_path_factory.mktemp("closed")
    lone = folder / "net.onnx"
    shutil.copy(DIGITS, lone)
    for name, words in (("attack", WORDS), ("certify", PROOF)):
        ended = command(words[0], lone, *words[2:], "--out", folder / name)
        assert ended.code == 0, ended.err
    return folder


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run that was killed: its folder is that of a run whose end could not be written."""
    folder = tmp_path_factory.mktemp("killed")
    shutil.copy(DIGITS, folder / "net.onnx")
    with pytest.MonkeyPatch.context() as patch:
        from onnx_lippa.runs.folder import RunFolder

        stop_after(patch, 6)
        patch.setattr(RunFolder, "close", lambda self, summary: self._release_files())
        assert command("attack", folder / "net.onnx", *WORDS[2:], "--out", folder / "run").code
    assert {path.name for path in (folder / "run").iterdir()} == {
        "run.json", "results.jsonl", "journal.jsonl", "data.npz", "config.toml"
    }  # fmt: skip
    return folder


def damages(content: bytes, generator: np.random.Generator, count: int):
    """Truncated, flipped, overwritten, and with numbers replaced by others."""
    for _ in range(count):
        place, kind = int(generator.integers(len(content))), int(generator.integers(4))
        if kind == 0:
            yield content[:place]
        elif kind == 1:
            flipped = content[place] ^ (1 << int(generator.integers(8)))
            yield content[:place] + bytes([flipped]) + content[place + 1 :]
        elif kind == 2:
            yield content[:place] + generator.bytes(8) + content[place + 8 :]
        else:
            found = list(re.finditer(rb"-?\d+(\.\d+)?(e-?\d+)?", content))
            match = found[int(generator.integers(len(found)))]
            other = NUMBERS[int(generator.integers(len(NUMBERS)))]
            yield content[: match.start()] + other + content[match.end() :]


def spoil(source, tmp_path, name, count, seed=0):
    """Copies of a folder with one file damaged, one after the other at the same place."""
    out = tmp_path / source.name
    generator = np.random.default_rng(seed)
    for damaged in damages((source / name).read_bytes(), generator, count):
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(source, out)
        (out / name).write_bytes(damaged)
        yield out


def claims(folder):
    """What the results say, but for times."""
    return {
        r["index"]: {k: v for k, v in r.items() if "seconds" not in k}
        for r in read_records(folder / "results.jsonl")
    }


@pytest.mark.parametrize("task", ["attack", "certify"])
@pytest.mark.parametrize("name", FILES)
def test_replay_of_a_damaged_run(closed, tmp_path, task, name):
    source = closed / task
    confirmed = replay(source)
    shutil.copy(closed / "net.onnx", tmp_path / "net.onnx")
    for out in spoil(source, tmp_path, name, 25):
        try:
            again = replay(out)
        except InputError:
            continue
        except FalseClaimError:
            assert name in ("results.jsonl", "summary.json", "run.json")
            continue
        assert again == confirmed
        assert claims(out) == claims(source)


@pytest.mark.parametrize("name", ["run.json", "results.jsonl", "journal.jsonl", "data.npz"])
def test_replay_of_a_damaged_killed_run(killed, tmp_path, name):
    source = killed / "run"
    confirmed = replay(source)
    assert (confirmed.inputs, confirmed.killed) == (6, True)
    shutil.copy(killed / "net.onnx", tmp_path / "net.onnx")
    for out in spoil(source, tmp_path, name, 40):
        try:
            again = replay(out)
        except DamagedFolderError:
            continue
        except InputError:
            assert name == "run.json"
            continue
        # The last line may be cut short, as by the kill itself.
        assert (again.killed, again.inputs) in ((True, 6), (True, 5), (True, 0))


@pytest.mark.parametrize("task", ["attack", "certify"])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_run_that_is_continued(closed, tmp_path, task, name):
    """It is refused and left as it is, or it ends with what an undamaged run has."""
    shutil.copy(closed / "net.onnx", tmp_path / "net.onnx")
    words = WORDS if task == "attack" else PROOF
    expected = claims(closed / task)
    for out in spoil(closed / task, tmp_path, name, 8, seed=1):
        before = contents(out)
        ended = command(words[0], tmp_path / "net.onnx", *words[2:], "--out", out)
        assert "Traceback" not in ended.err
        if ended.code == 0:
            assert claims(out) == expected
            assert replay(out).is_finished
        else:
            assert ended.code in (2, 5), ended.err
            assert contents(out) == before


@pytest.mark.parametrize("name", ["run.json", "results.jsonl", "journal.jsonl"])
def test_a_damaged_killed_run_that_is_continued(killed, closed, tmp_path, name):
    shutil.copy(killed / "net.onnx", tmp_path / "net.onnx")
    expected = claims(closed / "attack")
    for out in spoil(killed / "run", tmp_path, name, 8, seed=2):
        ended = command("attack", tmp_path / "net.onnx", *WORDS[2:], "--out", out)
        assert "Traceback" not in ended.err
        if ended.code == 0:
            assert claims(out) == expected
            assert replay(out).is_finished
        else:
            assert ended.code in (2, 5), ended.err


@pytest.mark.parametrize(
    "change",
    [lambda r: r.update(bound=r["bound"] / 2), lambda r: r.update(bound=1e9),
     lambda r: r.update(bound=-1.0), lambda r: r.update(nodes=r["nodes"] + 1),
     lambda r: r.update(verdict="unknown", proved_by="nothing", bound=None)],
)  # fmt: skip
def test_a_damaged_proof_is_not_taken_over(closed, tmp_path, change):
    """Nothing in the other files says otherwise; its checksum does."""
    shutil.copytree(closed, tmp_path / "here")
    out = tmp_path / "here" / "certify"
    edit_records(
        out / "results.jsonl",
        lambda records: change(next(r for r in records if r["verdict"] == "robust")),
    )
    before = contents(out)
    ended = command(PROOF[0], tmp_path / "here" / "net.onnx", *PROOF[2:], "--out", out)
    assert (ended.code, contents(out)) == (5, before)
    assert "line " in ended.said
    with pytest.raises((DamagedFolderError, FalseClaimError)):
        replay(out)


def test_harmless_changes_are_none(closed, tmp_path):
    """Checksums are of what the files say: blanks and the order of fields do not count."""
    out = tmp_path / "attack"
    shutil.copytree(closed / "attack", out)
    shutil.copy(closed / "net.onnx", tmp_path / "net.onnx")
    confirmed = replay(out)
    edit_json(out / "run.json", lambda values: None)
    edit_json(out / "summary.json", lambda values: values.update(model="elsewhere.onnx"))
    edit_records(out / "results.jsonl", lambda records: None)
    edit_arrays(out / "adversarials.npz", lambda arrays: None)
    assert replay(out) == confirmed


def test_seconds_count(closed, tmp_path):
    out = tmp_path / "attack"
    shutil.copytree(closed / "attack", out)
    edit_json(out / "summary.json", lambda values: values.update(seed=3))
    with pytest.raises(DamagedFolderError, match="checksum"):
        replay(out)


def without_checksums(folder, changes):
    """Makes a run's folder one of before, with some values of its question changed."""
    values = json.loads((folder / "run.json").read_text())
    for name in ("version", "check", "sealed"):
        del values[name]
    (folder / "run.json").write_text(json.dumps(values | changes))


@pytest.mark.parametrize("name", ["eps", "lower", "upper", "grid"])
def test_a_number_beyond_every_float(closed, tmp_path, name):
    """Also where no checksum vouches for the file, as in folders of before."""
    out = tmp_path / "attack"
    shutil.copytree(closed / "attack", out)
    without_checksums(out, {name: 10**400})
    with pytest.raises(InputError, match=r"run\.json"):
        replay(out)


def test_exit_code(closed, tmp_path):
    out = tmp_path / "attack"
    shutil.copytree(closed / "attack", out)
    (out / "adversarials.npz").write_bytes(b"")
    ended = command("replay", out)
    assert ended.code == 5
    assert ended.err.count("\n") == 1


@pytest.mark.slow
def test_many_damages(closed, killed, tmp_path):
    """The long form, without checksums in half of the folders, as those of before were."""
    shutil.copy(closed / "net.onnx", tmp_path / "net.onnx")
    for source in (closed / "attack", closed / "certify", killed / "run"):
        for old in (False, True):
            base = tmp_path / "base" / source.name
            shutil.rmtree(base, ignore_errors=True)
            shutil.copytree(source, base)
            if old and source.name != "run":
                without_checksums(base, {})
            for path in sorted(base.iterdir()):
                for out in spoil(base, tmp_path, path.name, 60, seed=3):
                    try:
                        replay(out)
                    except LippaError as error:
                        assert error.exit_code in (1, 2, 3, 5)
