"""Random choices under names that read well in the families."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Draws:
    """Choices by one generator."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self.generator.random() < probability)

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return int(self.generator.integers(low, high + 1))

    def integers(self, low: int, high: int, count: int) -> list[int]:
        """Some of them."""
        return [self.integer(low, high) for _ in range(count)]

    def number(self, low: float, high: float) -> float:
        """A number of few digits."""
        return round(float(self.generator.uniform(low, high)), 3)

    def pick(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.integer(0, len(items) - 1)]

    def some(self, items: Sequence[T]) -> list[T]:
        """At least one of the items, in their order."""
        count = self.integer(1, len(items))
        places = self.generator.choice(len(items), count, replace=False)
        return [items[place] for place in sorted(places)]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in any order."""
        return [items[place] for place in self.generator.permutation(len(items))]

    def normal(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        """Normal float32 numbers."""
        return (scale * self.generator.normal(size=shape)).astype(np.float32)

    def signed(self, axis: int, rank: int) -> int:
        """An axis counted from either end."""
        return axis - rank if self.chance(0.3) else axis

    def sparse(self, **values: tuple[object, object]) -> dict[str, object]:
        """Attributes from (value, default): a default is left out as often as not."""
        return {
            name: value
            for name, (value, default) in values.items()
            if value != default or self.chance(0.5)
        }

    def parts(self, total: int, count: int) -> list[int]:
        """Positive whole numbers of this sum."""
        cuts = self.generator.choice(np.arange(1, total), count - 1, replace=False)
        edges = [0, *sorted(int(cut) for cut in cuts), total]
        return [high - low for low, high in pairwise(edges)]

    def factors(self, total: int, count: int) -> list[int]:
        """Positive whole numbers of this product."""
        extents = []
        for _ in range(count - 1):
            extents.append(self.pick([n for n in range(1, total + 1) if total % n == 0]))
            total //= extents[-1]
        return self.shuffled([*extents, total])

    def broadcasting(self, shape: Sequence[int], grow: float = 0.0) -> tuple[int, ...]:
        """The shape of a constant that meets samples of a shape, with or without leading axes.

        Args:
            shape: the samples' shape.
            grow: how often the constant enlarges an axis of extent 1.
        """
        if self.chance(0.2):
            return ()
        extents = [
            self.integer(2, 3)
            if extent == 1 and self.chance(grow)
            else 1
            if self.chance(0.35)
            else extent
            for extent in shape
        ]
        if self.chance(0.3):
            return (1, *extents)
        return tuple(extents[self.integer(0, len(extents)) if self.chance(0.4) else 0 :])
