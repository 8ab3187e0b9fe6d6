"""What gates found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from onnx_lippa.errors import GateError


@final
@dataclass(frozen=True)
class GateOutcome:
    """Whether a run meets one condition.

    Attributes:
        condition: the condition, as a person reads it.
        passed: whether it is met.
        sentence: what was found, and by how much it misses the limit.
        place: place of the run among those that were checked.
        inputs: indices of the inputs that it fails for; empty where it is met.
    """

    condition: str
    passed: bool
    sentence: str
    place: int = 0
    inputs: frozenset[int] = frozenset()

    def as_json(self) -> dict[str, object]:
        """The outcome as plain JSON values."""
        return {
            "condition": self.condition,
            "passed": self.passed,
            "sentence": self.sentence,
            "inputs": sorted(self.inputs),
        }


@final
@dataclass(frozen=True)
class Check:
    """The outcomes of all conditions.

    Attributes:
        outcomes: one for each condition, run and group.
    """

    outcomes: tuple[GateOutcome, ...]

    @property
    def passed(self) -> bool:
        """Whether every condition is met."""
        return all(one.passed for one in self.outcomes)

    @property
    def failures(self) -> tuple[GateOutcome, ...]:
        """The outcomes of the conditions that are not met."""
        return tuple(one for one in self.outcomes if not one.passed)

    def summary(self) -> str:
        """One line for each condition."""
        return "\n".join(
            f"{'passed' if one.passed else 'failed'}: {one.condition}: {one.sentence}"
            for one in self.outcomes
        )

    def require(self) -> None:
        """Raises GateError if a condition is not met.

        Raises:
            GateError: its message has one line for each condition that is not met.
        """
        if not self.passed:
            raise GateError(tuple(one.sentence for one in self.failures))
