"""The pages of the documentation, and what stands on them to be run."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.support.paths import ROOT

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [
        ROOT / "README.md",
        ROOT / "models" / "README.md",
        *(ROOT / "docs").rglob("*.md"),
    ]
)
ELSEWHERE = {
    r"pip install|python3 -m venv": "the first lines of .ci/run, and nox -s wheel",
    r"dask (scheduler|worker)|--cluster": "tests/runs/test_cluster*.py",
    r"docker ": "tests/docs/test_dockerfile.py, step by step",
    r"^pip (check|uninstall)|^nox|^bash \.ci/run": ".ci/run",
    r"^pytest ": "the sessions tests and slow",
    r"--install-completion": "tests/docs/test_inline_commands.py",
    r"^python tools/": "the tests of what these write",
    r"^python -m tests\.torture": "tests/torture/test_torture.py",
    r"^python -m tools\.bench": "nothing: a comment on the page says why; arguments are checked",
}
"""Commands that are run by something else, and by what."""
BLOCK = re.compile(r"^```(sh|python|toml)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line of the page where it begins."""

    language: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start()) + 2)
        for found in BLOCK.finditer(text)
    ]


def commands(block: Block) -> list[str]:
    """The commands of a block of shell, without those that run elsewhere."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [
        line
        for line in lines
        if line.strip() and not any(re.search(known, line) for known in ELSEWHERE)
    ]


FENCE = re.compile(r"^ *```.*?^ *```$", flags=re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
PROGRAMS = ("onnx-lippa", "pip", "pytest", "nox", "bash", "python", "python3", "dask", "docker")


def read_page(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def spans(page: str) -> list[str]:
    """The code within lines, in text and in cells of tables."""
    return [" ".join(found.split()) for found in SPAN.findall(FENCE.sub("", read_page(page)))]


def inline_commands(page: str) -> list[str]:
    """Those that are commands, rather than names of programs."""
    return [one for one in spans(page) if one.startswith(tuple(f"{p} " for p in PROGRAMS))]


def is_reference(line: str) -> bool:
    """Whether a command of onnx-lippa is only named, perhaps with an option."""
    words = line.split()[1:]
    return all(word.startswith("--") for word in words[1:]) or words[0].startswith("-")
