"""``onnx_lippa.rerun``: repeats a run from its folder, and compares verdicts and witnesses."""

from __future__ import annotations

import ast
import hashlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from onnx_lippa.attacks import ATTACK_METHODS
from onnx_lippa.errors import DamagedFolderError, InputError, LippaError
from onnx_lippa.method import Method
from onnx_lippa.onnx_io import LoadLimits, Model
from onnx_lippa.proofs import BranchAndBound, Intervals, LinearBounds, Mip
from onnx_lippa.runs.audit import Audit
from onnx_lippa.runs.clean_inputs import find_inputs
from onnx_lippa.runs.curve import list_radius_folders
from onnx_lippa.runs.distances import Distance
from onnx_lippa.runs.finished import FinishedRun
from onnx_lippa.runs.identity import LIST, RUN, RunFile, describe_options, read_run
from onnx_lippa.runs.inputs import RunInputs
from onnx_lippa.runs.pools import WorkerChoice
from onnx_lippa.runs.record import Record
from onnx_lippa.runs.replay import find_model
from onnx_lippa.runs.results import Listener, Results
from onnx_lippa.runs.session import Task, run, run_curve
from onnx_lippa.runs.summary import versions
from onnx_lippa.spec import Specification, Targets, get_norm
from onnx_lippa.state import Budget
from onnx_lippa.version import __version__
from onnx_lippa.witness import Witness

_VALUES: Final[Mapping[str, Any]] = {
    one.__name__: one
    for one in (
        *map(type, ATTACK_METHODS.values()),
        *(Intervals, LinearBounds, Mip, BranchAndBound, Audit, Distance, Budget),
    )
}
"""What the text of options in ``run.json`` may name."""
_LISTED: Final = 20


@final
@dataclass(frozen=True)
class Difference:
    """An input whose result is another in the repeated run.

    Attributes:
        index: index of the input in the data.
        eps: the radius; None where distances are minimised.
        sentence: both results.
    """

    index: int
    eps: float | None
    sentence: str


