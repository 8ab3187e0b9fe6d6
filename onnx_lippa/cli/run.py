"""One run on the terminal, from its arguments to its summary, interrupt included."""

from __future__ import annotations

import json
import os
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias, final

import typer
from rich.console import Console

from onnx_lippa import __version__
from onnx_lippa.api import run_inputs
from onnx_lippa.attacks import Settings
from onnx_lippa.cli.options import Arguments, features_from, radii_from, values_from
from onnx_lippa.cli.tables import LiveProgress, curve_table, model_line, summary_table
from onnx_lippa.cli.terminal import console
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.proofs import CertifySettings
from onnx_lippa.runs.audit import AuditSettings
from onnx_lippa.runs.curve import carried, lock_curve, order_of, write_curve
from onnx_lippa.runs.folder import RunFolder
from onnx_lippa.runs.identity import Identity, state_options
from onnx_lippa.runs.inputs import Selection, select
from onnx_lippa.runs.specification import RunSpecification, Targets
from onnx_lippa.runs.summary import RunFacts, Summary, summarise
from onnx_lippa.spec import get_norm
from onnx_lippa.witness import Result

Budgets: TypeAlias = Settings | CertifySettings | AuditSettings


def carry_out(arguments: Arguments, budgets: Budgets, settings: Settings) -> None:
    """Runs, at one radius or at each of several, and prints what came out.

    Args:
        arguments: the common arguments.
        budgets: what to do with the inputs.
        settings: the attack's settings, which also hold the seed and the LP engine.

    Raises:
        LippaError: anything that cannot be used.
    """
    started = time.monotonic()
    if arguments.model is None:
        raise InputError("there is no MODEL: give the path of an ONNX file")
    terminal = console(quiet=arguments.quiet or arguments.as_json)
    radii = radii_from(arguments.eps)
    norm, targets = get_norm(arguments.norm), Targets.parse(arguments.targets)
    low = values_from("--lower", arguments.lower)
    high = values_from("--upper", arguments.upper)
    loaded = load(
        arguments.model,
        output=arguments.output,
        lower=low,
        upper=high,
        limits=arguments.limits,
    )
    loaded.require_classes()
    workers = cores() if arguments.workers is None else arguments.workers
    specifications = [
        RunSpecification(
            arguments.model, norm,
            features_from(loaded.network.input_size, eps, arguments.lower, arguments.upper,
                          arguments.fixed, arguments.grid),
            targets, settings, workers,
        )
        for eps in radii
    ]  # fmt: skip
    terminal.print(model_line(loaded), highlight=False, soft_wrap=True)
    for note in loaded.network.notes:
        terminal.print(f"note: {note}", highlight=False, soft_wrap=True)
    features = specifications[0].features
    chosen = select(
        loaded, arguments.data, arguments.first, arguments.indices, features, arguments.seed
    )
    if chosen.note:
        terminal.print(chosen.note, highlight=False, soft_wrap=True)
    # Targets that the model does not have are refused before anything is written.
    specifications[0].problem(0, chosen.inputs[0], int(chosen.labels[0]), chosen.outputs[0])
    if len(radii) == 1:
        folder = None
        if arguments.out is not None:
            folder = _opened(arguments.out, loaded, specifications[0], budgets, chosen)
        run = Run(loaded, specifications[0], budgets, chosen, folder, started)
        try:
            run.carry_out(terminal)
        except InputError:
            # What was found is said, also where it cannot be written.
            terminal.print(summary_table(run.summary()))
            raise
        summary = run.summary()
        terminal.print(summary_table(summary))
        said: object = summary.as_json()
    else:
        summaries = _curve(loaded, specifications, budgets, chosen, arguments, terminal)
        terminal.print(curve_table(summaries))
        said = {"curve": [summary.as_json() for summary in summaries]}
    out = arguments.out
    if out is not None:
        check = f"check with: onnx-lippa replay {out}"
        terminal.print(f"written to {out}; {check}", highlight=False, soft_wrap=True)
    if arguments.as_json:
        typer.echo(json.dumps(said, indent=2))


def folder_name(eps: str | None) -> str:
    """The folder of one radius of a curve."""
    return f"eps-{eps}".replace("/", "_")


def _curve(
    model: Model,
    specifications: list[RunSpecification],
    budgets: Budgets,
    chosen: Selection,
    arguments: Arguments,
    terminal: Console,
) -> list[Summary]:
    """One run for each radius, verdicts carried over; summaries in the order of the radii."""
    radii = radii_from(arguments.eps)
    done: dict[int, list[Result]] = {}
    summaries: dict[int, Summary] = {}
    sizes = [float(str(s.features.eps)) for s in specifications]
    share = replace_budget(budgets, len(radii))
    lock = None if arguments.out is None else lock_curve(arguments.out)
    with lock or nullcontext():
        for place in order_of(sizes, budgets):
            specification, started = specifications[place], time.monotonic()
            folder = None
            if arguments.out is not None:
                path = arguments.out / folder_name(radii[place])
                folder = _opened(path, model, specification, share, chosen)
            run = Run(model, specification, share, chosen, folder, started)
            known = {sizes[other]: outcomes for other, outcomes in done.items()}
            problems = specification.problems(
                chosen.indices, chosen.inputs, chosen.labels, chosen.outputs
            )
            run.take_over(carried(model, problems, known))
            run.carry_out(terminal)
            done[place] = run.outcomes
            summaries[place] = run.summary()
            if arguments.out is not None:
                write_curve(arguments.out, [summaries[p] for p in sorted(summaries)])
    return [summaries[place] for place in range(len(radii))]


