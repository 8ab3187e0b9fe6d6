"""The Dockerfile: what it promises, and its steps, run in a shell in place of a container."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest

from tests.support.paths import ROOT

TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
STEPS = re.findall(r"^([A-Z]+) (.*)$", TEXT, flags=re.MULTILINE)
NOBODY = 65534


def pinned() -> dict[str, str]:
    """What the lock file holds: for each package its version and hashes."""
    return {
        re.sub(r"[-_.]+", "-", found[1]).lower(): found[2]
        for found in re.finditer(r"^([\w.-]+)==(.+?)(?=^\S|\Z)", LOCK, re.MULTILINE | re.DOTALL)
    }


def test_the_process_has_no_rights():
    instructions = [word for word, _ in STEPS]
    last = len(instructions) - 1 - instructions[::-1].index("USER")
    assert STEPS[last][1] not in ("root", "0")
    assert not {"RUN", "COPY", "ADD"} & set(instructions[last:])


def test_every_package_is_pinned_by_hashes():
    for name, text in pinned().items():
        assert "--hash=sha256:" in text, name
    installs = [text for word, text in STEPS if word == "RUN" and "pip install" in text]
    assert len(installs) == 2
    assert all("--require-hashes" in one or "--no-deps" in one for one in installs)


def test_the_lock_has_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    names = {re.split(r"[<>=!~ \[]", one)[0].lower() for one in wanted}
    assert names <= set(pinned())


def test_what_is_copied_is_there_and_not_ignored():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    copied = [
        source
        for word, text in STEPS
        if word == "COPY" and "--from" not in text
        for source in text.split()[:-1]
    ]
    assert set(copied) == kept
    assert all((ROOT / source).exists() for source in copied)


@pytest.fixture
def place():
    """A folder that every user of the machine may enter."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


@pytest.mark.slow
def test_the_steps_of_the_build_run(place):
    """The first stage in a folder, with the image's paths below it; then the command.

    It runs as nobody where this is root and its Python lies where others may read it.
    """
    prefix, source, data = (place / name for name in ("opt", "src", "data"))
    source.mkdir()
    data.mkdir()
    stage = STEPS[: [i for i, (word, _) in enumerate(STEPS) if word == "FROM"][1]]
    for word, text in stage:
        if word == "COPY":
            *names, _ = text.split()
            for name in names:
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
                copy(ROOT / name, source / name)
        elif word == "RUN":
            line = text.replace("/opt/onnx-lippa", str(prefix))
            line = re.sub(r"^python ", f"{sys.executable} ", line)
            run(["bash", "-euc", line], source)
    size = sum(path.stat().st_size for path in prefix.rglob("*") if not path.is_symlink())
    assert size < 400e6, f"{size / 1e6:.0f} MB"
    data.chmod(0o777)
    command = [prefix / "bin" / "onnx-lippa", "audit", "--example", "--first", "3", "--out", "run"]
    run(command, data, NOBODY if os.geteuid() == 0 and others_may_read(sys.base_prefix) else None)
    assert (data / "run" / "summary.json").exists()


def run(command: list[str | Path], folder: Path, user: int | None = None) -> None:
    """Runs a command without what points Python to this clone; it has to end well."""
    environment = {name: text for name, text in os.environ.items() if "PYTHON" not in name}
    done = subprocess.run(
        command, cwd=folder, env=environment | {"HOME": str(folder)}, user=user, group=user,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def others_may_read(place: str) -> bool:
    return all(path.stat().st_mode & 0o5 == 0o5 for path in [Path(place), *Path(place).parents])
