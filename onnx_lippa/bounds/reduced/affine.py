"""Affine expressions ``constant + on_input x + on_units z``, one for every number of a value.

Each carries a bound of its error: for every input, with the z that the network has there, the
number differs from its expression by at most the error.

Rounding of affine layers (:class:`RoundingAlgebra`). With X_j the largest absolute value that
coefficient c_j multiplies, the *size* of an expression is at least ``Σ_j X_j |c_j|``. An operation
with weights W takes sizes to ``|W| size`` and errors to ``|W| error``, and the rounding of its own
sums adds a share of ``|W| size`` for the number of their terms (as in ``bounds/interval.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NoReturn, final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import Float64, Integers, Shape, size
from onnx_lippa.bounds.proven import EPSILON, UNDERFLOW
from onnx_lippa.ir.algebra import Algebra, ConvGeometry, NumpyAlgebra


@dataclass(frozen=True)
class AffineExpressions:
    """One affine expression for every number of a value.

    Attributes:
        on_input: (1 + d, *shape): the constant, then the coefficient of each feature.
        on_units: (units, *shape): the coefficient of each unit.
        size: (*shape) upper bounds of the sums of the absolute values of the terms.
        error: (*shape) upper bounds of the difference of number and expression.
    """

    on_input: Float64
    on_units: Float64
    size: Float64
    error: Float64

    @classmethod
    def constant(cls, values: Float64) -> AffineExpressions:
        """Constants."""
        nothing = np.zeros((0, *values.shape))
        return cls(values[None], nothing, np.abs(values), np.zeros(values.shape))

    @property
    def count(self) -> int:
        """Number of expressions of a flat value."""
        return int(self.on_input.shape[1])

    def pad(self, features: int, units: int) -> AffineExpressions:
        """The same over more features and units, with coefficients 0."""
        wanted = (1 + features, units)
        parts = (self.on_input, self.on_units)
        if tuple(map(len, parts)) == wanted:
            return self
        on_input, on_units = (
            np.concatenate([part, np.zeros((count - len(part), *part.shape[1:]))])
            for part, count in zip(parts, wanted, strict=True)
        )
        return replace(self, on_input=on_input, on_units=on_units)

    def reshape(self, shape: Shape) -> AffineExpressions:
        """The same expressions in another shape."""
        return AffineExpressions(
            self.on_input.reshape(len(self.on_input), *shape),
            self.on_units.reshape(len(self.on_units), *shape),
            self.size.reshape(shape),
            self.error.reshape(shape),
        )

    def take(self, chosen: Integers) -> AffineExpressions:
        """Some of flat expressions."""
        return AffineExpressions(
            self.on_input[:, chosen], self.on_units[:, chosen],
            self.size[chosen], self.error[chosen],
        )  # fmt: skip

    def along(self, axis: int, position: int) -> AffineExpressions:
        """The expressions at one position of an axis, which is dropped."""
        on_input, on_units = (
            np.take(part, position, axis=axis + 1) for part in (self.on_input, self.on_units)
        )
        return AffineExpressions(
            on_input,
            on_units,
            np.take(self.size, position, axis=axis),
            np.take(self.error, position, axis=axis),
        )

    def where(self, condition: np.ndarray, other: AffineExpressions) -> AffineExpressions:
        """These flat expressions where a condition (m,) holds, the others elsewhere."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return AffineExpressions(*(np.where(condition, mine, theirs) for mine, theirs in pairs))

    def put(self, chosen: Integers, other: AffineExpressions) -> AffineExpressions:
        """A copy of flat expressions with some of them replaced."""
        parts = [part.copy() for part in vars(self).values()]
        for part, new in zip(parts, vars(other).values(), strict=True):
            part[..., chosen] = new
        return AffineExpressions(*parts)

    def shift(self, by: Float64) -> AffineExpressions:
        """The expressions plus constants."""
        on_input = self.on_input.copy()
        on_input[0] += by
        rounding = np.where(by == 0, 0.0, EPSILON * np.abs(on_input[0]))
        return replace(
            self, on_input=on_input, size=self.size + np.abs(by), error=self.error + rounding
        )

    def scale(self, by: Float64, off: Float64 | float = 0.0) -> AffineExpressions:
        """The expressions times constants, each with an error of at most ``off``."""
        size, error = (part * np.abs(by) for part in (self.size, self.error))
        rounding = np.where(np.abs(by) == 1, 0.0, 4 * EPSILON * (size + error) + UNDERFLOW)
        rounding += off * (self.size + self.error)
        return AffineExpressions(self.on_input * by, self.on_units * by, size, error + rounding)

    def add(self, other: AffineExpressions) -> AffineExpressions:
        """Sums, over the features and units of both operands."""
        features = max(len(self.on_input), len(other.on_input)) - 1
        units = max(len(self.on_units), len(other.on_units))
        mine, theirs = self.pad(features, units), other.pad(features, units)
        size = self.size + other.size
        return AffineExpressions(
            mine.on_input + theirs.on_input,
            mine.on_units + theirs.on_units,
            size,
            (self.error + other.error) * (1 + 4 * EPSILON) + 4 * EPSILON * size,
        )

    @classmethod
    def concatenate(
        cls, parts: Sequence[AffineExpressions], features: int, units: int
    ) -> AffineExpressions:
        """Flat expressions one after another, over the given numbers of features and units."""
        wide = [vars(part.pad(features, units)).values() for part in parts]
        return cls(*(np.concatenate(each, axis=-1) for each in zip(*wide, strict=True)))


