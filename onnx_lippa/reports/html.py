"""``report``: the page of some runs, written into one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from onnx_lippa.errors import InputError
from onnx_lippa.gates.outcome import Check
from onnx_lippa.reports.writing import require_report_extra, write_file
from onnx_lippa.runs.finished import FinishedRun, RunSource, take_runs
from onnx_lippa.runs.properties.answers import holds_answers, take_answers
from onnx_lippa.runs.results import Curve, Results


def write_report(
    runs: Sequence[RunSource], out: str | Path, png: str | Path | None = None
) -> tuple[Path, ...]:
    """Writes the page, and its figures as single files where a folder is given for them.

    Args:
        runs: one run or several, which the page shows side by side.
        out: the page.
        png: folder for the single figures.

    Returns:
        The files that were written, the page first.

    Raises:
        InputError: there is no run, one that has not ended or has no result, a library of the extra
            is missing, or a file cannot be written.
        DamagedFolderError: a file of a run is damaged.
    """
    require_report_extra("a report")
    if any(map(holds_answers, runs)):
        return (_write_answers(runs, Path(out), png),)
    # Drawing takes a second to import; nothing else needs it.
    from onnx_lippa.reports.page.build import build_page  # noqa: PLC0415
    from onnx_lippa.reports.page.reported import name_runs  # noqa: PLC0415

    opened = open_runs(runs)
    page = build_page(name_runs(opened), Check(()))
    written = [write_file(Path(out), page.html.encode(), "--out")]
    if png is not None:
        written += [
            write_file(Path(png) / f"{picture.name}.png", picture.png, "--png")
            for picture in page.pictures
        ]
    return tuple(written)


def _write_answers(sources: Sequence[RunSource], out: Path, png: str | Path | None) -> Path:
    """The page of the answers of one folder."""
    from onnx_lippa.reports.answers.html import render as render_answers  # noqa: PLC0415

    if len(sources) > 1 or png is not None:
        raise InputError(
            "a page of answers to properties is about one folder and has no figures: give one, "
            "without --png; onnx-lippa diff compares two"
        )
    answers = take_answers(sources[0])
    if isinstance(sources[0], str | Path):
        answers = answers.named(str(sources[0]))
    if not answers.results:
        raise InputError(f"{answers.name} has no answer to report: let it answer an instance first")
    return write_file(out, render_answers(answers, Check(())), "--out")


def render(runs: Sequence[FinishedRun], check: Check) -> bytes:
    """The page as a format of :mod:`onnx_lippa.reports.table`.

    Raises:
        InputError: a library of the extra is missing.
    """
    require_report_extra("a report")
    from onnx_lippa.reports.page.build import build_page  # noqa: PLC0415
    from onnx_lippa.reports.page.reported import name_runs  # noqa: PLC0415

    named = name_runs([("", run.name, run) for run in runs])
    return build_page(named, check).html.encode()


def open_runs(runs: Sequence[RunSource]) -> list[tuple[str, str, FinishedRun]]:
    """Each run with the name of its curve (or nothing) and its folder as it is named.

    Raises:
        InputError: there is no run, or one that has not ended or has no result.
        DamagedFolderError: a file of a run is damaged.
    """
    found: list[tuple[str, str, FinishedRun]] = []
    for source in runs:
        taken = take_runs(source)
        if isinstance(source, Results | Curve):
            is_curve = isinstance(source, Curve)
            found += [(f"eps {one.identity.features.eps:g}" if is_curve else "", "", one)
                      for one in taken]  # fmt: skip
        elif len(taken) == 1:
            found.append(("", str(source), taken[0]))
        else:
            curve = Path(source).resolve().name
            found += [(curve, str(Path(source) / one.name), one) for one in taken]
    if not found:
        raise InputError("there is no run to report: give results, or the folder of a run")
    for _, folder, one in found:
        if not one.records:
            raise InputError(
                f"{folder or 'the run'} has no result to report: let it finish some inputs first"
            )
    return found
