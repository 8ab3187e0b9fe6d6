"""Two lists of answers to properties, compared instance by instance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final, final

from onnx_lippa.errors import InputError
from onnx_lippa.gates.comparison import Change, Comparison
from onnx_lippa.runs.properties.answers import OPEN, Answers
from onnx_lippa.runs.properties.instances import InstanceResult

_RANKS: Final = {"sat": 0, "error": 1, "timeout": 2, "unknown": 2, "unsat": 3}
"""The answers, the worst with the lowest number."""


@final
@dataclass(frozen=True)
class AnswerChange:
    """What became of one instance.

    Attributes:
        change: the kind of change.
        old: its answer in the old list; None where it is added.
        new: its answer in the new list; None where it is removed.
        sentence: the instance with both answers.
        index: position of the instance in the new list, in the old one where it is removed.
    """

    change: Change
    old: InstanceResult | None
    new: InstanceResult | None
    sentence: str
    index: int

    eps: None = None
    place: int = 0

    @property
    def is_worse(self) -> bool:
        """Whether the new answer is worse, or is missing."""
        return self.change in (Change.WORSE, Change.REMOVED)

    def as_json(self) -> dict[str, Any]:
        """The change as plain JSON values."""
        one = self.new or self.old
        return {
            "index": self.index,
            "onnx": "" if one is None else one.instance.onnx,
            "vnnlib": "" if one is None else one.instance.vnnlib,
            "change": self.change.value,
            "old": None if self.old is None else self.old.answer,
            "new": None if self.new is None else self.new.answer,
            "sentence": self.sentence,
        }


def compare_answers(old: Answers, new: Answers) -> Comparison:
    """Compares lists of answers.

    Instances are those of one property (by its digest) and one model (by its path, its name, or
    alone with the property). An answer is worse in the order unsat, unknown or timeout, error, sat.
    What was decided of the same model file still holds where nothing is found in the new list. An
    instance without an answer in the new list counts as worse.

    Args:
        old: the answers that are compared with.
        new: the answers that are held against them.

    Raises:
        InputError: the lists have no instance in common.
    """
    partners = _match(old, new)
    if not partners:
        raise InputError(
            "the lists have no property in common: compare answers to the same properties"
        )
    same = _same_setting(old, new)
    changes = list(_compare(old, new, partners, same))
    pairs = [(old.results[a], new.results[b]) for b, a in partners.items()]
    is_same = same and all(_is_same_model(a, b) for a, b in pairs)
    names = [one.name or "answers in memory" for one in (old, new)]
    return Comparison(names[0], names[1], is_same, tuple(changes), "instances")


def _compare(
    old: Answers, new: Answers, partners: dict[int, int], same: bool
) -> Iterator[AnswerChange]:
    for place, after in new.results.items():
        where = after.instance.name
        if place not in partners:
            said = f"{where}: {_describe(after)}"
            yield AnswerChange(Change.ADDED, None, after, said, place)
            continue
        before = old.results[partners[place]]
        change, said = _judge(before, after, same and _is_same_model(before, after))
        yield AnswerChange(change, before, after, f"{where}: {said}", place)
    for place in old.results.keys() - partners.values():
        before = old.results[place]
        where = before.instance.name
        said = f"{where}: {before.answer}, now no answer to this property"
        yield AnswerChange(Change.REMOVED, before, None, said, place)


def _judge(old: InstanceResult, new: InstanceResult, same: bool) -> tuple[Change, str]:
    if old.answer == new.answer:
        return Change.SAME, old.answer
    said = f"{old.answer}, now {_describe(new)}"
    if same and new.answer in OPEN and old.answer not in OPEN:
        return Change.SAME, f"{said}; what was decided of the same model holds"
    if same and {old.answer, new.answer} == {"sat", "unsat"}:
        return Change.WORSE, f"{said}; both cannot be true of one model: replay both"
    was, now = _RANKS[old.answer], _RANKS[new.answer]
    if was == now:
        return Change.SAME, said
    return Change.WORSE if now < was else Change.BETTER, said


def _describe(one: InstanceResult) -> str:
    return f"{one.answer} ({one.note})" if one.note and one.answer in OPEN else one.answer


def _same_setting(old: Answers, new: Answers) -> bool:
    a, b = old.listing, new.listing
    return (a.output, a.preprocess) == (b.output, b.preprocess)


def _is_same_model(old: InstanceResult, new: InstanceResult) -> bool:
    return old.model_sha256 == new.model_sha256 != ""


_Key = tuple[str, ...]


def _match(old: Answers, new: Answers) -> dict[int, int]:
    """For positions of the new list those of the same instances in the old one."""
    found: dict[int, int] = {}
    keys: tuple[Callable[[InstanceResult], _Key], ...] = (
        lambda one: (one.instance.onnx, one.instance.vnnlib, one.property_sha256),
        lambda one: (PurePath(one.instance.onnx).name, one.property_sha256),
    )
    for key in keys:
        _pair(old, new, key, found, alone=False)
    _pair(old, new, lambda one: (one.property_sha256,), found, alone=True)
    return found


def _pair(
    old: Answers,
    new: Answers,
    key: Callable[[InstanceResult], _Key],
    found: dict[int, int],
    alone: bool,
) -> None:
    """Adds pairs of positions with one key; alone, where it is the only one in each list."""
    taken = set(found.values())
    left: dict[_Key, list[int]] = {}
    for place, one in old.results.items():
        if place not in taken:
            left.setdefault(key(one), []).append(place)
    right: dict[_Key, list[int]] = {}
    for place, one in new.results.items():
        if place not in found:
            right.setdefault(key(one), []).append(place)
    for name, places in right.items():
        others = left.get(name, [])
        if alone and (len(places), len(others), name != ("",)) != (1, 1, True):
            continue
        found.update(zip(places, others, strict=False))