_EXTRA_OPERATIONS: Final = 6
"""Operations beside the sum itself, on sizes and errors too."""


@final
class RoundingAlgebra(Algebra[Float64]):
    """Affine operations on pairs (size, error), the two samples of a batch."""

    def __init__(self) -> None:
        self._at = NumpyAlgebra()

    @override
    def add(self, left: Float64, right: Float64) -> Float64:
        return _add_rounding(left + right, 1)

    @override
    def add_constant(self, x: Float64, constant: Float64) -> Float64:
        both = np.stack([np.abs(constant), np.zeros(constant.shape)])
        missing = constant.ndim - (x.ndim - 1)
        wide = x.reshape(2, *(1,) * max(0, missing), *x.shape[1:])
        return _add_rounding(wide + both.reshape(2, *(1,) * max(0, -missing), *constant.shape), 1)

    @override
    def scale(self, x: Float64, constant: Float64) -> Float64:
        product = self._at.scale(x, np.abs(constant))
        exact = np.all((constant == 0.0) | (np.abs(constant) == 1.0))
        return product if exact else _add_rounding(product, 1)

    @override
    def matmul(self, x: Float64, weight: Float64) -> Float64:
        return _sum_terms(weight, weight.shape[-2], lambda w: self._at.matmul(x, w))

    @override
    def left_matmul(self, weight: Float64, x: Float64) -> Float64:
        return _sum_terms(weight, weight.shape[-1], lambda w: self._at.left_matmul(w, x))

    @override
    def conv(self, x: Float64, weight: Float64, geometry: ConvGeometry) -> Float64:
        terms = size(weight.shape[1:])
        return _sum_terms(weight, terms, lambda w: self._at.conv(x, w, geometry))

    @override
    def conv_transpose(
        self, u: Float64, weight: Float64, geometry: ConvGeometry, extents: tuple[int, ...]
    ) -> Float64:
        terms = weight.shape[0] * size(weight.shape[2:])
        return _sum_terms(weight, terms, lambda w: self._at.conv_transpose(u, w, geometry, extents))

    @override
    def reshape(self, x: Float64, shape: Shape) -> Float64:
        return self._at.reshape(x, shape)

    @override
    def permute(self, x: Float64, axes: tuple[int, ...]) -> Float64:
        return self._at.permute(x, axes)

    @override
    def take(self, x: Float64, axis: int, source: Shape, indices: Integers) -> Float64:
        return self._at.take(x, axis, source, indices)

    @override
    def concatenate(self, parts: Sequence[Float64], axis: int) -> Float64:
        return self._at.concatenate(parts, axis)

    @override
    def broadcast(self, x: Float64, shape: Shape) -> Float64:
        return self._at.broadcast(x, shape)

    @override
    def sum_to(self, u: Float64, source: Shape, shape: Shape) -> Float64:
        terms = size(source) // max(1, size(shape))
        total = self._at.sum_to(u, source, shape)
        return total if terms == 1 else _add_rounding(total, terms)

    @override
    def relu(self, x: Float64) -> NoReturn:
        raise _NOT_AFFINE

    @override
    def maximum(self, x: Float64, axis: int) -> NoReturn:
        raise _NOT_AFFINE

    @override
    def at_least(self, x: Float64, threshold: Float64) -> NoReturn:
        raise _NOT_AFFINE

    @override
    def argmax(self, x: Float64, axis: int) -> NoReturn:
        raise _NOT_AFFINE

    @override
    def one_hot(self, positions: Float64, shape: Shape, axis: int) -> NoReturn:
        raise _NOT_AFFINE

    @override
    def where(self, condition: Float64, if_true: Float64, if_false: Float64) -> NoReturn:
        raise _NOT_AFFINE

    @override
    def mask(self, condition: Float64, x: Float64) -> NoReturn:
        raise _NOT_AFFINE


_NOT_AFFINE: Final = TypeError("an affine layer uses an operation that is not affine")


def _sum_terms(weight: Float64, terms: int, operate: Callable[[Float64], Float64]) -> Float64:
    """An operation whose results are sums of so many terms, on absolute weights."""
    return _add_rounding(operate(np.abs(weight)), terms)


def _add_rounding(pair: Float64, terms: int) -> Float64:
    """Adds the rounding of sums of so many terms, on the pair itself too."""
    share = (terms + _EXTRA_OPERATIONS) * EPSILON
    sizes, errors = pair[0] * (1 + share), pair[1] * (1 + share)
    return np.stack([sizes, errors + share * sizes + UNDERFLOW])
