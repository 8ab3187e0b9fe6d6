"""``--property SPEC`` and ``--instances CSV`` of the commands that answer them."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from onnx_lippa import __version__
from onnx_lippa.attacks import Settings
from onnx_lippa.cli.console import console, echo
from onnx_lippa.cli.run import Arguments, cores
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.errors import InputError, ModelError
from onnx_lippa.onnx_io import LoadLimits
from onnx_lippa.proofs import CertifySettings
from onnx_lippa.runs import (
    Answer,
    Finding,
    InstanceResult,
    ListFolder,
    answers,
    counterexample_text,
    falsify,
    list_file,
    load_for,
    read_instances,
    verify,
    write_counterexample,
)
from onnx_lippa.runs.identity import state_options
from onnx_lippa.runs.list_folder import RESULTS
from onnx_lippa.spec import Property


@dataclass(frozen=True)
class PropertyQuestion:
    """What is asked about properties; see the options of the same names."""

    spec: Path | None
    instances: Path | None
    counterexample: Path | None
    timeout: float | None
    time_limit: float | None

    @property
    def is_asked(self) -> bool:
        """Whether a property or a list of them is given."""
        return self.spec is not None or self.instances is not None

    def require_nothing(self) -> None:
        """Raises InputError for options that only a property has a use for."""
        if self.timeout is not None or self.counterexample is not None:
            raise InputError("--timeout and --counterexample belong to --property: give one")


def answer(
    arguments: Arguments,
    question: PropertyQuestion,
    settings: Settings,
    proof: CertifySettings | None,
) -> None:
    """Answers a property, or a list of them.

    Args:
        arguments: the common arguments.
        question: the property or the list.
        settings: budgets of the search for counterexamples; their time limit is set here.
        proof: those of proofs, or None.

    Raises:
        InputError: arguments that exclude each other.
    """
    model, spec, instances = arguments.model, question.spec, question.instances
    only_one(
        model, arguments.data, arguments.eps, spec, instances, question.time_limit,
        question.counterexample, arguments.output,
    )  # fmt: skip
    settings = replace(settings, minimize=False, time_limit=seconds_of(question.timeout))
    workers = cores() if arguments.workers is None else arguments.workers
    if instances is not None:
        attack_instances(
            instances, arguments.out, settings, proof, workers, arguments.quiet, arguments.limits
        )
    elif model is not None and spec is not None:
        attack_property(
            model, spec, arguments.output, settings, proof, question.counterexample, workers,
            arguments.as_json, arguments.quiet, arguments.limits,
        )  # fmt: skip


def attack_property(
    model: Path,
    spec: Path,
    output: str | None,
    settings: Settings,
    proof: CertifySettings | None,
    counterexample: Path | None,
    threads: int,
    as_json: bool,
    quiet: bool,
    limits: LoadLimits,
) -> None:
    """Prints the answer on the first line, and the counterexample behind it.

    With settings of a proof it may be ``unsat``.
    """
    started = time.monotonic()
    try:
        asked = Property.from_vnnlib(spec, started + settings.time_limit)
        left = max(settings.time_limit - (time.monotonic() - started), 1e-3)
        limits = replace(limits, seconds=min(limits.seconds, left))
        loaded = load_for(asked, model, output=output, threads=threads, limits=limits)
        left = max(settings.time_limit - (time.monotonic() - started), 1e-3)
        settings = replace(settings, time_limit=left)
        if proof is None:
            found = falsify(loaded, asked, settings)
        else:
            found = verify(loaded, asked, settings, proof)
    except OutOfTimeError as error:
        found = Finding(Answer.TIMEOUT, reason=str(error))
    except ModelError as error:
        if time.monotonic() - started < settings.time_limit:
            raise
        found = Finding(Answer.TIMEOUT, reason=str(error))
    if as_json:
        typer.echo(json.dumps(_as_json(found, time.monotonic() - started), indent=2))
    elif not quiet:
        typer.echo(found.answer.value)
        if found.answer is Answer.SAT:
            echo(counterexample_text(found))
        if found.note:
            echo(f"; {found.note}")
    if counterexample is not None and found.answer is Answer.SAT:
        # Behind the answer, which stands whether or not there is room for a file.
        write_counterexample(counterexample, found)


def _as_json(found: Finding, seconds: float) -> dict[str, object]:
    return {
        "answer": found.answer.value,
        "inputs": None if found.x is None else [float(value) for value in found.x],
        "outputs": None if found.outputs is None else [float(value) for value in found.outputs],
        "rounded_inputs": list(found.rounded),
        "found_by": found.found_by.value,
        "lp_steps": found.lp_steps,
        "nodes": found.nodes,
        "reason": found.reason,
        "seconds": seconds,
    }


def attack_instances(
    path: Path,
    out: Path | None,
    settings: Settings,
    proof: CertifySettings | None,
    workers: int,
    quiet: bool,
    limits: LoadLimits,
) -> None:
    """Answers every instance of a list; a list that was interrupted is continued."""
    instances = read_instances(path)
    if settings.time_limit < float("inf"):
        instances = [
            replace(one, timeout=min(one.timeout, settings.time_limit)) for one in instances
        ]
    folder, failed = None, None
    if out is not None:
        options = state_options(replace(settings, time_limit=math.inf), *([proof] if proof else []))
        folder = ListFolder(
            out, list_file(instances, options, __version__, out, path.parent), path.parent
        )
    known = [] if folder is None else folder.known
    left = instances if folder is None else folder.left
    try:
        with _progress(len(instances), quiet) as progress:
            task = progress.add_task("instances", total=len(instances), completed=len(known))
            for result in answers(left, path.parent, settings, proof, workers, limits):
                if folder is None:
                    known.append(result)
                else:
                    folder.add(result)
                progress.update(task, advance=1)
    except InputError as error:
        failed = error
    finally:
        try:
            if folder is not None:
                folder.close()
        except InputError as error:
            failed = failed or error
        if not quiet:
            # What cannot be written is printed.
            _report(known, len(instances), None if failed else out)
    if failed is not None:
        raise failed


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


def seconds_of(timeout: float | None) -> float:
    """The seconds of ``--timeout``; infinite where it is not given."""
    if timeout is not None and not timeout > 0:
        raise InputError(f"--timeout is {timeout}: give a positive number of seconds")
    return math.inf if timeout is None else timeout


def only_one(
    model: Path | None,
    data: Path | None,
    eps: str | None,
    property_: Path | None,
    instances: Path | None,
    time_limit: float | None,
    counterexample: Path | None,
    output: str | None,
) -> None:
    """Raises InputError for arguments that say nothing to a property or to a list of them."""
    if property_ is not None and instances is not None:
        raise InputError("--property and --instances exclude each other: give one of them")
    name = "--instances" if property_ is None else "--property"
    for given, what in ((data, "DATA"), (eps, "--eps"), (time_limit, "--time-limit")):
        if given is not None:
            raise InputError(f"{name} and {what} exclude each other: leave {what} out")
    if property_ is not None and model is None:
        raise InputError("--property needs a MODEL: give the path of an ONNX file")
    if instances is not None:
        given_too = ((model, "MODEL"), (counterexample, "--counterexample"), (output, "--output"))
        for given, what in given_too:
            if given is not None:
                raise InputError(f"--instances and {what} exclude each other: leave {what} out")
