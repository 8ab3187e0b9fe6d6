"""A run, from its specification to its results and its folder; a curve is a run at each radius.

Listeners are told the events of a run. After an interrupt the finished results are in the exception
and in the folder, from which the same call resumes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, final

from onnx_lippa.method import Finished, InputEvent, Method, Pool
from onnx_lippa.onnx_io import Model
from onnx_lippa.runs.configuration import Configuration, describe_run
from onnx_lippa.runs.curve import (
    carry_over,
    find_radius_folder,
    open_curve,
    order_radii,
    write_curve,
)
from onnx_lippa.runs.folder import RunFolder
from onnx_lippa.runs.identity import Identity, describe_options
from onnx_lippa.runs.inputs import RunInputs
from onnx_lippa.runs.pools import WorkerChoice
from onnx_lippa.runs.results import Curve, Ended, Event, InterruptedRun, Listener, Results, Started
from onnx_lippa.runs.summary import RunFacts, summarise
from onnx_lippa.spec import Specification
from onnx_lippa.state import Budget
from onnx_lippa.version import __version__
from onnx_lippa.witness import Result

_log: Final = logging.getLogger("onnx_lippa")


@dataclass(frozen=True)
class Task:
    """What the runs at all radii have in common.

    Attributes:
        model: the model, loaded and checked.
        inputs: the clean inputs.
        method: what is done with them.
        budget: seconds for each of them, and the seed.
        workers: where the work is done.
        listeners: they are told the events.
        started: ``time.monotonic()`` from which the time of the first run counts.
        configuration: the options as they were given, for ``config.toml``; None states those that
            amount to the same.
        pool: workers that are kept from one radius to the next; None opens some for each run.
    """

    model: Model
    inputs: RunInputs
    method: Method
    budget: Budget
    workers: WorkerChoice
    listeners: tuple[Listener, ...]
    started: float
    configuration: Configuration | None = None
    pool: Pool | None = None

    def open_pool(self) -> AbstractContextManager[Pool]:
        """The workers of a run, to be used in a ``with``.

        Raises:
            WorkerError: they cannot be had.
        """
        return self.workers.open(self.model) if self.pool is None else nullcontext(self.pool)

    def tell(self, event: Event) -> None:
        """Tells an event to all listeners."""
        for listener in self.listeners:
            listener(event)

    def describe(self, specifications: Sequence[Specification]) -> Configuration:
        """The configuration of a run at the radii of these specifications."""
        if self.configuration is not None:
            return self.configuration
        return describe_run(
            self.model.file.path, self.inputs, self.method, self.budget, specifications[0],
            [one.features.eps for one in specifications], self.workers, self.model.preprocess,
        )  # fmt: skip


def run(task: Task, specification: Specification, out: Path | None) -> Results:
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
    described = replace(task, configuration=task.describe([specification]))
    return Session(described, specification, out, task.started).run()


def run_curve(
    task: Task,
    specifications: Sequence[Specification],
    out: Path | None,
    names: Sequence[str],
    share: Method | None = None,
) -> Curve:
    """Runs at several radii, verdicts carried over from one to another.

    Args:
        task: model, inputs and method; a budget for everything is shared evenly.
        specifications: one for each radius.
        out: the folder of the curve; None keeps nothing.
        names: the radii, as they name new folders in it.
        share: what is done at one radius; None divides the method of the task among them.

    Raises:
        InputError: a folder cannot be used, or cannot be written any more.
        InterruptedRun: a KeyboardInterrupt, with the results so far.
    """
    _check(task, specifications[0])
    radii = [float(str(one.features.eps)) for one in specifications]
    described = task.describe(specifications)
    method = task.method.divide(len(radii)) if share is None else share
    done: dict[int, Results] = {}

    def curve() -> Curve:
        return Curve(tuple(done[position] for position in sorted(done)))

    with ExitStack() as stack:
        if out is not None:
            stack.enter_context(open_curve(out, described))
        if task.workers.cluster is not None:
            task = replace(task, pool=stack.enter_context(task.open_pool()))
        for position in order_radii(radii, task.method.radius_order):
            folder = (
                None if out is None else find_radius_folder(out, radii[position], names[position])
            )
            at_radius = described.at_radius(radii[position], method)
            part = replace(task, method=method, configuration=at_radius)
            session = Session(part, specifications[position], folder, time.monotonic())
            known = {radii[other]: results.per_input for other, results in done.items()}
            try:
                done[position] = session.run(known)
            except InterruptedRun as interrupt:
                if isinstance(interrupt.results, Results):
                    done[position] = interrupt.results
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
        self, task: Task, specification: Specification, out: Path | None, started: float
    ) -> None:
        self._task, self._specification, self._started = task, specification, started
        self._workers = task.workers.count
        self._folder = None if out is None else self._open(out)
        self._finished: list[Result] = [] if self._folder is None else self._folder.finished
        if self._finished:
            _log.info("%s is resumed: %d inputs are done", out, len(self._finished))

    def run(self, others: Mapping[float, Sequence[Result]] = MappingProxyType({})) -> Results:
        """Works on the inputs that are not finished.

        Args:
            others: results at other radii, by radius; what they imply is taken over.

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
            for event in self._work():
                if isinstance(event, Finished):
                    self._finish(event.result)
                task.tell(event)
        except KeyboardInterrupt as interrupt:
            raise InterruptedRun(self._end()) from interrupt
        except BaseException:
            self._end()
            raise
        return self._end()

    def _work(self) -> Iterator[InputEvent]:
        """Works on the inputs that are not finished."""
        task, done = self._task, {result.index for result in self._finished}
        left = [index for index in task.inputs.indices.tolist() if index not in done]
        problems = task.inputs.problems(self._specification, left)
        if problems:
            with task.open_pool() as pool:
                for event in task.method.run(pool, problems, task.budget):
                    self._workers = max(self._workers, pool.count)
                    yield event

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
        """Closes the folder, and tells and returns the results that it holds."""
        results = self._results()
        try:
            if self._folder is not None:
                self._folder.close(results.figures)
        finally:
            self._task.tell(Ended(results))
        return results

    def _results(self) -> Results:
        # After an interrupt the folder may have one result more: its files decide.
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
            workers=self._workers,
            preprocess=str(task.model.preprocess or ""),
        )
        seconds = time.monotonic() - self._started
        return Results(
            tuple(sorted(finished, key=lambda result: result.index)),
            summarise(facts, finished, seconds),
            task.inputs,
            task.model.network.input_shape,
            self._identity(),
        )

    def _open(self, out: Path) -> RunFolder:
        model, inputs = self._task.model, self._task.inputs
        return RunFolder(
            out, self._identity(), model.file.path, inputs, model.network.input_shape,
            self._task.configuration,
        )  # fmt: skip

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
            options=describe_options(task.method, task.budget, minimize=specification.minimize),
            version=__version__,
            preprocess=task.model.preprocess,
        )


def _check(task: Task, specification: Specification) -> None:
    """Checks options and targets before anything is written."""
    task.method.check(specification.norm, specification.minimize)
    task.inputs.problems(specification)[0]
