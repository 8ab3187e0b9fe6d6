"""Names for the arrays that travel between the floors.

Sizes used in docstrings throughout: ``n`` rows of a batch, ``d`` input features (flattened),
``k`` outputs (classes).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

FLOAT32: Final = np.dtype(np.float32)
"""The type of inputs of most models."""

Float64: TypeAlias = npt.NDArray[np.float64]
"""Exact arithmetic: weights, regions, linear programs."""

Float32: TypeAlias = npt.NDArray[np.float32]
"""Inputs of models, and witnesses as they are stored."""

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
"""Either of the two, where a function works in the precision it is given."""

Integers: TypeAlias = npt.NDArray[np.int64]
States: TypeAlias = npt.NDArray[np.signedinteger[Any]]
"""The piece every unit of a piecewise-linear layer is on: int8 where there are two, else int32."""

AnyArray: TypeAlias = npt.NDArray[Any]
Shape: TypeAlias = tuple[int, ...]
"""Shape of one sample: the batch axis is never part of it."""


class InputRows(Protocol):
    """Inputs (n, d): an array of floats, or an object whose rows are read as one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n, d)``."""

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """The type of the rows."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: int | slice | Integers, /) -> Floats: ...


@dataclass(frozen=True)
class Batch:
    """Arrays (n, ...), batches, or None, which have one row each for the same n things."""

    def take(self, rows: AnyArray) -> Self:
        """Some rows, in this order."""
        return self._combine(lambda part: part[rows])

    def put(self, rows: AnyArray, other: Self) -> Self:
        """A copy with some rows replaced."""

        def replace_rows(part: AnyArray, new: AnyArray) -> AnyArray:
            part = part.copy()
            part[rows] = new
            return part

        return self._combine(replace_rows, other)

    def concatenate(self, other: Self) -> Self:
        """These rows, then the others."""
        return self._combine(lambda *parts: np.concatenate(parts), other)

    def _combine(self, operate: Callable[..., AnyArray], *others: Self) -> Self:
        parts: list[Any] = []
        for field in fields(self):
            part, *rest = (getattr(one, field.name) for one in (self, *others))
            if isinstance(part, Batch):
                parts.append(part._combine(operate, *rest))
            else:
                parts.append(None if part is None else operate(part, *rest))
        return type(self)(*parts)


def size(shape: Shape) -> int:
    """Number of elements of one sample of this shape."""
    return math.prod(shape)
