"""One run, from its specification to its results and its folder; a curve is one run per radius.

Whoever listens hears how far it is. An interrupt leaves what was done in the exception and in the
folder, where the same call resumes it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias, final

from onnx_lippa.attacks import AttackMethod
from onnx_lippa.onnx_io import LoadLimits, Model
from onnx_lippa.proofs import ProofMethod
from onnx_lippa.runs.audit import Audit
from onnx_lippa.runs.curve import carry_over, folder_of, lock_curve, order_radii, write_curve
from onnx_lippa.runs.folder import RunFolder
from onnx_lippa.runs.identity import Identity, Place, state_options
from onnx_lippa.runs.inputs import RunInputs
from onnx_lippa.runs.instances import Instance, InstanceResult, answers
from onnx_lippa.runs.instances_folder import ListFile, ListFolder
from onnx_lippa.runs.results import (
    Curve,
    Ended,
    Event,
    Finished,
    InputEvent,
    InterruptedRun,
    Listener,
    Results,
    Started,
)
from onnx_lippa.runs.specification import RunSpecification
from onnx_lippa.runs.summary import RunFacts, summarise
from onnx_lippa.runs.workers import outcomes
from onnx_lippa.state import Budget, Method
from onnx_lippa.version import __version__
from onnx_lippa.witness import Result

RunMethod: TypeAlias = Method | Audit
"""What is done with the inputs of a run."""

_log: Final = logging.getLogger("onnx_lippa")


@dataclass(frozen=True)
class Task:
    """What runs at every radius have in common.

    Attributes:
        model: the model, loaded and checked.
        inputs: the clean inputs.
        method: what is done with them.
        budget: seconds for each of them, and the seed.
        listeners: who hears the events.
        started: ``time.monotonic()`` from which the time of the first run counts.
    """

    model: Model
    inputs: RunInputs
    method: RunMethod
    budget: Budget
    listeners: tuple[Listener, ...]
    started: float

    def tell(self, event: Event) -> None:
        """Tells an event to all listeners."""
        for listener in self.listeners:
            listener(event)


def run(task: Task, specification: RunSpecification, out: Path | None) -> Results:
    """A run at one radius.

    Args:
        task: model, inputs and method.
        specification: the specification.
        out: the folder of the run, new or to be resumed; None keeps nothing.

    Raises:
        InputError: the folder cannot be used, or cannot be written any more.
        InterruptedRun: a KeyboardInterrupt, with the results so far.
    """
    _check(task, specification)
    return Session(task, specification, out, task.started).run()


def run_curve(
    task: Task,
    specifications: Sequence[RunSpecification],
    out: Path | None,
    names: Sequence[str],
) -> Curve:
    """Runs at several radii, verdicts carried over from one to another.

    Args:
        task: model, inputs and method; a budget for everything is shared evenly.
        specifications: one for each radius.
        out: the folder of the curve; None keeps nothing.
        names: the radii, as they name new folders in it.

    Raises:
        InputError: a folder cannot be used, or cannot be written any more.
        InterruptedRun: a KeyboardInterrupt, with the results so far.
    """
    _check(task, specifications[0])
    radii = [float(str(one.features.eps)) for one in specifications]
    share = replace(task, method=_share(task.method, len(radii)))
    done: dict[int, Results] = {}

    def curve() -> Curve:
        return Curve(tuple(done[place] for place in sorted(done)))

    with nullcontext() if out is None else lock_curve(out):
        for place in order_radii(radii, task.method.radius_order):
            folder = None if out is None else folder_of(out, radii[place], names[place])
            session = Session(share, specifications[place], folder, time.monotonic())
            known = {radii[other]: results.per_input for other, results in done.items()}
            try:
                done[place] = session.run(known)
            except InterruptedRun as interrupt:
                if isinstance(interrupt.results, Results):
                    done[place] = interrupt.results
                raise InterruptedRun(curve()) from interrupt
            if out is not None:
                write_curve(out, [one.figures for one in curve()])
    return curve()


@final
class Session:
    """A run in progress: what is finished, and where it is written.

    Args:
        task: model, inputs and method.
        specification: the specification.
        out: the folder of the run, or None.
        started: ``time.monotonic()`` from which its time counts.

    Raises:
        InputError: the folder cannot be used.
    """

    def __init__(
        self, task: Task, specification: RunSpecification, out: Path | None, started: float
    ) -> None:
        self._task, self._specification, self._started = task, specification, started
        self._folder = None if out is None else self._open(out)
        self._finished: list[Result] = [] if self._folder is None else self._folder.finished
        if self._finished:
            _log.info("%s is resumed: %d inputs are done", out, len(self._finished))

    def run(self, others: Mapping[float, Sequence[Result]] = MappingProxyType({})) -> Results:
        """Works on the inputs that are not finished.

        Args:
            others: results at other radii, by radius; what follows from them needs no work.

        Raises:
            InputError: the folder cannot be written.
            InterruptedRun: a KeyboardInterrupt, with the results so far.
        """
        task = self._task
        try:
            if others:
                self._carry_over(others)
            inputs, known = len(task.inputs.indices), tuple(self._finished)
            task.tell(Started(self._specification, inputs, known))
            for event in self.work():
                if isinstance(event, Finished):
                    self._finish(event.result)
                task.tell(event)
        except KeyboardInterrupt as interrupt:
            raise InterruptedRun(self._end()) from interrupt
        except BaseException:
            self._end()
            raise
        return self._end()

    def work(self) -> Iterator[InputEvent]:
        """The events of the inputs that are not finished, as they are worked on."""
        task, workers = self._task, self._specification.workers
        done = {result.index for result in self._finished}
        left = [index for index in task.inputs.indices.tolist() if index not in done]
        problems = task.inputs.problems(self._specification, left)
        if isinstance(task.method, Audit):
            yield from task.method.run(task.model, problems, task.budget, workers)
            return
        stage = task.method.stage
        for result in outcomes(task.model, problems, task.method, task.budget, workers):
            yield Finished(stage, result)

    def _carry_over(self, others: Mapping[float, Sequence[Result]]) -> None:
        task, done = self._task, {result.index for result in self._finished}
        problems = task.inputs.problems(self._specification)
        for result in carry_over(task.model, problems, others):
            if result.index not in done:
                self._finish(result)

    def _finish(self, result: Result) -> None:
        self._finished.append(result)
        if self._folder is not None:
            self._folder.add(result)
        if result.reason:
            _log.info("input %d is %s: %s", result.index, result.verdict.value, result.reason)

    def _end(self) -> Results:
        """Closes the folder; what is returned, told and written is the same."""
        results = self._results()
        try:
            if self._folder is not None:
                self._folder.close(results.figures)
        finally:
            self._task.tell(Ended(results))
        return results

    def _results(self) -> Results:
        # An interrupt may fall between the two: the folder's list is that of its files.
        finished = self._finished if self._folder is None else self._folder.finished
        task, specification = self._task, self._specification
        facts = RunFacts(
            model=str(task.model.file.path),
            model_sha256=task.model.file.sha256,
            data=task.inputs.source,
            norm=specification.norm.name,
            features=specification.features,
            targets=str(specification.targets),
            method=task.method.title,
            minimize=specification.minimize,
            requested=len(task.inputs.indices),
            seed=task.budget.seed,
            workers=specification.workers,
        )
        seconds = time.monotonic() - self._started
        return Results(
            tuple(sorted(finished, key=lambda result: result.index)),
            summarise(facts, finished, seconds),
            task.inputs,
            task.model.network.input_shape,
        )

    def _open(self, out: Path) -> RunFolder:
        model, inputs = self._task.model, self._task.inputs
        return RunFolder(out, self._identity(), model.file.path, inputs, model.network.input_shape)

    def _identity(self) -> Identity:
        task, specification = self._task, self._specification
        return Identity(
            model_sha256=task.model.file.sha256,
            output=task.model.interface.output_name,
            inputs_sha256=task.inputs.sha256,
            indices=tuple(task.inputs.indices.tolist()),
            norm=specification.norm.name,
            features=specification.features,
            targets=str(specification.targets),
            options=state_options(task.method, task.budget, minimize=specification.minimize),
            version=__version__,
        )


def open_list(
    out: Path,
    instances: Sequence[Instance],
    base: Path,
    attack: AttackMethod,
    proof: ProofMethod | None,
    seed: int,
) -> ListFolder:
    """The folder of a list of instances, new or to be resumed; :func:`run_list` closes it.

    Args:
        out: the folder.
        instances: the instances.
        base: the folder that their paths are relative to.
        attack: the search for counterexamples.
        proof: how to prove that there is none; None leaves proofs out.
        seed: seed of the attacks.

    Raises:
        InputError: the folder cannot be used.
        DamagedFolderError: its files are damaged.
    """
    options = state_options(attack, *([] if proof is None else [proof]), Budget(seed=seed))
    place = Place.seen_from(out, base)
    return ListFolder(out, ListFile(tuple(instances), options, __version__, place), base)


def run_list(
    folder: ListFolder, run: Callable[[Sequence[Instance]], Iterator[InstanceResult]]
) -> Generator[InstanceResult, None, None]:
    """The answers that a folder has, then those to the other instances, kept as they come.

    Args:
        folder: the folder; it is closed at the end, or at an interrupt.
        run: answers instances.

    Raises:
        InputError: the folder cannot be written any more.
    """
    try:
        yield from list(folder.known)
        for answer in run(folder.left):
            listed = answer
            try:
                listed = folder.add(answer)
            finally:
                yield listed
    finally:
        folder.close()


def answer_list(
    instances: Sequence[Instance],
    base: Path,
    attack: AttackMethod,
    proof: ProofMethod | None,
    budget: Budget,
    workers: int,
    out: Path | None,
    limits: LoadLimits | None = None,
) -> Generator[InstanceResult, None, None]:
    """The answers to a list of instances, those that its folder has first.

    Args:
        instances: the instances.
        base: the folder that their paths are relative to.
        attack: the search for counterexamples.
        proof: how to prove that there is none; None leaves proofs out.
        budget: seconds for an instance at most, and the seed.
        workers: worker processes.
        out: the folder of the answers, new or to be resumed; None keeps nothing.
        limits: memory and time that loading a model may take.

    Raises:
        InputError: the folder cannot be used or written any more.
        DamagedFolderError: its files are damaged.
    """
    instances = [replace(one, timeout=min(one.timeout, budget.time_limit)) for one in instances]
    run = partial(answers, folder=base, attack=attack, proof=proof, seed=budget.seed,
                  workers=workers, limits=limits)  # fmt: skip
    if out is None:
        return run(instances)
    return run_list(open_list(out, instances, base, attack, proof, budget.seed), run)


def _check(task: Task, specification: RunSpecification) -> None:
    """Refuses options and targets that cannot be used before anything is written."""
    task.method.check(specification.norm, specification.minimize)
    task.inputs.problems(specification)[0]


def _share(method: RunMethod, count: int) -> RunMethod:
    """The same for one of several radii: the time of an audit is shared evenly."""
    if isinstance(method, Audit):
        return replace(method, budget=method.budget / count)
    return method
