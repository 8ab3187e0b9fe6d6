"""Affine forms ``constant + on_input x + on_units z`` of many numbers at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import Float64, Integers, Shape


@dataclass(frozen=True)
class Forms:
    """One form for every number of a value.

    Attributes:
        on_input: (1 + d, *shape): the constant, then the coefficient of each feature.
        on_units: (units, *shape): the coefficient of each unit.
    """

    on_input: Float64
    on_units: Float64

    @classmethod
    def constant(cls, values: Float64) -> Forms:
        """Forms that depend on nothing."""
        return cls(values[None], np.zeros((0, *values.shape)))

    @property
    def count(self) -> int:
        """Number of forms of a flat value."""
        return int(self.on_input.shape[1])

    def padded(self, features: int, units: int) -> Forms:
        """The same among more features and units."""
        wanted = (1 + features, units)
        parts = (self.on_input, self.on_units)
        if tuple(map(len, parts)) == wanted:
            return self
        return Forms(
            *(
                np.concatenate([part, np.zeros((count - len(part), *part.shape[1:]))])
                for part, count in zip(parts, wanted, strict=True)
            )
        )

    def reshaped(self, shape: Shape) -> Forms:
        """The same numbers in another shape."""
        return Forms(
            self.on_input.reshape(len(self.on_input), *shape),
            self.on_units.reshape(len(self.on_units), *shape),
        )

    def take(self, chosen: Integers) -> Forms:
        """Some of flat forms."""
        return Forms(self.on_input[:, chosen], self.on_units[:, chosen])

    def shifted(self, by: Float64) -> Forms:
        """Forms plus constants."""
        on_input = self.on_input.copy()
        on_input[0] += by
        return Forms(on_input, self.on_units)

    def scaled(self, by: Float64) -> Forms:
        """Forms times constants."""
        return Forms(self.on_input * by, self.on_units * by)

    def plus(self, other: Forms) -> Forms:
        """Sums, over the features and units of both."""
        features = max(len(self.on_input), len(other.on_input)) - 1
        units = max(len(self.on_units), len(other.on_units))
        mine, theirs = self.padded(features, units), other.padded(features, units)
        return Forms(mine.on_input + theirs.on_input, mine.on_units + theirs.on_units)
