"""Two runs of one specification, compared input by input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol, final, overload

import numpy as np

from onnx_lippa.errors import InputError
from onnx_lippa.runs.finished import FinishedRun
from onnx_lippa.runs.record import Record, name_class
from onnx_lippa.witness import Verdict

NEARER: Final = 0.01
"""A distance that shrinks by more than this share has become worse."""
_RANKS: Final = (Verdict.MISCLASSIFIED, Verdict.ADVERSARIAL, Verdict.UNKNOWN, Verdict.ROBUST)
"""The verdicts, the worst first."""
_LISTED: Final = 20


class Change(Enum):
    """What became of an input."""

    WORSE = "worse"
    BETTER = "better"
    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"


@final
@dataclass(frozen=True)
class InputChange:
    """What became of one input.

    Attributes:
        change: the kind of change.
        old: its record in the old run; None where it is added.
        new: its record in the new run; None where it is removed.
        sentence: both verdicts, and the distances where they count.
        eps: the radius of both runs; None without one.
        place: place of the new run in a curve; -1 where there is none at the radius.
    """

    change: Change
    old: Record | None
    new: Record | None
    sentence: str
    eps: float | None
    place: int = 0

    @property
    def index(self) -> int:
        """Index of the input in the data of the new run, of the old one where it is removed."""
        record = self.new or self.old
        return -1 if record is None else record.index

    @property
    def is_worse(self) -> bool:
        """Whether the new run is worse here, or has no result."""
        return self.change in (Change.WORSE, Change.REMOVED)

    def as_json(self) -> dict[str, Any]:
        """The change as plain JSON values."""
        return {
            "index": self.index,
            "eps": self.eps,
            "change": self.change.value,
            "old": None if self.old is None else self.old.verdict.value,
            "new": None if self.new is None else self.new.verdict.value,
            "sentence": self.sentence,
        }


class ItemChange(Protocol):
    """What became of an input of a run, or of an instance of a list."""

    @property
    def change(self) -> Change:
        """The kind of change."""

    @property
    def sentence(self) -> str:
        """What was known before, and what is known now."""

    @property
    def index(self) -> int:
        """Index of the input, or position of the instance."""

    @property
    def eps(self) -> float | None:
        """The radius of both runs; None without one."""

    @property
    def place(self) -> int:
        """Place of the new run in a curve."""

    @property
    def old(self) -> Any:  # noqa: ANN401 - a record, or the result of an instance
        """What was known before; None where it is added."""

    @property
    def new(self) -> Any:  # noqa: ANN401
        """What is known now; None where it is removed."""

    @property
    def is_worse(self) -> bool:
        """Whether less is good than before, or is known."""

    def as_json(self) -> dict[str, Any]:
        """The change as plain JSON values."""


@final
@dataclass(frozen=True, repr=False)
class Comparison(Sequence[ItemChange]):
    """What changed from an old run to a new one, input by input; of curves at each radius.

    Lists of properties are compared instance by instance.

    Attributes:
        old: name of the old run.
        new: name of the new run.
        same_model: whether both are of one model file, output and preprocessing.
        changes: one for each input and radius, or for each instance.
        what: what is compared, for the headline.
    """

    old: str
    new: str
    same_model: bool
    changes: tuple[ItemChange, ...]
    what: str = "inputs"

    def __len__(self) -> int:
        return len(self.changes)

    @overload
    def __getitem__(self, place: int) -> ItemChange: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[ItemChange, ...]: ...

    def __getitem__(self, place: int | slice) -> ItemChange | tuple[ItemChange, ...]:
        return self.changes[place]

    def __iter__(self) -> Iterator[ItemChange]:
        return iter(self.changes)

    def __repr__(self) -> str:
        return f"Comparison({self.headline})"

    @property
    def worse(self) -> tuple[ItemChange, ...]:
        """The inputs for which the new run is worse, or has no result."""
        return tuple(one for one in self.changes if one.is_worse)

    @property
    def better(self) -> tuple[ItemChange, ...]:
        """The inputs for which the new run is better."""
        return tuple(one for one in self.changes if one.change is Change.BETTER)

    @property
    def headline(self) -> str:
        """The counts of all changes on one line."""
        counts = Counter(one.change for one in self.changes)
        known = [f"{counts[change]} {change.value}" for change in Change if counts[change]]
        what = self.what if len({one.eps for one in self.changes}) <= 1 else "inputs and radii"
        model = "the same model" if self.same_model else "another model"
        return f"{len(self)} {what}, {model}: {', '.join(known)}"

    def summary(self) -> str:
        """The headline, and one line for each of the first changes, the worst first."""
        changed = [one for one in self.changes if one.change is not Change.SAME]
        changed.sort(key=lambda one: (not one.is_worse, one.change.value, one.place, one.index))
        lines = [f"{one.change.value}: {one.sentence}" for one in changed[:_LISTED]]
        if len(changed) > _LISTED:
            lines.append(f"... and {len(changed) - _LISTED} more")
        return "\n".join([self.headline, *lines])

    def as_json(self) -> dict[str, Any]:
        """The comparison as plain JSON values."""
        return {
            "old": self.old,
            "new": self.new,
            "same_model": self.same_model,
            "worse": len(self.worse),
            "better": len(self.better),
            "changes": [one.as_json() for one in self.changes if one.change is not Change.SAME],
        }


def compare(old: Sequence[FinishedRun], new: Sequence[FinishedRun]) -> Comparison:
    """Compares runs, those of one radius with each other.

    An input is worse if its verdict is: robust, unknown, adversarial, misclassified is the order.
    Where both runs minimise distances, it is worse too if its witness is nearer, or if less is
    proven, by more than :data:`NEARER`. What was known of the same model file still holds: an input
    that was proven or broken before and is unknown now is the same. An input without a result in
    the new run counts as worse, and so does each input of a radius that only the old curve has.

    Args:
        old: the runs that are compared with, one for each radius.
        new: the runs that are held against them.

    Raises:
        InputError: the runs differ in their specification, or have no input in common.
    """
    by_radius = {run.identity.features.eps: run for run in old}
    changes: list[InputChange] = []
    for place, run in enumerate(new):
        before = by_radius.get(run.identity.features.eps)
        if before is None:
            known = ", ".join(show_radius(eps) for eps in by_radius)
            raise InputError(
                f"the runs differ in eps, {show_radius(run.identity.features.eps)} and {known}: "
                "compare runs of the same radius"
            )
        changes += _compare_run(before, run, place)
    radii = {run.identity.features.eps for run in new}
    for eps, before in by_radius.items():
        if eps not in radii:
            changes += _remove_run(before)
    same = all(_is_same_model(a, b) for a in old for b in new)
    return Comparison(_name(old), _name(new), same, tuple(changes))


def _compare_run(old: FinishedRun, new: FinishedRun, place: int) -> Iterator[InputChange]:
    _require_same_specification(old, new)
    eps, seen = new.identity.features.eps, {record.index: record for record in new.records}
    before = {record.index: record for record in old.records}
    partners = _match(old, new)
    same_model = _is_same_model(old, new)
    minimised = bool(old.figures["minimize"] and new.figures["minimize"])
    for index, record in seen.items():
        earlier = before.get(partners.get(index, -1))
        if earlier is None:
            said = f"input {index}{_at(eps)}: {record.verdict.value}"
            yield InputChange(Change.ADDED, None, record, said, eps, place)
            continue
        change, said = _compare_records(earlier, record, same_model, minimised, new.classes)
        said = f"input {index}{_at(eps)}: {said}"
        yield InputChange(change, earlier, record, said, eps, place)
    compared = {partners[index] for index in seen if index in partners}
    for index, record in before.items():
        if index not in compared:
            said = (
                f"input {index} of {_name([old])}{_at(eps)}: {record.verdict.value}, now no result"
            )
            yield InputChange(Change.REMOVED, record, None, said, eps, place)


def _remove_run(old: FinishedRun) -> Iterator[InputChange]:
    """The inputs of a radius at which there is no new run."""
    eps = old.identity.features.eps
    for record in old.records:
        said = f"input {record.index} of {_name([old])}{_at(eps)}: {record.verdict.value}, now no "
        yield InputChange(Change.REMOVED, record, None, f"{said}run at this radius", eps, -1)


def _is_same_model(old: FinishedRun, new: FinishedRun) -> bool:
    """Whether both runs are about the same function: file, output, and what is in front of it."""
    a, b = old.identity, new.identity
    return (a.model_sha256, a.output, a.preprocess) == (b.model_sha256, b.output, b.preprocess)


def _compare_records(
    old: Record,
    new: Record,
    same_model: bool,
    minimised: bool,
    classes: Sequence[str] | None,
) -> tuple[Change, str]:
    """The change from one record to another of the same input, and a sentence about it."""
    said = f"{old.verdict.value}, now {_describe(new, classes)}"
    if old.verdict is not new.verdict:
        if same_model and new.verdict is Verdict.UNKNOWN:
            return Change.SAME, f"{said}; what was known of the same model holds"
        if same_model and {old.verdict, new.verdict} == {Verdict.ROBUST, Verdict.ADVERSARIAL}:
            return Change.WORSE, f"{said}; both cannot be true of one model: replay both runs"
        is_worse = _RANKS.index(new.verdict) < _RANKS.index(old.verdict)
        return Change.WORSE if is_worse else Change.BETTER, said
    if not minimised:
        return Change.SAME, old.verdict.value
    return _compare_distances(old, new, same_model)


def _compare_distances(old: Record, new: Record, same_model: bool) -> tuple[Change, str]:
    """Both have the same verdict, in runs that minimise distances."""
    if old.distance is not None and new.distance is not None:
        said = f"distance {old.distance:.6g}, now {new.distance:.6g}"
        if new.distance < (1 - NEARER) * old.distance:
            return Change.WORSE, said
        if not same_model and new.distance > (1 + NEARER) * old.distance:
            return Change.BETTER, said
    was, now = (np.inf if one.distance_bound is None else one.distance_bound for one in (old, new))
    if not same_model and now < (1 - NEARER) * was:
        return Change.WORSE, f"distance of at least {was:.6g}, now of at least {now:.6g}"
    return Change.SAME, old.verdict.value


def _describe(record: Record, classes: Sequence[str] | None) -> str:
    label = name_class(classes, record.label)
    if record.verdict is Verdict.ADVERSARIAL and record.distance is not None:
        return (
            f"adversarial at distance {record.distance:.6g} (class {label} becomes "
            f"{name_class(classes, record.target)})"
        )
    if record.verdict is Verdict.MISCLASSIFIED:
        return f"misclassified (class {label} as {name_class(classes, record.prediction)})"
    if record.verdict is Verdict.UNKNOWN and record.reason:
        return f"unknown ({record.reason})"
    return record.verdict.value


def _match(old: FinishedRun, new: FinishedRun) -> dict[int, int]:
    """For indices of the new run those of the same inputs in the old one.

    Raises:
        InputError: it cannot be told, or there is none.
    """
    mine, theirs = new.identity, old.identity
    if mine.inputs_sha256 and mine.inputs_sha256 == theirs.inputs_sha256:
        return dict(zip(mine.indices, theirs.indices, strict=True))
    if old.clean is None or new.clean is None:
        gone = _name([old if old.clean is None else new])
        raise InputError(
            f"the runs have different inputs, and the data of {gone} is not found: put it where it "
            "was, or compare runs of the same inputs"
        )
    places: dict[bytes, list[int]] = {}
    for record, row in zip(old.records, _rows(old.clean), strict=True):
        places.setdefault(row, []).append(record.index)
    found = {}
    for record, row in zip(new.records, _rows(new.clean), strict=True):
        if places.get(row):
            found[record.index] = places[row].pop(0)
    if not found:
        raise InputError("the runs have no input in common: compare runs of the same inputs")
    return found


def _rows(clean: np.ndarray[Any, Any]) -> list[bytes]:
    """The inputs as bytes, in the type that all models take."""
    return [row.astype(np.float32).tobytes() for row in clean]


def _require_same_specification(old: FinishedRun, new: FinishedRun) -> None:
    """Raises InputError where the specifications of two runs differ."""
    mine, theirs = new.identity, old.identity
    pairs = {
        "norm": (theirs.norm, mine.norm),
        "targets": (theirs.targets, mine.targets),
        "minimize": (old.figures["minimize"], new.figures["minimize"]),
    }
    was, now = theirs.features.as_json(), mine.features.as_json()
    pairs |= {name: (was.get(name), now.get(name)) for name in was | now}
    for name, (before, after) in pairs.items():
        if before != after:
            raise InputError(
                f"the runs differ in {name}, so they cannot be compared: give a run with the same "
                f"{name} as {_name([old])}"
            )


def _name(runs: Sequence[FinishedRun]) -> str:
    return runs[0].name or "results in memory"


def _at(eps: float | None) -> str:
    return "" if eps is None else f" at eps {eps:g}"


def show_radius(eps: float | None) -> str:
    """A radius as a person reads it."""
    return "none" if eps is None else f"{eps:g}"
