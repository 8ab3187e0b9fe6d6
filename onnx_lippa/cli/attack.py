"""``onnx-lippa attack``."""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from onnx_lippa.api import attack_inputs, method_named
from onnx_lippa.attacks import Settings
from onnx_lippa.cli.features import features_from, values_from
from onnx_lippa.cli.inputs import Selection, select
from onnx_lippa.cli.property import attack_instances, attack_property
from onnx_lippa.cli.terminal import LiveProgress, model_line, summary_table
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.question import norm_named
from onnx_lippa.regions import ENGINE_NAMES
from onnx_lippa.runs import RunFolder, RunSpecification, Summary, Targets, summarise
from onnx_lippa.runs.folder import Asked
from onnx_lippa.runs.summary import RunFacts
from onnx_lippa.solvers import SOLVER_NAMES
from onnx_lippa.witness import Outcome


def attack(
    model: Annotated[
        Path | None, typer.Argument(help="The ONNX model; all but --instances need it.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Argument(
            help="Inputs and labels: .npz, .npy or IDX. Without it the .npz of the same stem "
            "beside the model, else inputs drawn from the domain."
        ),
    ] = None,
    eps: Annotated[
        str | None,
        typer.Option(
            help="Radius of the ball: a number, 8/255, or a .npy file with one for each feature. "
            "Without it the distance is minimised."
        ),
    ] = None,
    norm: Annotated[str, typer.Option(help="linf, l1 or l2.")] = "linf",
    minimize: Annotated[
        bool, typer.Option("--minimize", help="Look for the nearest adversarial example.")
    ] = False,
    targets: Annotated[
        str, typer.Option(help="Wrong classes that count: all, runner-up, or a list like 3,5.")
    ] = "all",
    property_: Annotated[
        Path | None,
        typer.Option(
            "--property",
            help="VNN-LIB file (or .vnnlib.gz): look for an input that meets it.",
        ),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds for --property, or for each of --instances.")
    ] = None,
    counterexample: Annotated[
        Path | None, typer.Option(help="File for the counterexample to --property.")
    ] = None,
    instances: Annotated[
        Path | None,
        typer.Option(help="CSV of models, properties and timeouts, to be answered one by one."),
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="Output to attack, where the model has several.")
    ] = None,
    lower: Annotated[str, typer.Option(help="Lower end of the domain, or a file.")] = "0",
    upper: Annotated[str, typer.Option(help="Upper end of the domain, or a file.")] = "1",
    fixed: Annotated[
        str | None,
        typer.Option(help="Features that must not move: a list like 0,3,7, or a file (mask)."),
    ] = None,
    grid: Annotated[
        str, typer.Option(help="Step of which features take whole multiples, or a file; 0: any.")
    ] = "0",
    first: Annotated[int | None, typer.Option(help="Attack only the first N inputs.")] = None,
    indices: Annotated[
        str | None, typer.Option(help="Attack only these inputs: a list like 0,5,7.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(help="Seconds for one input; then it stays unknown.")
    ] = None,
    method: Annotated[str, typer.Option(help="lippa, or pgd to leave the LPs out.")] = "lippa",
    restarts: Annotated[int, typer.Option(help="Rounds of gradient walks after the first.")] = 8,
    gradient_steps: Annotated[int, typer.Option(help="Gradient steps of a walk.")] = 60,
    lp_steps: Annotated[int, typer.Option(help="LPSteps of Algorithm 1 for one input.")] = 8,
    engine: Annotated[str, typer.Option(help=f"LP engine: {', '.join(ENGINE_NAMES)}.")] = "auto",
    solver: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(SOLVER_NAMES)}; the one that suits the norm if not given."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same result.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Processes; all cores if not given.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for results; an interrupted run is continued.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON and nothing else.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Attack every input of a data set and say how robust the network is."""
    started = time.monotonic()
    # Paths and names are printed as they are, not as markup.
    console = Console(quiet=quiet or as_json, markup=False)
    settings = Settings(
        method_named(method), minimize or eps is None, restarts, gradient_steps, lp_steps,
        math.inf if time_limit is None else time_limit, seed, engine, solver,
    )  # fmt: skip
    threads = _cores() if workers is None else workers
    if property_ is not None or instances is not None:
        asked = replace(settings, minimize=False, time_limit=_seconds(timeout))
        _only_one(model, data, eps, property_, instances, time_limit, counterexample)
        if instances is not None:
            attack_instances(instances, out, asked, threads, quiet)
        elif model is not None and property_ is not None:
            attack_property(
                model, property_, output, asked, counterexample, threads, as_json, quiet
            )
        return
    if model is None:
        raise InputError("there is no MODEL: give the path of an ONNX file")
    if timeout is not None or counterexample is not None:
        raise InputError("--timeout and --counterexample belong to --property: give one")
    wanted, counted = norm_named(norm), Targets.parse(targets)
    low, high = values_from("--lower", lower), values_from("--upper", upper)
    loaded = load(model, output=output, lower=low, upper=high)
    loaded.require_classes()
    features = features_from(loaded.network.input_size, eps, lower, upper, fixed, grid)
    specification = RunSpecification(model, wanted, features, counted, settings, threads)
    console.print(model_line(loaded), highlight=False, soft_wrap=True)
    for note in loaded.network.notes:
        console.print(f"note: {note}", highlight=False, soft_wrap=True)
    chosen = select(loaded, data, first, indices, features, seed)
    if chosen.note:
        console.print(chosen.note, highlight=False, soft_wrap=True)
    # Targets that the model does not have are refused before anything is written.
    specification.problem(0, chosen.inputs[0], int(chosen.labels[0]), chosen.outputs[0])
    folder = None if out is None else _opened(out, loaded, specification, chosen)
    run = _Run(loaded, specification, chosen, folder, started)
    run.attack(console)
    summary = run.summary()
    console.print(summary_table(summary, specification))
    if folder is not None:
        console.print(f"written to {out}; check it with: onnx-lippa replay {out}", highlight=False)
    if as_json:
        typer.echo(json.dumps(summary.as_json(), indent=2))


