"""What a trial is, and how it can end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Ending(Enum):
    """How a trial ended; the first two are as it should be."""

    HELD = "held"
    UNDECIDED = "undecided"
    LOST = "lost"
    CRASHED = "crashed"
    FALSE = "false claim"
    LATE = "late"

    @property
    def is_fault(self) -> bool:
        """Whether the program broke its word."""
        return self not in (Ending.HELD, Ending.UNDECIDED)


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        kind: its kind.
        seed: what repeats it.
        ending: how it ended.
        note: what was tried, and what went wrong.
    """

    kind: str
    seed: int
    ending: Ending
    note: str = ""


@dataclass(frozen=True)
class Kind:
    """One kind of trial.

    Attributes:
        name: its name.
        run: the trials of one seed.
        seeds: how many seeds the suite runs, in seconds all together.
        is_slow: whether the suite leaves it to the slow tests.
    """

    name: str
    run: Callable[[int], list[Trial]]
    seeds: int
    is_slow: bool = False
