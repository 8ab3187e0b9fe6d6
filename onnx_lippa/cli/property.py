"""``--property SPEC`` and ``--instances CSV`` of attack, certify and audit."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from onnx_lippa.attacks import AttackMethod
from onnx_lippa.cli.arguments.config import effective
from onnx_lippa.cli.arguments.gates import AnswerGatesAndReports, GateOptions
from onnx_lippa.cli.arguments.logs import open_log, open_terminal
from onnx_lippa.cli.arguments.options import Arguments, Properties
from onnx_lippa.cli.arguments.values import preprocess_from
from onnx_lippa.cli.output.answer_progress import AnswerProgress
from onnx_lippa.cli.output.terminal import echo
from onnx_lippa.errors import InputError
from onnx_lippa.proofs import ProofMethod
from onnx_lippa.runs.pools import WorkerChoice
from onnx_lippa.runs.properties.answers import Answers
from onnx_lippa.runs.properties.decider import Decider
from onnx_lippa.runs.properties.events import (
    AnswerEvent,
    AnswerListener,
    AnswersEnded,
    InterruptedList,
)
from onnx_lippa.runs.properties.finding import (
    Answer,
    Finding,
    counterexample_text,
    write_counterexample,
)
from onnx_lippa.runs.properties.folder import RESULTS
from onnx_lippa.runs.properties.instances import read_instances
from onnx_lippa.runs.properties.session import AnswerTask, run_list, run_property
from onnx_lippa.runs.properties.single import InterruptedSearch
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
    workers = WorkerChoice.of(arguments.workers, arguments.cluster)
    decider = Decider(
        attack, proof, Budget(timeout, arguments.seed), output=arguments.output,
        threads=workers.count, limits=arguments.limits,
        preprocess=preprocess_from(arguments.preprocess),
    )  # fmt: skip
    if properties.instances is not None:
        listed = replace(decider, threads=1)  # a process for each core
        _answer_list(properties.instances, listed, workers, arguments, wanted)
    elif arguments.model is not None and properties.property_ is not None:
        _answer_property(arguments, properties, decider, workers, wanted)


def _answer_property(
    arguments: Arguments,
    properties: Properties,
    decider: Decider,
    workers: WorkerChoice,
    wanted: AnswerGatesAndReports,
) -> None:
    """Answers one property; the same command reads the answer of its folder."""
    model, spec, out = arguments.model, properties.property_, arguments.out
    if model is None or spec is None:
        return
    started, terminal = time.monotonic(), open_terminal(arguments)
    with AnswerProgress(terminal.quiet) as progress:
        listeners: tuple[AnswerListener, ...] = (progress.hear, *open_log(arguments))
        task = AnswerTask(decider, workers, out, listeners, effective(model, None))
        try:
            found, answers = run_property(model, spec, task)
        except InterruptedSearch as interrupt:
            one = interrupt.result
            wanted.report(task.collect([one], [one.instance], Path.cwd()), out)
            raise
    seconds = time.monotonic() - started
    printed = _as_json(found, seconds) if arguments.as_json else None
    if not terminal.quiet:
        _print(found)
    if properties.counterexample is not None and found.answer is Answer.SAT:
        # After the answer, which stands even if the file cannot be written.
        try:
            write_counterexample(properties.counterexample, found)
        except InputError:
            if printed is not None:
                typer.echo(json.dumps(printed, indent=2))
            raise
    wanted.end(answers, printed, out)


def _print(found: Finding) -> None:
    """The answer on the first line, then the counterexample as VNN-COMP writes it."""
    typer.echo(found.answer.value)
    if found.answer is Answer.SAT:
        echo(counterexample_text(found))
    if found.note:
        echo(f"; {found.note}")


def _as_json(found: Finding, seconds: float) -> dict[str, Any]:
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
    instances, out, terminal = read_instances(path), arguments.out, open_terminal(arguments)
    known: list[Answers] = []

    def keep(event: AnswerEvent) -> None:
        if isinstance(event, AnswersEnded) and event.answers:
            known.append(event.answers)

    def show(folder: Path | None) -> None:
        for answers in known:
            if arguments.as_json:
                typer.echo(json.dumps(answers.as_json(), indent=2))
            elif not terminal.quiet:
                _report(answers, folder)

    with AnswerProgress(terminal.quiet) as progress:
        listeners: tuple[AnswerListener, ...] = (progress.hear, *open_log(arguments), keep)
        task = AnswerTask(decider, workers, out, listeners, effective(None, None))
        try:
            found = run_list(instances, path.parent, task)
        except InterruptedList as interrupt:
            wanted.report(interrupt.results, out)
            show(out)
            raise
        except InputError:
            show(None)  # what cannot be written is printed
            raise
    if not arguments.as_json:
        show(out)
    wanted.end(found, found.as_json() if arguments.as_json else None, out)


def _report(answers: Answers, out: Path | None) -> None:
    """One line for each instance where no file has them, then the counts."""
    if out is None:
        for result in answers:
            echo(result.line(), newline=False)
    where = "" if out is None else f"; written to {out / RESULTS}"
    echo(f"{answers.summary()}{where}")
