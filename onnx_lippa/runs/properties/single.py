"""The answer to one property: from the files to what is kept in a folder."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from onnx_lippa.ending import Ending, Reason
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model
from onnx_lippa.runs.configuration import Configuration
from onnx_lippa.runs.pools import HERE, WorkerChoice
from onnx_lippa.runs.properties.answering import make_result, open_folder
from onnx_lippa.runs.properties.decider import Answerer, Decider, Step
from onnx_lippa.runs.properties.finding import (
    Answer,
    Finding,
    FindingListener,
    ignore,
    parse_counterexample,
)
from onnx_lippa.runs.properties.instances import Instance, InstanceResult
from onnx_lippa.runs.properties.remote import answer_on
from onnx_lippa.spec import Property
from onnx_lippa.witness import Effort, FoundBy

_INTERRUPTED: Final = Reason(Ending.UNRECORDED, "it was interrupted")


class InterruptedSearch(KeyboardInterrupt):
    """The search for an answer to a property was interrupted.

    Attributes:
        finding: what was known.
        result: the same as the result of an instance.
    """

    def __init__(self, finding: Finding, result: InstanceResult) -> None:
        super().__init__(f"best margin {finding.best_margin:g}, bound {finding.bound:g}")
        self.finding, self.result = finding, result


def answer_property(
    network: Model | str | Path,
    property: Property | str | Path,
    decider: Decider,
    out: Path | None = None,
    tell: FindingListener = ignore,
    configuration: Configuration | None = None,
    workers: WorkerChoice = HERE,
    begin: Callable[[tuple[InstanceResult, ...]], None] = lambda _: None,
) -> tuple[Finding, InstanceResult]:
    """The answer to one property, here or on a cluster, and the same as the result of an instance.

    Args:
        network: the model, or its path.
        property: the property, or the path of a VNN-LIB file.
        decider: how it is decided.
        out: folder of a list with this one instance, new or to be resumed; None keeps nothing.
        tell: is told what is known after each part of the work, and the answer at the end; the
            answer alone where a cluster works on it.
        configuration: the options, for ``config.toml`` in the folder; None writes none.
        workers: a cluster, or this machine. Both files are read here in any case.
        begin: is told the answer that the folder has, if it has one, before anything is done.

    Raises:
        InputError: the property cannot be read, does not fit the model, or has no file that a
            folder could name.
        ModelError: a model that cannot be used.
        ContradictionError: a case was proven in which a counterexample was found.
        WorkerError: the cluster cannot be used.
        InterruptedSearch: a KeyboardInterrupt, with what was known.
    """
    answer = None if workers.cluster is None else partial(answer_on, workers)
    known, started = Finding(Answer.UNKNOWN), time.monotonic()

    def note(finding: Finding) -> None:
        nonlocal known
        known = finding
        tell(finding)

    try:
        if out is None:
            begin(())
            instance = _instance_of(network, property, decider)
            found, step = _run(decider.decide(network, property, note, answer))
            result = make_result(instance, found, time.monotonic() - started, step)
        else:
            found, result = _answer_kept(
                network, property, decider, out, note, configuration, answer, begin
            )
        note(found)
        return found, result
    except KeyboardInterrupt as interrupt:
        seconds = time.monotonic() - started
        is_open = known.answer not in (Answer.SAT, Answer.UNSAT)
        stated = replace(known, reason=_INTERRUPTED) if is_open else known
        result = make_result(_instance_of(network, property, decider), stated, seconds, Step())
        raise InterruptedSearch(known, result) from interrupt


def _run(steps: Generator[Step, None, Finding]) -> tuple[Finding, Step]:
    """The answer and the last step before it."""
    step = Step()
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            found: Finding = end.value
            return found, step


def _answer_kept(
    network: Model | str | Path,
    property: Property | str | Path,
    decider: Decider,
    out: Path,
    tell: FindingListener,
    configuration: Configuration | None,
    answer: Answerer | None,
    begin: Callable[[tuple[InstanceResult, ...]], None],
) -> tuple[Finding, InstanceResult]:
    """The answer to one property that its folder has, or gets."""
    if isinstance(property, Property):
        raise InputError("out needs a property that a replay can read: give the path of its file")
    if isinstance(network, Model):
        decider = decider.of_model(network)
    instance = _instance_of(network, property, decider)
    base, started = Path.cwd(), time.monotonic()
    with closing(open_folder(out, [instance], base, decider, configuration)) as folder:
        begin(tuple(folder.known))
        for result in folder.known:
            return _recall(result), result
        found, step = _run(decider.decide(network, property, tell, answer))
        result = folder.add(make_result(instance, found, time.monotonic() - started, step))
    return found, result


def _instance_of(
    network: Model | str | Path, property: Property | str | Path, decider: Decider
) -> Instance:
    path = network.file.path if isinstance(network, Model) else network
    spec = property.source if isinstance(property, Property) else property
    return Instance(str(path), str(spec), decider.budget.time_limit)


def _recall(result: InstanceResult) -> Finding:
    """The answer of a folder again, as far as the folder holds it."""
    x, outputs = parse_counterexample(result.counterexample)
    if x is not None and np.array_equal(x.astype(np.float32), x):
        x = x.astype(np.float32)
    return Finding(
        Answer(result.answer), x, outputs,
        found_by=FoundBy(result.found_by),
        effort=Effort(
            gradients=result.gradients, queries=result.queries, lp_steps=result.lp_steps,
            lps=result.lps, mips=result.mips, nodes=result.nodes, seconds=result.seconds,
        ),
        best_margin=math.inf if result.best_margin is None else result.best_margin,
        bound=-math.inf if result.bound is None else result.bound,
        cases=result.cases,
        proven_cases=result.proven_cases,
        reason=Reason(Ending.UNRECORDED, result.note) if result.note else None,
    )  # fmt: skip
