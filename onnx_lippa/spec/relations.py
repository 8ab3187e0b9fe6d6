"""Relations between features that every allowed input keeps: one-hot groups and linear equations.

Like a grid they are part of the input set: candidates are moved onto them, and a witness meets
them. Programs and proofs know them as affine rows (:meth:`Relations.rows`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import scipy.sparse as sp

from onnx_lippa.arrays import Float64, Floats
from onnx_lippa.errors import InputError
from onnx_lippa.spec.feature_names import choose_features, find_features
from onnx_lippa.spec.norms.embedding import Rows

_TERM: Final = re.compile(
    r"\s*([+-]?)\s*(?:([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*\*\s*)?([^+\-*\s][^+\-*]*)"
)
_LEAST_PARTS: Final = 2
_ROOM: Final = 1 + 1e-6


@final
@dataclass(frozen=True)
class Equation:
    """``total = sum(coefficient * feature)``, up to the rounding of the model's type.

    Attributes:
        total: the feature that the others determine.
        features: the others.
        coefficients: their coefficients.
    """

    total: int
    features: tuple[int, ...]
    coefficients: tuple[float, ...]

    def value(self, x: Float64) -> float:
        """The total of a point (d,)."""
        return float(np.dot(x[list(self.features)], self.coefficients))

    def holds(self, x: Float64, dtype: np.dtype[np.floating]) -> bool:
        """Whether a stored point (d,) meets it: within the rounding of its numbers."""
        terms = np.abs(x[list(self.features)] * self.coefficients).sum() + abs(x[self.total])
        tolerance = float(np.finfo(dtype).eps) * terms
        return bool(abs(x[self.total] - self.value(x)) <= tolerance)


@final
@dataclass(frozen=True)
class Relations:
    """The relations of a specification.

    Attributes:
        one_hot: groups of features, of which one is 1 and the others are 0.
        equations: linear equations; no total is a part of another.
    """

    one_hot: tuple[tuple[int, ...], ...] = ()
    equations: tuple[Equation, ...] = ()

    def __post_init__(self) -> None:
        grouped = [feature for group in self.one_hot for feature in group]
        totals = [one.total for one in self.equations]
        parts = {feature for one in self.equations for feature in one.features}
        if any(len(group) < _LEAST_PARTS for group in self.one_hot):
            raise InputError("a one-hot group has one feature alone: give all its features")
        if len(set(grouped)) < len(grouped):
            raise InputError("two one-hot groups share a feature: give each its own")
        if len(set(totals)) < len(totals) or set(totals) & (parts | set(grouped)):
            raise InputError(
                "the total of one relation is part of another, or of a one-hot group: state each "
                "total by features that no relation determines"
            )

    @classmethod
    def build(
        cls,
        one_hot: Sequence[str | Sequence[str] | Sequence[int]],
        equations: Sequence[str],
        d: int,
        names: Sequence[str],
    ) -> Relations:
        """From groups and equations like ``total = a + 2 * b``, by the names of features.

        Raises:
            InputError: names that are no features, or an equation that is not understood.
        """
        groups = tuple(
            tuple(choose_features("one_hot", [one] if isinstance(one, str) else one, d, names))
            for one in one_hot
        )
        for feature in (feature for group in groups for feature in group):
            if not 0 <= feature < d:
                raise InputError(
                    f"one_hot names feature {feature}: give features from 0 to {d - 1}"
                )
        return cls(groups, tuple(_equation(text, names) for text in equations))

    @property
    def features(self) -> list[int]:
        """The features of one-hot groups."""
        return [feature for group in self.one_hot for feature in group]

    def hold(self, x: Floats, dtype: np.dtype[np.floating]) -> bool:
        """Whether a stored point (d,) meets all."""
        exact = x.astype(np.float64)
        for group in self.one_hot:
            values = exact[list(group)]
            if not (np.all((values == 0) | (values == 1)) and values.sum() == 1):
                return False
        return all(one.holds(exact, dtype) for one in self.equations)

    def matrix(self, d: int) -> Float64:
        """Rows (n, d) that are constant over all inputs: equations, and the sums of groups."""
        matrix = np.zeros((len(self.equations) + len(self.one_hot), d))
        for row, one in zip(matrix, self.equations, strict=False):
            row[list(one.features)] = -np.array(one.coefficients)
            row[one.total] = 1.0
        for row, group in zip(matrix[len(self.equations) :], self.one_hot, strict=True):
            row[list(group)] = 1.0
        return matrix

    def rows(self, largest: Float64, dtype: np.dtype[np.floating]) -> Rows:
        """Affine rows that every stored point that meets the relations satisfies.

        The sides of an equation leave the room that :meth:`Equation.holds` leaves, rounded up.

        Args:
            largest: (d,) the largest absolute value of each feature; a row that needs an infinite
                one is left out.
            dtype: the type of the model.
        """
        matrix = self.matrix(largest.size)
        equations = np.arange(len(matrix)) < len(self.equations)
        terms = np.count_nonzero(matrix, axis=1) + 4
        with np.errstate(invalid="ignore"):
            sizes = np.where(matrix != 0, np.abs(matrix) * largest, 0.0).sum(axis=1)
        share = float(np.finfo(dtype).eps) + terms * float(np.finfo(np.float64).eps)
        room = np.where(equations, _ROOM * share * sizes, 0.0)
        kept, middle = np.isfinite(room), np.where(equations, 0.0, 1.0)
        rows = Rows(sp.csr_array(matrix), middle - room, middle + room)
        return Rows(sp.csr_array(matrix[kept]), rows.lower[kept], rows.upper[kept])

    def move_onto(self, x: Floats, center: Float64) -> Floats:
        """The stored point (d,) that meets all and is near a point: of a group the largest is 1.

        Where several are largest, it is one that is not the clean input's.
        """
        moved = x.copy()
        for group in self.one_hot:
            values = x[list(group)]
            largest = np.flatnonzero(values == values.max())
            others = [place for place in largest.tolist() if center[group[place]] != 1]
            moved[list(group)] = 0
            moved[group[(others or largest.tolist())[0]]] = 1
        for one in self.equations:
            moved[one.total] = one.value(moved.astype(np.float64))
        return moved

    def fault(self, x: Floats) -> str | None:
        """What a clean input (d,) does not meet, or None."""
        for group in self.one_hot:
            if not Relations((group,)).hold(x, x.dtype):
                return (
                    f"features {list(group)} hold {x[list(group)].tolist()}, which is not one-hot"
                )
        for one in self.equations:
            exact = x.astype(np.float64)
            if not one.holds(exact, x.dtype):
                total = one.value(exact)
                return f"feature {one.total} is {x[one.total]}, and its parts sum to {total:g}"
        return None

    def as_json(self) -> dict[str, Any]:
        """The relations as plain JSON values; without any, nothing."""
        values: dict[str, Any] = {
            "one_hot": [list(group) for group in self.one_hot],
            "equations": [
                {
                    "total": one.total,
                    "features": list(one.features),
                    "coefficients": list(one.coefficients),
                }
                for one in self.equations
            ],
        }
        return {name: value for name, value in values.items() if value}

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Relations:
        """From plain JSON values.

        Raises:
            ValueError, TypeError, KeyError, InputError: they are no relations.
        """
        groups = tuple(tuple(_indices(group)) for group in values.get("one_hot", []))
        equations = tuple(
            Equation(
                next(_indices([one["total"]])),
                tuple(_indices(one["features"])),
                tuple(map(float, one["coefficients"])),
            )
            for one in values.get("equations", [])
        )
        if any(len(one.features) != len(one.coefficients) for one in equations):
            raise ValueError("an equation has more features than coefficients, or fewer")
        return cls(groups, equations)


NO_RELATIONS: Final = Relations()


def _indices(values: Sequence[object]) -> Iterator[int]:
    for value in values:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
            raise TypeError("a feature of a relation is no index")
        yield value


def _equation(text: str, names: Sequence[str]) -> Equation:
    """An equation in words."""
    total, equals, terms = text.partition("=")
    parts: dict[int, float] = {}
    place = 0
    while equals and terms[place:].strip():
        found = _TERM.match(terms, place)
        if found is None or (place > 0 and not found[1]):
            break
        place = found.end()
        feature = _one_feature(found[3].strip(), names)
        factor = float(found[2] or 1) * (-1 if found[1] == "-" else 1)
        parts[feature] = parts.get(feature, 0.0) + factor
    if not parts or terms[place:].strip():
        raise InputError(
            f"the relation {text!r} is not understood: give one like total = a + 2 * b - c"
        )
    return Equation(_one_feature(total.strip(), names), tuple(parts), tuple(parts.values()))


def _one_feature(name: str, names: Sequence[str]) -> int:
    found = find_features("the relation", name, names)
    if len(found) > 1:
        raise InputError(f"the relation names {name!r}, which are {len(found)} features: name one")
    return found[0]