def replace_budget(budgets: Budgets, count: int) -> Budgets:
    """The same for one of several radii: a total budget is shared evenly."""
    if isinstance(budgets, AuditSettings):
        return replace(budgets, budget=budgets.budget / count)
    return budgets


@final
class Run:
    """One run from its first outcome to its summary, interrupt included.

    Args:
        model: the model.
        specification: what is asked.
        budgets: what to do with the inputs.
        chosen: the inputs.
        folder: where results go, or None.
        started: ``time.monotonic()`` from which its time counts.
    """

    def __init__(
        self,
        model: Model,
        specification: RunSpecification,
        budgets: Budgets,
        chosen: Selection,
        folder: RunFolder | None,
        started: float,
    ) -> None:
        self._model, self._specification, self._chosen = model, specification, chosen
        self._budgets, self._folder, self._started = budgets, folder, started
        self._outcomes: list[Result] = [] if folder is None else folder.finished
        self._last: Summary | None = None

    @property
    def outcomes(self) -> list[Result]:
        """What is finished. An interrupt may fall between the two: the folder's list is that of
        its files."""
        return self._outcomes if self._folder is None else self._folder.finished

    def take_over(self, outcomes: list[Result]) -> None:
        """Verdicts that are known already."""
        done = {outcome.index for outcome in self._outcomes}
        for outcome in outcomes:
            if outcome.index not in done:
                self._finish(outcome)

    def carry_out(self, terminal: Console) -> None:
        """Does what is not finished yet."""
        chosen = self._chosen
        done = {outcome.index for outcome in self._outcomes}
        left = [row for row, index in enumerate(chosen.indices) if int(index) not in done]
        try:
            with LiveProgress(terminal, len(chosen.indices), terminal.is_terminal) as progress:
                for outcome in self._outcomes:
                    progress.add(outcome)
                for event in run_inputs(
                    self._model, self._specification, self._budgets, chosen.indices[left],
                    chosen.inputs_at(left), chosen.labels[left], chosen.outputs[left],
                ):  # fmt: skip
                    progress.stage(event.stage.value)
                    if event.final:
                        self._finish(event.outcome)
                        progress.add(event.outcome)
        except KeyboardInterrupt:
            self._say_where_it_stands()
            raise
        finally:
            self._last = self.summary()
            if self._folder is not None:
                self._folder.close(self._last)

    def _finish(self, outcome: Result) -> None:
        self._outcomes.append(outcome)
        if self._folder is not None:
            self._folder.add(outcome)

    def _say_where_it_stands(self) -> None:
        kept = "" if self._folder is None else ", kept on disk: the same command continues"
        done = f"{len(self.outcomes)} of {len(self._chosen.indices)} inputs are done"
        console(stderr=True, soft_wrap=True).print(f"interrupted: {done}{kept}", highlight=False)

    def summary(self) -> Summary:
        """The figures so far; those of the end, once it has come, and the same as on disk."""
        if self._last is not None:
            return self._last
        specification, chosen = self._specification, self._chosen
        facts = RunFacts(
            model=str(self._model.file.path),
            model_sha256=self._model.file.sha256,
            data=chosen.source,
            norm=specification.norm.name,
            features=specification.features,
            targets=str(specification.targets),
            method=method_of(self._budgets),
            minimize=specification.settings.minimize,
            requested=len(chosen.indices),
            seed=specification.settings.seed,
            workers=specification.workers,
        )
        return summarise(facts, self.outcomes, time.monotonic() - self._started)


def method_of(budgets: Budgets) -> str:
    """What a summary calls the method of a run."""
    if isinstance(budgets, AuditSettings):
        return "audit"
    if isinstance(budgets, CertifySettings):
        return f"certify {budgets.method.name}"
    return budgets.method.value


def _opened(
    out: Path, model: Model, specification: RunSpecification, budgets: Budgets, chosen: Selection
) -> RunFolder:
    folder = RunFolder(out, model.network.input_shape)
    keys = [int(index) for index in chosen.indices]
    folder.open(
        identify(model, specification, budgets, chosen),
        model.file.path,
        Path(chosen.path) if chosen.path else None,
        dict(zip(keys, chosen.outputs.argmax(axis=1).tolist(), strict=True)),
        dict(zip(keys, chosen.labels.tolist(), strict=True)),
    )
    if not chosen.path:
        folder.save_data(chosen.inputs[:], chosen.labels)
    return folder


def identify(
    model: Model, specification: RunSpecification, budgets: Budgets, chosen: Selection
) -> Identity:
    """What a run is asked, and of which bytes."""
    return Identity(
        model_sha256=model.file.sha256,
        output=model.interface.output_name,
        inputs_sha256=chosen.sha256,
        indices=tuple(int(index) for index in chosen.indices),
        norm=specification.norm.name,
        features=specification.features,
        targets=str(specification.targets),
        options=state_options(budgets, specification.settings),
        version=__version__,
    )


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
