"""``onnx_lippa.rerun``: repeats a run from its folder, and compares verdicts and witnesses."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from onnx_lippa.errors import DamagedFolderError, InputError
from onnx_lippa.method import Method
from onnx_lippa.onnx_io import LoadLimits, Model
from onnx_lippa.runs.clean_inputs import find_inputs
from onnx_lippa.runs.curve import list_radius_folders
from onnx_lippa.runs.finished import FinishedRun
from onnx_lippa.runs.identity import LIST, RUN, RunFile, read_run
from onnx_lippa.runs.inputs import RunInputs
from onnx_lippa.runs.option_text import parse_options
from onnx_lippa.runs.pools import WorkerChoice
from onnx_lippa.runs.properties.events import AnswerEvent
from onnx_lippa.runs.properties.rerun import rerun_answers
from onnx_lippa.runs.record import Record
from onnx_lippa.runs.repeated import Difference, Repeated, compare_versions
from onnx_lippa.runs.replay import find_model
from onnx_lippa.runs.results import Event, Results
from onnx_lippa.runs.session import Task, run, run_curve
from onnx_lippa.spec import Specification, Targets, get_norm
from onnx_lippa.state import Budget
from onnx_lippa.witness import Witness


def rerun(
    path: str | Path,
    *,
    model: str | Path | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    out: str | Path | None = None,
    limits: LoadLimits | None = None,
    on_event: Callable[[Event | AnswerEvent], None] | None = None,
) -> Repeated:
    """Repeats a run, a curve or a list of properties from its folder, and compares the results.

    On the same versions, verdicts (answers) and witnesses are identical, whatever the number of
    workers; time limits may make results differ. Of a run that was interrupted, the results that it
    has are compared.

    Args:
        path: the folder of a run, of a curve, of a property or of a list of instances.
        model: where the model is now, if it was moved; not for lists, which name their models.
        workers: worker processes, as in :func:`attack`.
        cluster: address of a Dask scheduler, as in :func:`attack`; it need not be that of the run.
        out: a new folder for the repetition, as in :func:`attack`.
        limits: memory and time for loading the model, as in :func:`load`.
        on_event: is called with each event, as in :func:`attack` or :func:`answer_instances`.

    Raises:
        InputError: a file is missing or not the one the run used, or the run cannot be repeated.
        DamagedFolderError: a file of the folder is damaged.
        WorkerError: a cluster that cannot be used.
        InterruptedRun, InterruptedList: a KeyboardInterrupt, with the results so far.
    """
    folder, target = Path(path), None if out is None else Path(out)
    choice = WorkerChoice.of(workers, cluster)
    if (folder / LIST).exists():
        return rerun_answers(folder, _path(model), choice, target, limits, on_event)
    names = [] if (folder / RUN).exists() else list_radius_folders(folder)
    parts = [folder / name for name in names] or [folder]
    if target is not None and target.resolve() in [one.resolve() for one in (folder, *parts)]:
        raise InputError(f"{target} is the run itself: give another --out")
    if target is not None and ((target / RUN).exists() or list_radius_folders(target)):
        raise InputError(f"{target} holds a run already: give a new --out")
    files = [_read(part) for part in parts]
    olds = [FinishedRun.read(part) for part in parts]
    method, budget, _ = parse_options(files[0].identity.options)
    loaded = find_model(folder if not names else parts[0], files[0], _path(model), limits)
    inputs = _inputs_of(parts[0], files[0], loaded, olds[0].records)
    specifications = [_specification(file) for file in files]
    listeners = () if on_event is None else (on_event,)
    task = Task(loaded, inputs, method, budget, choice, listeners, time.monotonic())
    if names:
        radii = [name.removeprefix("eps-") for name in names]
        news: Sequence[Results] = run_curve(task, specifications, target, radii, method)
    else:
        news = [run(task, specifications[0], target)]
    return _compare(olds, news, method, budget)


def _read(folder: Path) -> RunFile:
    file = read_run(folder)
    if not file.intact:
        raise DamagedFolderError(
            f"{folder / RUN} is not as the run wrote it: give the folder of another run"
        )
    return file


def _specification(file: RunFile) -> Specification:
    identity = file.identity
    minimize = parse_options(identity.options)[2]
    targets = Targets.parse(identity.targets)
    return Specification(get_norm(identity.norm), identity.features, targets, minimize)


def _inputs_of(folder: Path, file: RunFile, model: Model, records: Sequence[Record]) -> RunInputs:
    """The clean inputs of the run, with the groups that its records name."""
    shape, dtype = model.network.input_shape, model.interface.dtype
    rows, labels = find_inputs(folder, file, shape, dtype)
    outputs = model.runtime.forward(rows)
    path = None
    if file.data.path:
        candidates = file.data.candidates(folder)
        path = next((one for one in candidates if one.exists()), candidates[0]).resolve()
    groups = {record.index: record.group for record in records}
    indices = file.identity.indices
    return RunInputs(
        np.array(indices, dtype=np.int64),
        rows,
        outputs.argmax(axis=1) if labels is None else labels,
        outputs,
        str(path or f"{len(indices)} inputs of {folder.name}"),
        path,
        file.identity.inputs_sha256,
        are_labelled=labels is not None,
        groups=tuple(groups.get(i, "") for i in indices) if any(groups.values()) else None,
        reading=file.reading,
    )


def _compare(
    olds: Sequence[FinishedRun], news: Sequence[Results], method: Method, budget: Budget
) -> Repeated:
    digest, differences, count = hashlib.sha256(), list[Difference](), 0
    first = olds[0]
    changed = compare_versions(first.figures.get("versions", {}), first.identity.version)
    for old, results in zip(olds, news, strict=True):
        new = FinishedRun.of(results)
        count += len(old.records)
        differences += _differences(old, new)
        for record in new.records:
            digest.update(f"{record.index} {record.verdict.value}".encode())
            digest.update(_witness(new.witnesses.get(record.index)))
    limited = budget.time_limit < math.inf or getattr(method, "budget", math.inf) < math.inf
    return Repeated(count, tuple(differences), changed, limited, digest.hexdigest(), tuple(news))


def _differences(old: FinishedRun, new: FinishedRun) -> Iterator[Difference]:
    eps, found = new.identity.features.eps, {record.index: record for record in new.records}
    for before in old.records:
        index, after = before.index, found[before.index]
        was, now = old.witnesses.get(index), new.witnesses.get(index)
        where = f"input {index}" + ("" if eps is None else f" at eps {eps:g}")
        if before.verdict is not after.verdict:
            said = f"{before.verdict.value}, now {after.verdict.value}"
            if after.reason:
                said += f" ({after.reason})"
        elif _witness(was) != _witness(now):
            said = f"another witness, at distance {after.distance:.6g}, not {before.distance:.6g}"
        elif before.distance_bound != after.distance_bound:
            said = (
                f"lower bound of the distance {_show(before.distance_bound)}, now "
                f"{_show(after.distance_bound)}"
            )
        else:
            continue
        yield Difference(index, eps, f"{where}: {said}")


def _witness(witness: Witness | None) -> bytes:
    return b"" if witness is None else np.ascontiguousarray(witness.x).tobytes()


def _show(bound: float | None) -> str:
    return "none" if bound is None else f"{bound:.6g}"


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
