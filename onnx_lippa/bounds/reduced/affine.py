"""Affine forms ``constant + on_input x + on_units z`` of many numbers at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from onnx_lippa.arrays import Float64, Integers, Shape
from onnx_lippa.bounds.rounding import EPSILON, UNDERFLOW


@dataclass(frozen=True)
class Forms:
    """One form for every number of a value.

    For every input of the set, with the z that the network has there, the number is the form but
    for its error.

    Attributes:
        on_input: (1 + d, *shape): the constant, then the coefficient of each feature.
        on_units: (units, *shape): the coefficient of each unit.
        size: (*shape) what the sizes of the terms sum up to at most.
        error: (*shape) how far the number may be from the form.
    """

    on_input: Float64
    on_units: Float64
    size: Float64
    error: Float64

    @classmethod
    def constant(cls, values: Float64) -> Forms:
        """Forms that depend on nothing."""
        nothing = np.zeros((0, *values.shape))
        return cls(values[None], nothing, np.abs(values), np.zeros(values.shape))

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
        on_input, on_units = (
            np.concatenate([part, np.zeros((count - len(part), *part.shape[1:]))])
            for part, count in zip(parts, wanted, strict=True)
        )
        return replace(self, on_input=on_input, on_units=on_units)

    def reshaped(self, shape: Shape) -> Forms:
        """The same numbers in another shape."""
        return Forms(
            self.on_input.reshape(len(self.on_input), *shape),
            self.on_units.reshape(len(self.on_units), *shape),
            self.size.reshape(shape),
            self.error.reshape(shape),
        )

    def take(self, chosen: Integers) -> Forms:
        """Some of flat forms."""
        return Forms(
            self.on_input[:, chosen], self.on_units[:, chosen],
            self.size[chosen], self.error[chosen],
        )  # fmt: skip

    def along(self, axis: int, place: int) -> Forms:
        """The forms in one place of an axis of the value, which is dropped."""
        on_input, on_units = (
            np.take(part, place, axis=axis + 1) for part in (self.on_input, self.on_units)
        )
        return Forms(
            on_input,
            on_units,
            np.take(self.size, place, axis=axis),
            np.take(self.error, place, axis=axis),
        )

    def where(self, condition: np.ndarray, other: Forms) -> Forms:
        """These flat forms where a condition (m,) holds, others elsewhere."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Forms(*(np.where(condition, mine, theirs) for mine, theirs in pairs))

    def replaced(self, places: Integers, other: Forms) -> Forms:
        """Flat forms with others in some places."""
        parts = [part.copy() for part in vars(self).values()]
        for part, new in zip(parts, vars(other).values(), strict=True):
            part[..., places] = new
        return Forms(*parts)

    def shifted(self, by: Float64) -> Forms:
        """Forms plus constants."""
        on_input = self.on_input.copy()
        on_input[0] += by
        rounding = np.where(by == 0, 0.0, EPSILON * np.abs(on_input[0]))
        return replace(
            self, on_input=on_input, size=self.size + np.abs(by), error=self.error + rounding
        )

    def scaled(self, by: Float64, off: Float64 | float = 0.0) -> Forms:
        """Forms times constants, which may be off by so much themselves."""
        size, error = (part * np.abs(by) for part in (self.size, self.error))
        rounding = np.where(np.abs(by) == 1, 0.0, 4 * EPSILON * (size + error) + UNDERFLOW)
        rounding += off * (self.size + self.error)
        return Forms(self.on_input * by, self.on_units * by, size, error + rounding)

    def plus(self, other: Forms) -> Forms:
        """Sums, over the features and units of both."""
        features = max(len(self.on_input), len(other.on_input)) - 1
        units = max(len(self.on_units), len(other.on_units))
        mine, theirs = self.padded(features, units), other.padded(features, units)
        size = self.size + other.size
        return Forms(
            mine.on_input + theirs.on_input,
            mine.on_units + theirs.on_units,
            size,
            (self.error + other.error) * (1 + 4 * EPSILON) + 4 * EPSILON * size,
        )

    @classmethod
    def side_by_side(cls, parts: Sequence[Forms], features: int, units: int) -> Forms:
        """Flat forms one behind the other, among so many features and units."""
        wide = [vars(part.padded(features, units)).values() for part in parts]
        return cls(*(np.concatenate(each, axis=-1) for each in zip(*wide, strict=True)))
