"""Gates of answers to properties: limits of their counts, open instances, and a baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

from onnx_lippa.errors import InputError
from onnx_lippa.gates.answer_comparison import compare_answers
from onnx_lippa.gates.conditions import Side, parse_number
from onnx_lippa.gates.outcome import Check, GateOutcome
from onnx_lippa.runs.properties.answers import ANSWERS, ERROR, OPEN, Answers
from onnx_lippa.runs.summary import Interval

_NAMED: Final = 3
"""Instances that one line names."""
_SHARE: Final = "_share"
_COUNTED: Final = {
    "sat": ("sat",),
    "unsat": ("unsat",),
    "open": OPEN,
    "unknown": ("unknown",),
    "timeout": ("timeout",),
    ERROR: (ERROR,),
}
"""The answers that a quantity counts."""
_PARTS: Final = "QUANTITY[.lower|.upper]=LIMIT, as in sat=0"


@final
@dataclass(frozen=True)
class AnswerCondition:
    """A limit of the number or share of some answers.

    The number of properties that some input meets lies between those found, and those not proven
    unsat; so it is with the others.

    Attributes:
        side: on which side of the limit it fails.
        name: ``sat``, ``unsat``, ``open``, ``unknown``, ``timeout`` or ``error``.
        is_share: whether the share of all instances is limited.
        limit: the limit, which itself is allowed.
        end: ``lower`` or ``upper``; empty for the end at which a gate is certain.
    """

    side: Side
    name: str
    is_share: bool
    limit: float
    end: str = ""

    @classmethod
    def parse(cls, text: str, side: Side) -> AnswerCondition:
        """Parses a condition such as ``sat=0`` or ``open_share=5%``.

        Raises:
            InputError: the text is not understood.
        """
        left, equals, right = text.rpartition("=")
        head, dot, end = left.strip().partition(".")
        limit, is_share = parse_number(right), head.endswith(_SHARE)
        if not equals or limit is None or (dot and end not in ("lower", "upper")):
            raise InputError(f"--{side.value} {text!r} is not understood: give {_PARTS}")
        name = head.removesuffix(_SHARE)
        if name not in _COUNTED:
            known = ", ".join([*_COUNTED, f"sat{_SHARE}"])
            raise InputError(
                f"answers to properties have no '{head}' to limit: give one of {known}"
            )
        if is_share and not 0 <= limit <= 1:
            raise InputError(
                f"--{side.value} {text!r} limits a share: give a number from 0 to 1, or a "
                "percentage"
            )
        return cls(side, name, is_share, limit, end)

    def __str__(self) -> str:
        sign = "<=" if self.side is Side.OVER else ">="
        return f"{self._named()} {sign} {self._show(self.limit)}"

    def check(self, answers: Answers) -> GateOutcome:
        """Holds the condition against answers."""
        bounds, total = self._measure(answers), answers.requested
        upper = self.end == "upper" or (not self.end and self.side is Side.OVER)
        count = bounds.upper if upper else bounds.lower
        value = count / total if self.is_share else count
        excess = value - self.limit if self.side is Side.OVER else self.limit - value
        passed, word = not excess > 0, self.side.value.removeprefix("fail-")
        about = "" if bounds.lower == bounds.upper else f"at {'most' if upper else 'least'} "
        said = f"{self._named()} is {about}{self._show(value)}"
        said += f", {'not ' if passed else ''}{word} {self._show(self.limit)}"
        if passed:
            return GateOutcome(str(self), passed, said)
        by = f"{100 * excess:.2f} percentage points" if self.is_share else f"{excess:g}"
        said += f" by {by}"
        if answers.open and self.name in ("sat", "unsat") and not self.end:
            said += f" ({answers.counts[self.name]} {self.name}, {answers.open} open)"
        return GateOutcome(str(self), passed, said, 0, frozenset(self._blame(answers, upper)))

    def _named(self) -> str:
        return self.name + (_SHARE if self.is_share else "") + (f".{self.end}" if self.end else "")

    def _show(self, value: float) -> str:
        return f"{value:.2%}" if self.is_share else f"{value:g}"

    def _measure(self, answers: Answers) -> Interval:
        counted = sum(answers.counts[one] for one in _COUNTED[self.name])
        if self.name in ("sat", "unsat"):
            return Interval(counted, counted + answers.open)
        missing = answers.missing if self.name == "open" else 0
        return Interval(counted + missing, counted + missing)

    def _blame(self, answers: Answers, upper: bool) -> Iterator[int]:
        """The positions of the instances that it fails for."""
        blamed = set(_COUNTED[self.name])
        if upper and self.name in ("sat", "unsat"):
            blamed |= set(OPEN)
        if self.side is Side.UNDER:
            blamed = set(ANSWERS) - blamed
        return (place for place, one in answers.results.items() if one.answer in blamed)


@final
@dataclass(frozen=True)
class AnswerGates:
    """The conditions that answers are held against.

    Attributes:
        conditions: limits of counts and shares.
        on_unknown: whether an instance fails of which nothing is known.
        against: answers that these must not be worse than; None without any.
    """

    conditions: tuple[AnswerCondition, ...] = ()
    on_unknown: bool = False
    against: Answers | None = None

    @classmethod
    def build(
        cls,
        fail_over: Sequence[str] | str = (),
        fail_under: Sequence[str] | str = (),
        fail_on_unknown: bool = False,
        against: Answers | None = None,
    ) -> AnswerGates:
        """From the options of the command line.

        Raises:
            InputError: a condition that is not understood.
        """
        conditions = [
            AnswerCondition.parse(text, side)
            for side, texts in ((Side.OVER, fail_over), (Side.UNDER, fail_under))
            for text in ([texts] if isinstance(texts, str) else texts)
        ]
        return cls(tuple(conditions), fail_on_unknown, against)

    @property
    def are_given(self) -> bool:
        """Whether there is a condition at all."""
        return bool(self.conditions or self.on_unknown or self.against is not None)

    def check(self, answers: Answers) -> Check:
        """Holds all conditions against answers.

        Raises:
            InputError: the earlier answers are to other properties.
        """
        if not self.are_given:
            return Check(())
        outcomes = [one.check(answers) for one in self.conditions]
        if self.on_unknown:
            outcomes.append(_check_open(answers))
        if answers.missing:
            said = f"{answers.missing} of {answers.requested} instances have no answer"
            outcomes.append(GateOutcome("every instance has an answer", False, said))
        if self.against is not None:
            outcomes.append(_check_against(self.against, answers))
        return Check(tuple(outcomes))


def _check_open(answers: Answers) -> GateOutcome:
    found = {place: one for place, one in answers.results.items() if one.answer in OPEN}
    condition, said = "every instance is decided", "every instance is sat or unsat"
    if found:
        named = "; ".join(
            f"{one.instance.name} is {one.answer}" + (f" ({one.note})" if one.note else "")
            for one in list(found.values())[:_NAMED]
        )
        more = "; ..." if len(found) > _NAMED else ""
        said = f"{len(found)} of {answers.requested} instances are not decided: {named}{more}"
    return GateOutcome(condition, not found, said, 0, frozenset(found))


def _check_against(old: Answers, new: Answers) -> GateOutcome:
    found = compare_answers(old, new)
    said = f"none of {len(found)} instances is worse than in {found.old}"
    if found.worse:
        named = "; ".join(one.sentence for one in found.worse[:_NAMED])
        more = "; ..." if len(found.worse) > _NAMED else ""
        verb = "is" if len(found.worse) == 1 else "are"
        said = (
            f"{len(found.worse)} of {len(found)} instances {verb} worse than in {found.old}: "
            f"{named}{more}"
        )
    places = frozenset(one.index for one in found.worse if one.new is not None)
    return GateOutcome(f"not worse than {found.old}", not found.worse, said, 0, places)
