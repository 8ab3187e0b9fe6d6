"""The formats of reports. A new one is a file of this room and one line of :data:`FORMATS`.

The module of a format has its name, and a function ``render`` of runs, those of a curve each by
itself, and of the outcomes of gates. It is imported when it is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from onnx_lippa.errors import InputError
from onnx_lippa.gates.outcome import Check
from onnx_lippa.reports.writing import require_report_extra
from onnx_lippa.runs.files import explain_write_errors, replace_file
from onnx_lippa.runs.finished import FinishedRun
from onnx_lippa.runs.properties.answers import Answers


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: its name on the command line, and that of its module.
        help: what it is for.
        needs_extra: whether it needs the extra ``onnx-lippa[report]``.
    """

    name: str
    help: str
    needs_extra: bool = False

    def render(self, runs: Sequence[FinishedRun], check: Check) -> bytes:
        """The content of the file."""
        module = import_module(f"onnx_lippa.reports.{self.name}")
        function: Callable[[Sequence[FinishedRun], Check], bytes] = module.render
        return function(runs, check)

    def render_answers(self, answers: Answers, check: Check) -> bytes:
        """The content of the file for answers to properties."""
        module = import_module(f"onnx_lippa.reports.answers.{self.name}")
        function: Callable[[Answers, Check], bytes] = module.render
        return function(answers, check)


FORMATS: Final = {
    one.name: one
    for one in (
        Format("junit", "a test case for each input, for the test pages of CI systems"),
        Format("sarif", "a finding for each broken input, for code scanning"),
        Format("markdown", "a summary for job pages and comments"),
        Format("html", "the page of onnx-lippa report", needs_extra=True),
    )
}


def parse_formats(texts: Sequence[str]) -> dict[str, Path]:
    """The files that are wanted, by format, from texts like ``junit=results.xml``.

    Raises:
        InputError: an unknown format, one that is given twice, a library that is missing, or a file
            that cannot be written.
    """
    wanted: dict[str, Path] = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not equals or not file or name not in FORMATS:
            raise InputError(
                f"--format {text!r} is not understood: give FORMAT=FILE with one of "
                f"{', '.join(FORMATS)}"
            )
        if name in wanted:
            raise InputError(f"--format {name} is given twice: give one file")
        if FORMATS[name].needs_extra:
            require_report_extra(f"--format {name}")
        wanted[name] = Path(file)
    for path in wanted.values():
        _require_place(path)
    return wanted


def _require_place(path: Path) -> None:
    """Makes the folder of a file, before a run that may take hours."""
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"{path} cannot be written: give another file to --format")


def write_reports(
    runs: Sequence[FinishedRun], formats: Mapping[str, str | Path], check: Check | None = None
) -> None:
    """Writes reports.

    Args:
        runs: the runs, those of a curve each by itself.
        formats: the file of each format.
        check: the outcomes of gates; None if there are none.

    Raises:
        InputError: an unknown format, or a file that cannot be written.
    """
    wanted = parse_formats([f"{name}={path}" for name, path in formats.items()])
    for name, path in wanted.items():
        replace_file(path, FORMATS[name].render(runs, check or Check(())))


def write_answer_reports(
    answers: Answers, formats: Mapping[str, str | Path], check: Check | None = None
) -> None:
    """Writes reports of answers to properties; the arguments are those of :func:`write_reports`.

    Raises:
        InputError: an unknown format, or a file that cannot be written.
    """
    wanted = parse_formats([f"{name}={path}" for name, path in formats.items()])
    for name, path in wanted.items():
        replace_file(path, FORMATS[name].render_answers(answers, check or Check(())))