@final
@dataclass(frozen=True)
class Repeated:
    """A run and its repetition.

    Attributes:
        inputs: number of results that were compared, those of all radii of a curve.
        differences: the inputs whose verdict, witness or proven distance is another.
        changed_versions: packages with another version than in the run, with both versions.
        limited: whether the run had a time limit, which may make results differ.
        sha256: digest of the verdicts and witnesses of the repetition.
        results: the results of the repetition, one for each radius.
    """

    inputs: int
    differences: tuple[Difference, ...]
    changed_versions: Mapping[str, tuple[str, str]]
    limited: bool
    sha256: str
    results: tuple[Results, ...]

    @property
    def is_identical(self) -> bool:
        """Whether all verdicts and witnesses are the same."""
        return not self.differences

    def summary(self) -> str:
        """One line where everything is identical; else the first differences and their causes."""
        if self.is_identical:
            return (
                f"identical: {self.inputs} verdicts with their witnesses "
                f"(SHA-256 {self.sha256[:16]})"
            )
        lines = [f"different: {len(self.differences)} of {self.inputs} results"]
        lines += [one.sentence for one in self.differences[:_LISTED]]
        if len(self.differences) > _LISTED:
            lines.append(f"... and {len(self.differences) - _LISTED:,} more")
        changed = [f"{name} {old}, now {new}" for name, (old, new) in self.changed_versions.items()]
        if changed:
            lines.append(f"versions differ: {'; '.join(changed)}")
        if self.limited:
            lines.append("the run has a time limit: what it ends may differ from run to run")
        if not changed and not self.limited:
            lines.append("the versions are the same and there is no time limit: this is a bug")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The comparison as plain JSON values."""
        return {
            "identical": self.is_identical,
            "inputs": self.inputs,
            "differences": [vars(one) for one in self.differences],
            "changed_versions": {k: list(pair) for k, pair in self.changed_versions.items()},
            "limited": self.limited,
            "sha256": self.sha256,
        }


def rerun(
    path: str | Path,
    *,
    model: str | Path | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    out: str | Path | None = None,
    limits: LoadLimits | None = None,
    on_event: Listener | None = None,
) -> Repeated:
    """Repeats a run, or a curve, from its folder alone, and compares the results.

    On the same versions, verdicts and witnesses are identical, whatever the number of workers; time
    limits may make results differ. Of a run that was interrupted, the results that it has are
    compared.

    Args:
        path: the folder of a run or of a curve.
        model: where the model is now, if it was moved.
        workers: worker processes, as in :func:`attack`.
        cluster: address of a Dask scheduler, as in :func:`attack`; it need not be that of the run.
        out: a new folder for the repetition, as in :func:`attack`.
        limits: memory and time for loading the model, as in :func:`load`.
        on_event: is called with each event, as in :func:`attack`.

    Raises:
        InputError: a file is missing or not the one the run used, or the run cannot be repeated.
        DamagedFolderError: a file of the folder is damaged.
        WorkerError: a cluster that cannot be used.
        InterruptedRun: a KeyboardInterrupt, with the results of the inputs that were finished.
    """
    folder, target = Path(path), None if out is None else Path(out)
    if (folder / LIST).exists():
        raise InputError(f"{folder} is of a list of instances: give the folder of a run or a curve")
    names = [] if (folder / RUN).exists() else list_radius_folders(folder)
    parts = [folder / name for name in names] or [folder]
    if target is not None and target.resolve() in [one.resolve() for one in (folder, *parts)]:
        raise InputError(f"{target} is the run itself: give another --out")
    if target is not None and ((target / RUN).exists() or list_radius_folders(target)):
        raise InputError(f"{target} holds a run already: give a new --out")
    choice = WorkerChoice.of(workers, cluster)
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


def parse_options(text: str) -> tuple[Method, Budget, bool]:
    """Method, budget and whether distances are minimised, from the options of an identity.

    Raises:
        InputError: they are of another version, whose methods had other options.
    """
    parts = text.split("; ")
    minimize = parts[-1] == "minimize"
    try:
        method, budget = (_parse_value(part) for part in parts[: 2 if minimize else None])
        is_same = describe_options(method, budget, minimize=minimize) == text
    except (ValueError, TypeError, SyntaxError, LippaError):
        is_same = False
    if not is_same or not isinstance(method, Method) or not isinstance(budget, Budget):
        raise InputError(
            f"the run's options are not those of onnx-lippa {__version__} ({text[:200]}): repeat "
            "it with the version that made it"
        )
    return method, budget, minimize


def _parse_value(part: str) -> Any:  # noqa: ANN401
    name, _, fields = part.partition(": ")
    return _evaluate(ast.parse(f"{name}({fields})", mode="eval").body)


def _evaluate(node: ast.expr) -> Any:  # noqa: ANN401
    """A value that :func:`describe_options` wrote: a number, a word, or one of the classes."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
        words = {word.arg: _evaluate(word.value) for word in node.keywords if word.arg}
        return _VALUES[node.func.id](**words) if node.func.id in _VALUES else _refuse(node)
    if isinstance(node, ast.Tuple):
        return tuple(map(_evaluate, node.elts))
    if isinstance(node, ast.Name):
        return math.inf if node.id == "inf" else node.id
    return node.value if isinstance(node, ast.Constant) else _refuse(node)


def _refuse(node: ast.expr) -> Any:  # noqa: ANN401
    raise ValueError(f"{ast.unparse(node)} is no value of an option")


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
    now, was = versions(), dict(olds[0].figures.get("versions", {}))
    now["onnx-lippa"], was["onnx-lippa"] = __version__, olds[0].identity.version
    changed = {k: (was[k], now[k]) for k in was if k in now and was[k] != now[k]}
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
