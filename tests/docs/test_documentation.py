"""Every command and every line of Python in the documentation runs as it is written.

The blocks of a page run in order, in one folder and one namespace, as a reader would run them. The
folder has what pages take for granted (:func:`prepare`). A command ends with code 0, or with the
code that a comment behind it states: ``# exit code 4``.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import warnings
from importlib.util import find_spec
from inspect import ismodule
from pathlib import Path

import numpy as np
import pytest
from typer.main import get_command

import onnx_lippa
from tests.support.commands import command
from tests.support.documentation import PAGES, blocks, commands, inline_commands, is_reference
from tests.support.graphs import graph_model, node
from tests.support.paths import ROOT

OPTIONAL = {"art": "art", "torch_module": "torch", "foolbox_model": "foolbox"}
"""Words of blocks that need a package that is not part of the tests' environment."""
RUN = [page for page in PAGES if blocks(page)]


def prepare(folder: Path) -> None:
    """What the pages take for granted: a model with data, a table, a property, and their names."""
    model, x, y = onnx_lippa.load_example()
    pixels = np.round(x[:3] * 255).astype(np.uint8)
    (folder / "model.onnx").write_bytes(model.read_bytes())
    np.savez(folder / "data.npz", x=pixels, y=y[:3])
    for name, value in (("scale", 0.02), ("lower", 0.0), ("upper", 1.0)):
        np.save(folder / f"{name}.npy", np.full(64, value))
    lines = [f"(declare-const X_{i} Real)" for i in range(64)]
    lines += [f"(declare-const Y_{i} Real)" for i in range(10)]
    lines += [f"(assert (and (>= X_{i} 0) (<= X_{i} 0.1)))" for i in range(64)]
    (folder / "spec.vnnlib").write_text("\n".join([*lines, "(assert (>= Y_0 100))"]))
    (folder / "instances.csv").write_text("model.onnx,spec.vnnlib,10\n")
    table(folder)
    people(folder)
    for name in ("models", "docs", "examples"):
        (folder / name).symlink_to(ROOT / name)


def table(folder: Path) -> None:
    """A small model of four columns, with rows."""
    generator = np.random.default_rng(0)
    weights = generator.normal(size=(4, 8)).astype(np.float32) / np.array([[50], [6], [2], [1]])
    model = graph_model(
        [node("MatMul", "x a", "h"), node("Relu", "h", "r"), node("MatMul", "r b")],
        (4,),
        {"a": weights.astype(np.float32), "b": generator.normal(size=(8, 2)).astype(np.float32)},
    )
    (folder / "table.onnx").write_bytes(model.SerializeToString())
    low, high = np.array([18, 1, 0, 0]), np.array([99, 12, 4, 1])
    rows = np.round(generator.uniform(low, high, size=(6, 4))).astype(np.float32)
    np.savez(folder / "table.npz", x=rows, y=np.zeros(6, np.int64))


def people(folder: Path) -> None:
    """A table with a text column, and images in two folders, each with a model."""
    from PIL import Image

    generator = np.random.default_rng(0)
    for name, shape, width in (("people", (3,), 3), ("photos", (3, 8, 8), 192)):
        weights = generator.normal(size=(width, 8)).astype(np.float32) / np.float32(width**0.5)
        nodes = [
            node("Flatten", "x", "f"), node("MatMul", "f a", "h"), node("Relu", "h", "r"),
            node("MatMul", "r b", "y"),
        ]  # fmt: skip
        constants = {"a": weights, "b": generator.normal(size=(8, 2)).astype(np.float32)}
        model = graph_model(nodes, shape, constants)
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
    rows = [f"0.{i},0.{9 - i},0.{i % 3},{'fm'[i % 2]},{('no', 'yes')[i % 2]}" for i in range(6)]
    (folder / "people.csv").write_text("\n".join(["age,income,rooms,sex,loan", *rows]) + "\n")
    np.save(folder / "mean.npy", np.array([0.3, 0.6, 0.1]))
    np.save(folder / "std.npy", np.array([0.2, 0.2, 0.1]))
    for place in range(4):
        home = folder / "photos" / ("cat", "dog")[place % 2]
        home.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(home / f"{place}.png")


def expected_code(line: str) -> int:
    found = re.search(r"# exit code (\d+)", line)
    return int(found[1]) if found else 0


