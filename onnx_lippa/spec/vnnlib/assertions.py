"""Formulas between the parentheses of an assertion: connectives and comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from onnx_lippa.errors import InputError
from onnx_lippa.spec.formula import Comparison, Every, Formula, Some
from onnx_lippa.spec.vnnlib.linear import Linear, mirrored
from onnx_lippa.spec.vnnlib.terms import Terms, Value
from onnx_lippa.spec.vnnlib.tokens import quoted

CONNECTIVES: Final = frozenset({"and", "or", "not", "=>"})
COMPARISONS: Final = frozenset({"<=", ">=", "<", ">", "=", "==", "!=", "distinct"})

_ARGUMENTS: Final = {"not": 1, "=>": 2}

MAX_COMPARISONS: Final = 1_000_000
"""Each takes a few hundred bytes."""


class Assertions:
    """Makes formulas, with every negation pushed into the comparisons."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._made = 0

    def formula(self, value: Value, operator: str, negated: bool = False) -> Formula:
        """The formula a value stands for; only ``true`` and ``false`` are still to be negated.

        Raises:
            InputError: it is a number or an unknown word.
        """
        if isinstance(value, Comparison | Every | Some):
            return value
        if isinstance(value, Linear):
            raise InputError(f"{operator} takes formulas but has a number in it: compare it first")
        if value not in {"true", "false"}:
            raise InputError(f"{operator} takes formulas but has {quoted(value)} in it: correct it")
        return Every(()) if (value == "true") != negated else Some(())

    def connective(self, operator: str, values: Sequence[Value], negated: bool) -> Formula:
        """What a connective makes of formulas whose own negations are pushed in already.

        Raises:
            InputError: a wrong number of arguments, or one that is not a formula.
        """
        wanted = _ARGUMENTS.get(operator, max(len(values), 1))
        if len(values) != wanted:
            raise InputError(
                f"the number of formulas in {operator} is {len(values)}: give it {wanted}"
            )
        parts = tuple(
            self.formula(value, operator, negated != flips(operator, place))
            for place, value in enumerate(values)
        )
        if operator == "not":
            return parts[0]
        return Every(parts) if (operator == "and") != negated else Some(parts)

    def comparison(
        self, operator: str, values: Sequence[Value], negated: bool, line: int
    ) -> Formula:
        """A comparison; of more than two values, that of every two neighbours.

        Raises:
            InputError: fewer than two values, or one that is not linear.
        """
        if len(values) < 2:
            raise InputError(
                f"{operator} compares at least two values but has {len(values)}: add another"
            )
        if operator in {"!=", "distinct"}:
            if len(values) > 2:
                raise InputError(f"{operator} is supported for two values: write one for each pair")
            operator, negated = "=", not negated
        parts = tuple(self._compared(operator, *pair, negated, line) for pair in pairwise(values))
        if len(parts) == 1:
            return parts[0]
        return Some(parts) if negated else Every(parts)

    def _compared(
        self, operator: str, left: Value, right: Value, negated: bool, line: int
    ) -> Formula:
        self._made += 1
        if self._made > MAX_COMPARISONS:
            raise InputError(
                f"there are more than {MAX_COMPARISONS} different comparisons, the most that is "
                "supported: split the property into several"
            )
        if operator in {"=", "=="}:
            one = self._terms.at_most(left, right, negated, line, operator)
            both = (one, mirrored(one))
            return Some(both) if negated else Every(both)
        if operator in {">=", ">"}:
            left, right = right, left
        strict = operator in {"<", ">"}
        if negated:
            left, right, strict = right, left, not strict
        return self._terms.at_most(left, right, strict, line, operator)


def flips(operator: str, place: int) -> bool:
    """Whether a connective negates the argument at a place."""
    return operator == "not" or (operator == "=>" and place == 0)
