"""Files that outlive a crash: replaced whole, appended whole, locked while they are written."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from onnx_lippa.errors import DamagedFolderError, InputError
from onnx_lippa.runs.files import (
    FolderLock,
    LineFile,
    complete_lines,
    explain_read_errors,
    replace_file,
    replace_with,
    seal_line,
    unseal_line,
)
from tests.support.commands import opened

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")


def full(*arguments):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("name", ["replace", "fsync"])
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch, name):
    path = tmp_path / "file"
    replace_file(path, b"old")
    monkeypatch.setattr(os, name, full)
    with pytest.raises(InputError, match=r"cannot write to .*file .No space left on device"):
        replace_file(path, b"new")
    with pytest.raises(InputError, match="No space left"):
        replace_file(tmp_path / "other", b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_a_writer_that_raises_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    replace_file(path, b"old")

    def write(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_with(path, write)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@POSIX
def test_links_and_pipes_stay_what_they_are(tmp_path):
    """``--counterexample /dev/stdout`` must not replace the device."""
    link, target = tmp_path / "link", tmp_path / "target"
    target.write_bytes(b"old")
    link.symlink_to(target)
    replace_file(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    replace_file(pipe, b"through")
    reader.join(timeout=10)
    assert got == [b"through"]
    assert pipe.is_fifo()


def test_half_a_line_is_taken_back(tmp_path):
    """What a full disk took of a line must not be joined with the next one."""
    lines: Any = LineFile(tmp_path / "lines")
    lines.append(b"one\n")
    real = lines._file

    class Filling:
        def write(self, content):
            real.write(content[:2])
            full()

    lines._file = Filling()
    with pytest.raises(InputError, match="No space left"):
        lines.append(b"two\n")
    lines._file = real
    lines.append(b"three\n")
    lines.close()
    assert (tmp_path / "lines").read_bytes() == b"one\nthree\n"


def test_lines_end_in_newlines_only():
    """Other separators of text, which damage can make, do not split them."""
    assert complete_lines(b"a\x0bb\x85\r\nc\x1c") == [b"a\x0bb\x85\r\n"]
    assert complete_lines(b"") == []


@pytest.mark.parametrize("place", range(0, 40, 3))
def test_a_sealed_line_is_itself_or_nothing(place):
    line = seal_line({"a": 1.5, "b": ["x", None], "c": {"d": 0.1}})
    values = unseal_line(line)
    assert values == {"a": 1.5, "b": ["x", None], "c": {"d": 0.1}}
    for bit in range(8):
        damaged = bytearray(line)
        damaged[place % len(line)] ^= 1 << bit
        with contextlib.suppress(ValueError, RecursionError):
            assert unseal_line(bytes(damaged)) == values


@pytest.mark.parametrize("error", [ValueError("x"), OverflowError(), RecursionError(), KeyError(1)])
def test_whatever_a_parser_raises_is_one_refusal(tmp_path, error):
    with (
        pytest.raises(DamagedFolderError, match="missing or damaged"),
        explain_read_errors(tmp_path, "do so"),
    ):
        raise error


@POSIX
def test_a_lock_dies_with_its_process(tmp_path):
    script = (
        "import sys, time; from pathlib import Path\n"
        "from onnx_lippa.runs.files import FolderLock\n"
        "lock = FolderLock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True,
        cwd=os.fspath(pytest.importorskip("tests.support.commands").ROOT),
    )  # fmt: skip
    assert opened(process.stdout).readline() == "held\n"
    with pytest.raises(InputError, match="in use by another run"):
        FolderLock(tmp_path)
    process.kill()
    process.communicate()
    FolderLock(tmp_path).release()
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_a_lock_without_flock(tmp_path, monkeypatch):
    """Where there is none, an open file stands for it; one of a process that died is removed."""
    from onnx_lippa.runs import files

    def refuse(self, missing_ok=False):
        raise PermissionError("it is open in another process")

    monkeypatch.setattr(files, "fcntl", None)
    (tmp_path / "lock").write_bytes(b"")
    with FolderLock(tmp_path):
        assert (tmp_path / "lock").exists()
        monkeypatch.setattr("pathlib.Path.unlink", refuse)
        with pytest.raises(InputError, match="in use by another run"):
            FolderLock(tmp_path)
        monkeypatch.undo()
    FolderLock(tmp_path).release()
