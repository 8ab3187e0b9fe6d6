"""All gates of a run: limits, unknown inputs, and a baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from onnx_lippa.errors import InputError
from onnx_lippa.gates.comparison import Comparison, compare, show_radius
from onnx_lippa.gates.conditions import Condition, Side, require_group
from onnx_lippa.gates.outcome import Check, GateOutcome
from onnx_lippa.runs.finished import FinishedRun
from onnx_lippa.witness import Verdict

_NAMED: Final = 3
"""Inputs that one line names."""


@final
@dataclass(frozen=True)
class Gates:
    """The conditions that a run is held against.

    Attributes:
        conditions: limits of its figures.
        on_unknown: whether an unknown input fails.
        against: the runs that it must not be worse than, one for each radius; empty without any.
    """

    conditions: tuple[Condition, ...] = ()
    on_unknown: bool = False
    against: tuple[FinishedRun, ...] = ()

    @classmethod
    def build(
        cls,
        fail_over: Sequence[str] | str = (),
        fail_under: Sequence[str] | str = (),
        fail_on_unknown: bool = False,
        against: Sequence[FinishedRun] = (),
    ) -> Gates:
        """From the options of the command line.

        Raises:
            InputError: a condition that is not understood.
        """
        conditions = [
            Condition.parse(text, side)
            for side, texts in ((Side.OVER, fail_over), (Side.UNDER, fail_under))
            for text in ([texts] if isinstance(texts, str) else texts)
        ]
        return cls(tuple(conditions), fail_on_unknown, tuple(against))

    @property
    def are_given(self) -> bool:
        """Whether there is a condition at all."""
        return bool(self.conditions or self.on_unknown or self.against)

    def check(self, runs: Sequence[FinishedRun]) -> Check:
        """Holds all conditions against runs, those of a curve each by itself.

        Raises:
            InputError: a condition has no meaning for these runs.
        """
        if not self.are_given:
            return Check(())
        self._require_radii([run.identity.features.eps for run in runs])
        outcomes: list[GateOutcome] = []
        for place, run in enumerate(runs):
            own = [one for gate in self.conditions for one in gate.check(run, place)]
            if self.on_unknown:
                own.append(_check_unknown(run, place))
            missing = run.figures["requested"] - len(run.records)
            if missing > 0:
                said = f"{missing} of {run.figures['requested']} inputs have no result"
                own.append(GateOutcome("every input has a result", False, said, place))
            outcomes += own
        gone: list[GateOutcome] = []
        if self.against:
            found = compare(self.against, runs)
            outcomes += _check_against(found, len(runs))
            gone += _check_radii(found)
        if len(runs) > 1:
            radii = [show_radius(run.identity.features.eps) for run in runs]
            outcomes = [
                replace(one, sentence=f"at eps {radii[one.place]}: {one.sentence}")
                for one in outcomes
            ]
        return Check((*outcomes, *gone))

    def require(self, radii: Sequence[float | None], groups: Sequence[str] | None) -> None:
        """Looks before a run whether the conditions have a meaning for it.

        Args:
            radii: its radii.
            groups: the group of each input; None where they have none.

        Raises:
            InputError: a condition has none.
        """
        self._require_radii(radii)
        for condition in self.conditions:
            require_group(condition.group, groups or (), str(condition))

    def _require_radii(self, radii: Sequence[float | None]) -> None:
        """Raises InputError for a condition that has no meaning at these radii."""
        for condition in self.conditions:
            if condition.eps is not None and condition.eps not in radii:
                raise InputError(
                    f"there is no run at eps {condition.eps:g}, which {condition} names: give one "
                    "of its radii"
                )
            condition.quantity.require_radius(radii)
        known = [run.identity.features.eps for run in self.against]
        for eps in radii if known else ():
            if eps not in known:
                raise InputError(
                    f"{self.against[0].name} has no run at the radius {show_radius(eps)}, but at "
                    f"{', '.join(map(show_radius, known))}: give an earlier run of the same radius"
                )


def _check_unknown(run: FinishedRun, place: int) -> GateOutcome:
    unknown = [record for record in run.records if record.verdict is Verdict.UNKNOWN]
    said = "no input is unknown"
    if unknown:
        verb = "is" if len(unknown) == 1 else "are"
        named = ", ".join(
            f"input {one.index}" + (f" ({one.reason})" if one.reason else "")
            for one in unknown[:_NAMED]
        )
        more = ", ..." if len(unknown) > _NAMED else ""
        said = f"{len(unknown)} of {len(run.records)} inputs {verb} unknown: {named}{more}"
    indices = frozenset(one.index for one in unknown)
    return GateOutcome("no input is unknown", not unknown, said, place, indices)


def _check_radii(found: Comparison) -> Iterator[GateOutcome]:
    """An outcome for each radius that only the earlier curve has."""
    counts = Counter(one.eps for one in found if one.place < 0)
    for eps, count in counts.items():
        said = f"there is no run at eps {show_radius(eps)}, where {found.old} has {count} results"
        yield GateOutcome(f"not worse than {found.old}", False, said)


def _check_against(found: Comparison, runs: int) -> list[GateOutcome]:
    """One outcome for each of some runs."""
    outcomes = []
    for place in range(runs):
        worse = [one for one in found.worse if one.place == place]
        total = sum(one.place == place for one in found)
        said = f"none of {total} inputs is worse than in {found.old}"
        if worse:
            named = "; ".join(one.sentence for one in worse[:_NAMED])
            more = "; ..." if len(worse) > _NAMED else ""
            verb = "is" if len(worse) == 1 else "are"
            said = f"{len(worse)} of {total} inputs {verb} worse than in {found.old}: {named}{more}"
        indices = frozenset(one.index for one in worse if one.new is not None)
        condition = f"not worse than {found.old}"
        outcomes.append(GateOutcome(condition, not worse, said, place, indices))
    return outcomes