def run_shell(line: str) -> None:
    words = shlex.split(line, comments=True)
    if words[0] == "onnx-lippa" and not {">", "|", "&&"} & set(words):
        ended = command(*words[1:])
        assert ended.code == expected_code(line), f"{line}\n{ended.out}\n{ended.err}"
        return
    Path("onnx-lippa").write_text(f'#!/bin/sh\nexec {sys.executable} -m onnx_lippa "$@"\n')
    Path("onnx-lippa").chmod(0o755)
    paths = os.pathsep.join([str(Path.cwd()), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        env=os.environ | {"PATH": paths, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == expected_code(line), f"{line}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_the_page_runs_as_it_is_written(tmp_path, monkeypatch, page):
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    names = {"onnx_lippa": onnx_lippa, "np": np, "__name__": "page"}
    data = np.load("data.npz")
    names |= {"model": onnx_lippa.load("model.onnx"), "x": data["x"], "y": data["y"]}
    for block in blocks(page):
        if block.language == "sh":
            for line in commands(block):
                run_shell(line)
            continue
        if block.language == "toml":  # a comment on its first line names the file
            name, _, text = block.text.partition("\n")
            Path(name.removeprefix("# ")).write_text(text)
            continue
        missing = [
            package
            for word, package in OPTIONAL.items()
            if re.search(rf"\b{word}\b", block.text) and find_spec(package) is None
        ]
        if missing or ("art_classifier" in block.text and "art_classifier" not in names):
            continue  # the examples' session has these packages
        code = compile("\n" * (block.line - 1) + block.text, str(ROOT / page), "exec")
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            if any(re.search(rf"\b{word}\b", block.text) for word in OPTIONAL):
                warnings.simplefilter("ignore")
            exec(code, names)
    for line in inline_commands(page):
        if line.startswith("onnx-lippa ") and not is_reference(line):
            run_inline(line)


FILLED = {
    "DIR": "results", "RUN": "results", "OLD": "results", "NEW": "results", "run": "run",
    "MODEL": "model.onnx", "FOLDER": "pictures", "E": "0.03",
}  # fmt: skip
"""What commands within a text leave open."""


def run_inline(line: str) -> None:
    """Runs a command that stands within the text; a gate of it may fail."""
    words = [FILLED.get(word, word) for word in shlex.split(line)[1:]]
    asked = ("photos.onnx", "photos") if "--images" in words else ("model.onnx", "data.npz")
    if "results" in words:
        shutil.rmtree("results", ignore_errors=True)
        made = command("attack", *asked, "--eps", "0.03", "--out", "results", "--quiet")
        assert made.code == 0, made
    ended = command(*words)
    assert ended.code in (0, 4), f"{line}\n{ended.out}\n{ended.err}"


@pytest.mark.parametrize("page", RUN)
def test_commands_on_the_page_are_understood(monkeypatch, page):
    """Quick: no option is unknown and no argument is missing; nothing runs."""
    from onnx_lippa.cli import app
    from onnx_lippa.cli.arguments import config

    monkeypatch.setattr(config, "read_config", lambda path, command: {})  # of a run to come
    for block in blocks(page):
        if block.language == "python":
            compile(block.text, page, "exec")
            continue
        if block.language == "toml":
            tomllib.loads(block.text)
            continue
        for line in commands(block):
            words = shlex.split(line, comments=True)[1:]
            if not line.startswith("onnx-lippa ") or words[0].startswith("-"):
                continue
            words = words[: next((i for i, word in enumerate(words) if word in "|>&&"), None)]
            one = next((one for one in app.COMMANDS if one.name == words[0]), None)
            assert one is not None, line
            found = getattr(get_command(app.application(words)), "commands")[words[0]]  # noqa: B009
            found.make_context(words[0], words[1:])


def test_the_pages_are_found():
    assert {"README.md", "docs/index.md", "docs/tutorial.md"} <= set(RUN)
    assert sum(len(commands(one)) for page in RUN for one in blocks(page)) > 40


def test_the_reference_has_every_public_name():
    pages = "".join(path.read_text() for path in (ROOT / "docs" / "reference").glob("*.md"))
    listed = set(re.findall(r"^::: (\S+)$", pages, flags=re.MULTILINE))
    public = [getattr(onnx_lippa, name) for name in vars(onnx_lippa)["__all__"] if name[0] != "_"]
    named = {f"{one.__module__}.{one.__qualname__}" for one in public if not ismodule(one)}
    assert named <= listed, named - listed
