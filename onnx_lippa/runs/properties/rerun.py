"""Repeats a list of instances, or one property, from its folder, and compares the answers."""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from onnx_lippa.attacks import AttackMethod
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import LoadLimits
from onnx_lippa.proofs import ProofMethod
from onnx_lippa.runs.configuration import CONFIG, Configuration, is_written_by_us
from onnx_lippa.runs.curve import list_radius_folders
from onnx_lippa.runs.identity import CURVE, LIST, RUN
from onnx_lippa.runs.option_text import foreign_options, parse_values
from onnx_lippa.runs.pools import WorkerChoice
from onnx_lippa.runs.properties.answers import Answers
from onnx_lippa.runs.properties.configuration import describe_answers
from onnx_lippa.runs.properties.decider import Decider, describe_interface
from onnx_lippa.runs.properties.digests import FileDigests
from onnx_lippa.runs.properties.events import AnswerListener
from onnx_lippa.runs.properties.finding import parse_counterexample
from onnx_lippa.runs.properties.folder import ListFile
from onnx_lippa.runs.properties.instances import Instance, InstanceResult
from onnx_lippa.runs.properties.session import AnswerTask, run_list
from onnx_lippa.runs.repeated import Difference, Repeated, compare_versions
from onnx_lippa.state import Budget


def rerun_answers(
    folder: Path,
    model: Path | None,
    workers: WorkerChoice,
    out: Path | None,
    limits: LoadLimits | None,
    on_event: AnswerListener | None,
) -> Repeated:
    """Answers a list again; the arguments are those of :func:`onnx_lippa.rerun`.

    Every instance is answered in a worker process, with its own time limit.

    Raises:
        InputError: a file is missing or not the one of the list, or it cannot be repeated.
        DamagedFolderError: a file of the folder is damaged.
        WorkerError: the cluster cannot be used.
        InterruptedList: a KeyboardInterrupt, with the answers so far.
    """
    _require_new(folder, out)
    old = Answers.read(folder)
    listing = old.listing
    decider = replace(parse_decider(listing), limits=limits)
    instances = list(listing.instances)
    if model is not None:
        if len(instances) > 1:
            raise InputError(f"{folder} is of a list, which names its models: leave --model out")
        instances = [replace(instances[0], onnx=str(model.resolve()))]
    base = _find_base(old, folder, instances)
    described = _describe(folder, instances, base, decider, workers)
    heard = () if on_event is None else (on_event,)
    task = AnswerTask(decider, workers, out, heard, described)
    return _compare(old, run_list(instances, base, task), decider)


def parse_decider(listing: ListFile) -> Decider:
    """How the instances of a list were decided; time limits are those of the instances.

    Raises:
        InputError: the options are of another version, whose methods had other ones.
    """
    said = describe_interface(listing.output, listing.preprocess)
    match parse_values(listing.options.removesuffix(said)):
        case (AttackMethod() as attack, Budget() as budget):
            proof = None
        case (AttackMethod() as attack, ProofMethod() as proof, Budget() as budget):
            pass
        case _:
            raise foreign_options(listing.options)
    return Decider(
        attack, proof, budget, listing.case_limit, listing.output, preprocess=listing.preprocess
    )


def _require_new(folder: Path, out: Path | None) -> None:
    if out is None:
        return
    if out.resolve() == folder.resolve():
        raise InputError(f"{out} is the folder itself: give another --out")
    if any((out / name).exists() for name in (LIST, RUN, CURVE)) or list_radius_folders(out):
        raise InputError(f"{out} holds a run already: give a new --out")


def _find_base(old: Answers, folder: Path, instances: list[Instance]) -> Path:
    """The folder that paths are relative to now, in which the files are those of the answers.

    Raises:
        InputError: there is none.
    """
    first: InputError | None = None
    for base in old.listing.base.candidates(folder):
        digests = FileDigests(base)
        problem = None
        for place, result in old.results.items():
            problem = problem or digests.find_change(instances[place], result)
        if problem is None:
            return base
        first = first or problem
    raise first or InputError(f"{folder} does not say where its files are: answer the list again")


def _describe(
    folder: Path,
    instances: list[Instance],
    base: Path,
    decider: Decider,
    workers: WorkerChoice,
) -> Configuration | None:
    """The configuration of the repetition; None where the folder has none that names the list."""
    if len(instances) == 1:
        (one,) = instances
        timed = replace(decider, budget=replace(decider.budget, time_limit=one.timeout))
        files: dict[str, str | Path] = {"model": base / one.onnx, "property": base / one.vnnlib}
        return describe_answers(timed, workers, files)
    config = folder / CONFIG
    if not config.exists() or not is_written_by_us(config):
        return None
    try:
        ((command, options),) = tomllib.loads(config.read_text(encoding="utf-8")).items()
    except (OSError, ValueError):
        return None
    kept = {name: one for name, one in options.items() if name not in ("workers", "cluster")}
    chosen = {"cluster": workers.cluster} if workers.cluster else {"workers": workers.count}
    return Configuration(command, kept | chosen)


def _compare(old: Answers, new: Answers, decider: Decider) -> Repeated:
    digest = hashlib.sha256()
    for place, one in new.results.items():
        digest.update(f"{place} {one.answer}".encode())
        digest.update(_input_of(one))
    changed = compare_versions(old.listing.versions, old.listing.version)
    timeouts = [one.timeout for one in old.listing.instances]
    limited = min(decider.case_limit, *timeouts) < math.inf
    found = tuple(_differences(old, new))
    return Repeated(len(old), found, changed, limited, digest.hexdigest(), answers=new)


def _differences(old: Answers, new: Answers) -> Iterator[Difference]:
    for place, before in old.results.items():
        after = new.results[place]
        if before.answer != after.answer:
            said = f"{before.answer}, now {after.answer}" + (f" ({after.note})" * bool(after.note))
        elif _input_of(before) != _input_of(after):
            said = f"another counterexample ({after.found_by}, not {before.found_by})"
        else:
            continue
        yield Difference(place, None, f"{before.instance.name}: {said}")


def _input_of(one: InstanceResult) -> bytes:
    x, _ = parse_counterexample(one.counterexample)
    return b"" if x is None else np.ascontiguousarray(x).tobytes()
