"""The one way to answers for Python and the command line: their listeners hear of each."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from onnx_lippa.onnx_io import Model
from onnx_lippa.runs.configuration import Configuration
from onnx_lippa.runs.identity import FileLocation
from onnx_lippa.runs.pools import WorkerChoice
from onnx_lippa.runs.properties.answering import answer_list, describe_list, limit_times
from onnx_lippa.runs.properties.answers import Answers
from onnx_lippa.runs.properties.decider import Decider
from onnx_lippa.runs.properties.events import (
    AnswerEvent,
    AnswerListener,
    AnswersEnded,
    AnswersStarted,
    InterruptedList,
)
from onnx_lippa.runs.properties.finding import Finding
from onnx_lippa.runs.properties.instances import Instance, InstanceResult
from onnx_lippa.runs.properties.single import InterruptedSearch, answer_property
from onnx_lippa.spec import Property


@final
@dataclass(frozen=True)
class AnswerTask:
    """How properties are answered.

    Attributes:
        decider: how they are decided.
        workers: where the work is done.
        out: the folder of the answers, new or to be resumed; None keeps nothing.
        listeners: are told every event.
        configuration: the options, for ``config.toml`` in the folder; None writes none.
    """

    decider: Decider
    workers: WorkerChoice
    out: Path | None = None
    listeners: tuple[AnswerListener, ...] = ()
    configuration: Configuration | None = None

    def tell(self, event: AnswerEvent) -> None:
        """Tells an event to all listeners."""
        for listener in self.listeners:
            listener(event)

    def collect(
        self, results: Sequence[InstanceResult], instances: Sequence[Instance], base: Path
    ) -> Answers:
        """Answers as they are returned."""
        listing = describe_list(instances, self.decider, FileLocation(str(base.resolve())))
        return Answers.of(results, listing, self.out)


def run_list(instances: Sequence[Instance], base: Path, task: AnswerTask) -> Answers:
    """Answers a list of instances.

    Args:
        instances: the instances.
        base: the folder that their paths are relative to.
        task: how they are answered.

    Raises:
        InputError: the folder cannot be used, or cannot be written any more.
        DamagedFolderError: its files are damaged.
        WorkerError: there are no workers (any more).
        InterruptedList: a KeyboardInterrupt, with the answers so far.
    """
    limited, known = limit_times(instances, task.decider), list[InstanceResult]()

    def begin(finished: tuple[InstanceResult, ...]) -> None:
        known.extend(finished)
        task.tell(AnswersStarted(len(limited), finished))

    def end() -> Answers:
        answers = task.collect(known, limited, base)
        task.tell(AnswersEnded(answers))
        return answers

    found = answer_list(
        limited, base, task.decider, task.workers, task.out, task.configuration, begin
    )
    try:
        with closing(found):
            for one in found:
                known.append(one)
                task.tell(one)
    except KeyboardInterrupt as interrupt:
        raise InterruptedList(end()) from interrupt
    except BaseException:
        end()
        raise
    return end()


def run_property(
    network: Model | str | Path, property: Property | str | Path, task: AnswerTask
) -> tuple[Finding, Answers]:
    """Answers one property.

    Args:
        network: the model, or its path.
        property: the property, or the path of a VNN-LIB file.
        task: how it is answered.

    Raises:
        InputError: the property or the folder cannot be used.
        ModelError: a model that cannot be used.
        ContradictionError: a case was proven in which a counterexample was found.
        WorkerError: the cluster cannot be used.
        InterruptedSearch: a KeyboardInterrupt, with what was known.
    """
    if isinstance(network, Model):
        task = replace(task, decider=task.decider.of_model(network))
    known: tuple[InstanceResult, ...] = ()

    def begin(finished: tuple[InstanceResult, ...]) -> None:
        nonlocal known
        known = finished
        task.tell(AnswersStarted(1, finished))

    def end(result: InstanceResult) -> Answers:
        answers = task.collect([result], [result.instance], Path.cwd())
        task.tell(AnswersEnded(answers))
        return answers

    try:
        found, result = answer_property(
            network, property, task.decider, task.out, task.tell, task.configuration, task.workers,
            begin,
        )  # fmt: skip
    except InterruptedSearch as interrupt:
        end(interrupt.result)
        raise
    if not known:
        task.tell(result)
    return found, end(result)