def _seconds(timeout: float | None) -> float:
    if timeout is not None and not timeout > 0:
        raise InputError(f"--timeout is {timeout}: give a positive number of seconds")
    return math.inf if timeout is None else timeout


def _only_one(
    model: Path | None,
    data: Path | None,
    eps: str | None,
    property_: Path | None,
    instances: Path | None,
    time_limit: float | None,
    counterexample: Path | None,
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
    if instances is not None and (model is not None or counterexample is not None):
        what = "MODEL" if model is not None else "--counterexample"
        raise InputError(f"--instances and {what} exclude each other: leave {what} out")


class _Run:
    """One run from its first outcome to its summary, interrupt included."""

    def __init__(
        self,
        model: Model,
        specification: RunSpecification,
        chosen: Selection,
        folder: RunFolder | None,
        started: float,
    ) -> None:
        self._model, self._specification, self._chosen = model, specification, chosen
        self._folder, self._started = folder, started
        self._outcomes: list[Outcome] = [] if folder is None else folder.finished

    def attack(self, console: Console) -> None:
        """Attacks what is not finished yet."""
        chosen = self._chosen
        done = {outcome.index for outcome in self._outcomes}
        left = [row for row, index in enumerate(chosen.indices) if int(index) not in done]
        try:
            with LiveProgress(console, len(chosen.indices), console.is_terminal) as progress:
                for outcome in self._outcomes:
                    progress.add(outcome)
                for outcome in attack_inputs(
                    self._model, self._specification, chosen.indices[left], chosen.inputs[left],
                    chosen.labels[left], chosen.outputs[left],
                ):  # fmt: skip
                    self._outcomes.append(outcome)
                    if self._folder is not None:
                        self._folder.add(outcome)
                    progress.add(outcome)
        except KeyboardInterrupt:
            self._say_where_it_stands()
            raise
        finally:
            if self._folder is not None:
                self._folder.close(self.summary())

    def _say_where_it_stands(self) -> None:
        kept = "" if self._folder is None else ", kept on disk: the same command continues"
        done = f"{len(self._finished())} of {len(self._chosen.indices)} inputs are done"
        Console(stderr=True, soft_wrap=True).print(f"interrupted: {done}{kept}", highlight=False)

    def _finished(self) -> list[Outcome]:
        # An interrupt may fall between the two: the folder's list is that of its files.
        return self._outcomes if self._folder is None else self._folder.finished

    def summary(self) -> Summary:
        """The figures so far."""
        specification, chosen = self._specification, self._chosen
        facts = RunFacts(
            model=str(self._model.file.path),
            model_sha256=self._model.file.sha256,
            data=chosen.source,
            norm=specification.norm.name,
            features=specification.features,
            targets=str(specification.targets),
            method=specification.settings.method.value,
            minimize=specification.settings.minimize,
            requested=len(chosen.indices),
            seed=specification.settings.seed,
            workers=specification.workers,
        )
        return summarise(facts, self._finished(), time.monotonic() - self._started)


def _opened(
    out: Path, model: Model, specification: RunSpecification, chosen: Selection
) -> RunFolder:
    folder = RunFolder(out, model.network.input_shape)
    keys = [int(index) for index in chosen.indices]
    settings = asdict(specification.settings) | {"method": specification.settings.method.value}
    folder.open(
        Asked(
            model=str(model.file.path.resolve()),
            model_sha256=model.file.sha256,
            data=chosen.path,
            data_sha256=chosen.sha256,
            indices=tuple(keys),
            norm=specification.norm.name,
            features=specification.features,
            targets=str(specification.targets),
            options=", ".join(f"{name}={value}" for name, value in settings.items()),
        ),
        dict(zip(keys, chosen.outputs.argmax(axis=1).tolist(), strict=True)),
        dict(zip(keys, chosen.labels.tolist(), strict=True)),
    )
    if not chosen.path:
        folder.save_data(chosen.inputs, chosen.labels)
    return folder


def _cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
