"""``--property SPEC`` and ``--instances CSV`` of attack, certify and audit."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import final

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from onnx_lippa.attacks import AttackMethod
from onnx_lippa.cli.arguments.config import effective
from onnx_lippa.cli.arguments.gates import AnswerGatesAndReports, GateOptions, end
from onnx_lippa.cli.arguments.options import Arguments, Properties
from onnx_lippa.cli.arguments.values import preprocess_from
from onnx_lippa.cli.output.terminal import console, echo
from onnx_lippa.errors import InputError
from onnx_lippa.proofs import ProofMethod
from onnx_lippa.reports.table import write_answer_reports
from onnx_lippa.runs.identity import FileLocation
from onnx_lippa.runs.pools import WorkerChoice
from onnx_lippa.runs.properties.answering import answer_list, answer_property, describe_list
from onnx_lippa.runs.properties.decider import Decider
from onnx_lippa.runs.properties.finding import (
    Answer,
    Finding,
    counterexample_text,
    write_counterexample,
)
from onnx_lippa.runs.properties.finished import FinishedAnswers
from onnx_lippa.runs.properties.folder import RESULTS
from onnx_lippa.runs.properties.instances import Instance, InstanceResult, read_instances
from onnx_lippa.state import Budget


def answer(
    arguments: Arguments,
    properties: Properties,
    gates: GateOptions,
    attack: AttackMethod,
    proof: ProofMethod | None,
    others: Mapping[str, object],
) -> None:
    """Answers a property, or a list of instances.

    Args:
        arguments: the common arguments.
        properties: the property or the list.
        gates: conditions on the answers, and files of reports.
        attack: the search for counterexamples.
        proof: how to prove a property unsat; None leaves proofs out.
        others: further options of the command, which are for inputs and not for properties.

    Raises:
        InputError: arguments that exclude each other.
        typer.Exit: a gate failed.
    """
    properties.require_only(arguments, others)
    wanted = gates.read_for_answers()
    timeout = math.inf if properties.timeout is None else properties.timeout
    workers, out = WorkerChoice.of(arguments.workers, arguments.cluster), arguments.out
    decider = Decider(
        attack, proof, Budget(timeout, arguments.seed), output=arguments.output,
        threads=workers.count, limits=arguments.limits,
        preprocess=preprocess_from(arguments.preprocess),
    )  # fmt: skip
    if properties.instances is not None:
        listed = replace(decider, threads=1)  # a process for each core
        _answer_list(properties.instances, listed, workers, arguments, wanted)
    elif arguments.model is not None and properties.property_ is not None:
        started, progress = time.monotonic(), _PropertyProgress(arguments.quiet)
        with progress:
            found, result = answer_property(
                arguments.model, properties.property_, decider, out, progress.hear,
                effective(arguments.model, None), workers,
            )  # fmt: skip
        seconds = time.monotonic() - started
        if arguments.as_json:
            typer.echo(json.dumps(_as_json(found, seconds), indent=2))
        elif not arguments.quiet:
            _print(found)
        if properties.counterexample is not None and found.answer is Answer.SAT:
            # After the answer, which stands even if the file cannot be written.
            write_counterexample(properties.counterexample, found)
        end(wanted.check(_finished([result], [result.instance], decider, Path.cwd()), out))


def _finished(
    results: Sequence[InstanceResult],
    instances: Sequence[Instance],
    decider: Decider,
    base: Path,
) -> FinishedAnswers:
    """Answers for gates and reports."""
    listing = describe_list(instances, decider, FileLocation(str(base.resolve())))
    return FinishedAnswers.of(results, listing)


@final
class _PropertyProgress:
    """A line on the terminal with what is known of a property, while it is searched."""

    def __init__(self, quiet: bool) -> None:
        terminal = console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(),
            console=terminal, disable=quiet or not terminal.is_terminal, transient=True,
        )  # fmt: skip
        self._task = self._progress.add_task("searching")

    def __enter__(self) -> None:
        self._progress.start()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def hear(self, found: Finding) -> None:
        """Shows what is known."""
        known = f"least margin {found.best_margin:.4g}"
        if found.cases > 1:
            known += f", {found.proven_cases} of {found.cases} cases proven"
        self._progress.update(self._task, description=known)


def _print(found: Finding) -> None:
    """The answer on the first line, then the counterexample as VNN-COMP writes it."""
    typer.echo(found.answer.value)
    if found.answer is Answer.SAT:
        echo(counterexample_text(found))
    if found.note:
        echo(f"; {found.note}")


def _as_json(found: Finding, seconds: float) -> dict[str, object]:
    return {
        "answer": found.answer.value,
        "inputs": None if found.x is None else [float(value) for value in found.x],
        "outputs": None if found.outputs is None else [float(value) for value in found.outputs],
        "rounded_inputs": list(found.rounded),
        "found_by": found.found_by.value,
        "gradients": found.effort.gradients,
        "queries": found.effort.queries,
        "lp_steps": found.effort.lp_steps,
        "lps": found.effort.lps,
        "mips": found.effort.mips,
        "nodes": found.effort.nodes,
        "reason": str(found.reason or ""),
        "ending": None if found.reason is None else found.reason.ending.value,
        "seconds": seconds,
    }


def _answer_list(
    path: Path,
    decider: Decider,
    workers: WorkerChoice,
    arguments: Arguments,
    wanted: AnswerGatesAndReports,
) -> None:
    """Answers every instance of a list; the same command resumes an interrupted list."""
    instances, out = read_instances(path), arguments.out
    quiet = arguments.quiet or arguments.as_json
    total = len(instances)
    options = effective(None, None)
    found = answer_list(instances, path.parent, decider, workers, out, options)
    known: list[InstanceResult] = []
    failed, limit = False, decider.budget.time_limit
    limited = [replace(one, timeout=min(one.timeout, limit)) for one in instances]
    try:
        with closing(found), _progress(total, quiet) as progress:
            task = progress.add_task("instances", total=total)
            for result in found:
                known.append(result)
                progress.update(task, advance=1)
    except InputError:
        failed = True
        raise
    except KeyboardInterrupt:
        answers = _finished(known, limited, decider, path.parent)
        write_answer_reports(answers, wanted.formats)
        raise
    finally:
        if arguments.as_json:
            typer.echo(json.dumps([result.as_json() for result in known], indent=2))
        elif not quiet:
            # What cannot be written is printed.
            _report(known, total, None if failed else out)
    end(wanted.check(_finished(known, limited, decider, path.parent), out))


def _progress(total: int, quiet: bool) -> Progress:
    terminal = console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=terminal,
        disable=quiet or not terminal.is_terminal,
        transient=True,
    )


def _report(results: list[InstanceResult], total: int, out: Path | None) -> None:
    """One line for each instance where no file has them, then the counts."""
    if out is None:
        for result in results:
            echo(result.line(), newline=False)
    counts = Counter(result.answer for result in results)
    listed = ", ".join(f"{count} {answer}" for answer, count in sorted(counts.items()))
    where = "" if out is None else f"; written to {out / RESULTS}"
    echo(f"{len(results)} of {total} instances: {listed or 'nothing yet'}{where}")
