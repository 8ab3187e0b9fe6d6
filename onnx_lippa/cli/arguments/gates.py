"""The options of gates and reports, and what they do with finished runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, final

import typer

from onnx_lippa.cli.arguments.options import GATES, option
from onnx_lippa.cli.output.terminal import console
from onnx_lippa.errors import GateError, LippaError
from onnx_lippa.gates.answers import AnswerGates
from onnx_lippa.gates.gates import Gates
from onnx_lippa.gates.outcome import Check
from onnx_lippa.reports.table import FORMATS, parse_formats, write_answer_reports, write_reports
from onnx_lippa.runs.finished import FinishedRun, RunSource, take_baseline, take_runs
from onnx_lippa.runs.properties.answers import Answers


@dataclass(frozen=True, kw_only=True)
class GateOptions:
    """Conditions on a run, and files for other programs."""

    fail_over: Annotated[
        list[str] | None,
        option(
            GATES,
            "Exit with code 4 where a quantity is over its limit: robust_error=0.10. May be given "
            "several times.",
        ),
    ] = None
    fail_under: Annotated[
        list[str] | None,
        option(
            GATES,
            "Exit with code 4 where a quantity is under its limit: distance.q10=0.02. May be given "
            "several times.",
        ),
    ] = None
    fail_on_unknown: Annotated[
        bool, option(GATES, "Exit with code 4 where an input is unknown.", "--fail-on-unknown")
    ] = False
    against: Annotated[
        Path | None,
        option(GATES, "Exit with code 4 where an input is worse than in this earlier run."),
    ] = None
    format: Annotated[
        list[str] | None,
        option(
            GATES,
            f"Write a report, FORMAT=FILE with {', '.join(FORMATS)}. May be given several times.",
        ),
    ] = None

    def read_for_answers(self) -> AnswerGatesAndReports:
        """The same for a property or a list of instances.

        Raises:
            InputError: a condition or format that is not understood, or a folder without answers.
            DamagedFolderError: the folder of the earlier answers is damaged.
        """
        old = None if self.against is None else Answers.read(self.against)
        gates = AnswerGates.build(
            self.fail_over or (), self.fail_under or (), self.fail_on_unknown, old
        )
        return AnswerGatesAndReports(gates, parse_formats(self.format or ()))

    def read(self) -> GatesAndReports:
        """Checks the options before anything runs, and reads the earlier run.

        Raises:
            InputError: a condition or format that is not understood, or a folder without a run.
            DamagedFolderError: the folder of the earlier run is damaged.
        """
        old = () if self.against is None else take_baseline(self.against)
        gates = Gates.build(self.fail_over or (), self.fail_under or (), self.fail_on_unknown, old)
        return GatesAndReports(gates, parse_formats(self.format or ()))


@final
@dataclass(frozen=True)
class GatesAndReports:
    """The gates and files of a command.

    Attributes:
        gates: the conditions.
        formats: the file of each format.
    """

    gates: Gates
    formats: Mapping[str, Path]

    def check(self, source: RunSource, out: Path | None) -> Check:
        """Holds runs against the gates, and writes the reports.

        Args:
            source: the runs.
            out: their folder, which reports name; None without one.

        Raises:
            InputError: a condition has no meaning for the run, or a file cannot be written.
        """
        if not self.gates.are_given and not self.formats:
            return Check(())
        runs = _take_named(source, out)
        found = self.gates.check(runs)
        write_reports(runs, self.formats, found)
        return found

    def end(self, source: RunSource, printed: dict[str, Any] | None, out: Path | None) -> None:
        """Prints figures and outcomes as JSON where these are given, and ends the command.

        Args:
            source: results of the command.
            printed: the figures; None prints nothing.
            out: their folder; None without one.

        Raises:
            InputError: a condition has no meaning for the run, or a file cannot be written.
            typer.Exit: a gate failed.
        """
        found = self.check(source, out)
        _print_json(printed, found)
        end(found)

    def report(self, source: RunSource, out: Path | None) -> None:
        """Writes the reports of a run that was cut short, which no gate is held against."""
        runs = _take_named(source, out)
        if any(run.records for run in runs):
            write_reports(runs, self.formats)


@final
@dataclass(frozen=True)
class AnswerGatesAndReports:
    """The gates and files of a command that answers properties.

    Attributes:
        gates: the conditions.
        formats: the file of each format.
    """

    gates: AnswerGates
    formats: Mapping[str, Path]

    def check(self, answers: Answers, out: Path | None) -> Check:
        """Holds answers against the gates, and writes the reports.

        Args:
            answers: the answers.
            out: their folder, which reports name; None without one.

        Raises:
            InputError: the earlier answers are to other properties, or a file cannot be written.
        """
        named = _name_answers(answers, out)
        found = self.gates.check(named)
        write_answer_reports(named, self.formats, found)
        return found

    def end(self, answers: Answers, printed: dict[str, Any] | None, out: Path | None) -> None:
        """Prints answers and outcomes as JSON where these are given, and ends the command.

        Args:
            answers: the answers.
            printed: what is printed; None prints nothing.
            out: their folder; None without one.

        Raises:
            InputError: the earlier answers are to other properties, or a file cannot be written.
            typer.Exit: a gate failed.
        """
        try:
            found = self.check(answers, out)
        except LippaError:
            _print_json(printed, Check(()))
            raise
        _print_json(printed, found)
        end(found)

    def report(self, answers: Answers, out: Path | None) -> None:
        """Writes the reports of answers that were cut short, which no gate is held against."""
        if answers:
            write_answer_reports(_name_answers(answers, out), self.formats)


def _name_answers(answers: Answers, out: Path | None) -> Answers:
    return answers if out is None else replace(answers, name=str(out), folder=out)


def _take_named(source: RunSource, out: Path | None) -> tuple[FinishedRun, ...]:
    runs = take_runs(source)
    return runs if out is None else tuple(replace(run, name=str(out)) for run in runs)


def _print_json(printed: dict[str, Any] | None, found: Check) -> None:
    if printed is not None:
        outcomes = [one.as_json() for one in found.outcomes]
        typer.echo(json.dumps(printed | ({"gates": outcomes} if outcomes else {}), indent=2))


def end(check: Check) -> None:
    """One line on the standard error for each failed gate, and exit code 4 if there is one."""
    for outcome in check.failures:
        console(stderr=True, soft_wrap=True).print(
            f"gate failed: {outcome.sentence}", highlight=False
        )
    if not check.passed:
        raise typer.Exit(GateError.exit_code)
