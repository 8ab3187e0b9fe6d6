"""``onnx_lippa.check``, ``diff`` and ``write_reports``: what a pipeline does with finished runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from onnx_lippa.errors import InputError
from onnx_lippa.gates.answer_comparison import compare_answers
from onnx_lippa.gates.answers import AnswerGates
from onnx_lippa.gates.comparison import Comparison, compare
from onnx_lippa.gates.gates import Gates
from onnx_lippa.gates.outcome import Check
from onnx_lippa.reports import table
from onnx_lippa.runs.finished import FinishedRun, RunSource, take_baseline, take_runs
from onnx_lippa.runs.properties.answers import AnswerSource, holds_answers, take_answers
from onnx_lippa.runs.results import Curve, Results


def check(
    run: RunSource | AnswerSource,
    *,
    fail_over: Sequence[str] | str = (),
    fail_under: Sequence[str] | str = (),
    fail_on_unknown: bool = False,
    against: RunSource | AnswerSource | None = None,
    groups: Sequence[str] | None = None,
) -> Check:
    """Holds a run against conditions, as the options ``--fail-over`` etc. do.

    A condition is ``[EPS:]QUANTITY[.lower|.upper][@GROUP]=LIMIT``; ``docs/gates.md`` lists the
    quantities. A run passes where that is certain: ``fail_over`` looks at the upper bound of a
    quantity and ``fail_under`` at the lower one, unless the condition names a bound.

    Args:
        run: results, a curve, or the folder of either. A curve is checked at each radius. Or
            answers to properties or their folder, whose quantities are ``sat``, ``unsat``,
            ``open``, ``unknown``, ``timeout``, ``error`` and their shares (``sat_share``).
        fail_over: conditions that fail where a quantity is over its limit, such as
            ``"robust_error=0.10"``.
        fail_under: conditions that fail where a quantity is under its limit, such as
            ``"distance.q10=0.02"``.
        fail_on_unknown: whether an unknown input fails.
        against: an earlier run that must not be better, input by input (see :func:`diff`).
        groups: name of the group of each input of the data, which a condition names after ``@``;
            ``@*`` means each group by itself. None takes the groups of the data.

    Returns:
        The outcomes: ``passed`` says whether all conditions are met, ``failures`` which are not,
        and ``require()`` raises :class:`GateError` for these.

    Raises:
        InputError: a condition that is not understood, or has no meaning for this run.
        DamagedFolderError: a folder is damaged.
    """
    if holds_answers(run):
        before = None if against is None else take_answers(against)
        held = AnswerGates.build(fail_over, fail_under, fail_on_unknown, before)
        return held.check(take_answers(run))
    old = () if against is None else take_baseline(_of_runs(against))
    gates = Gates.build(fail_over, fail_under, fail_on_unknown, old)
    runs = take_runs(_of_runs(run))
    if groups is not None:
        names = [str(group) for group in groups]
        runs = tuple(_regroup(one, names) for one in runs)
    return gates.check(runs)


def _regroup(run: FinishedRun, groups: Sequence[str]) -> FinishedRun:
    last = max(run.identity.indices)
    if last >= len(groups):
        raise InputError(
            f"there are {len(groups)} groups, and the data has at least {last + 1} inputs: give a "
            "name for each input"
        )
    records = tuple(replace(record, group=groups[record.index]) for record in run.records)
    return replace(run, records=records)


def diff(old: RunSource | AnswerSource, new: RunSource | AnswerSource) -> Comparison:
    """Compares two runs of one specification, input by input, as ``onnx-lippa diff`` does.

    An input is worse if its verdict is (robust, unknown, adversarial, misclassified is the order),
    if it has no result any more, or, where both runs minimise distances, if its witness is nearer
    or less is proven by more than 1 %. What was known of the same model file still holds.

    Args:
        old: results, a curve, or the folder of either.
        new: the same of the run that is held against it.

    Returns:
        The changes, one for each input and radius; ``worse`` and ``better`` select some, and
        ``summary()`` reads like the command.

    Raises:
        InputError: the runs differ in what was asked, or have no input in common.
        DamagedFolderError: a folder is damaged.
    """
    if holds_answers(old) and holds_answers(new):
        return compare_answers(take_answers(old), take_answers(new))
    return compare(take_baseline(_of_runs(old)), take_baseline(_of_runs(new)))


def write_reports(
    run: RunSource | AnswerSource, formats: Mapping[str, str | Path], check: Check | None = None
) -> None:
    """Writes reports of a run, as ``--format junit=FILE`` does.

    Args:
        run: results, a curve, answers to properties, or the folder of any.
        formats: the file of each format: ``{"junit": "results.xml", "sarif": "results.sarif"}``.
        check: what :func:`check` found, which decides what counts as a failure; None counts every
            broken input.

    Raises:
        InputError: an unknown format, or a file that cannot be written.
        DamagedFolderError: a folder is damaged.
    """
    if holds_answers(run):
        table.write_answer_reports(take_answers(run), formats, check)
    else:
        table.write_reports(take_runs(_of_runs(run)), formats, check)


def _of_runs(source: RunSource | AnswerSource) -> RunSource:
    """A source of runs; raises InputError for answers to properties."""
    if isinstance(source, Results | Curve | str | Path):
        return source
    raise InputError("answers to properties are no run: give the folders of both, or both lists")
