"""Linear expressions with exact coefficients, and the comparisons between them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from onnx_lippa.errors import InputError
from onnx_lippa.spec.formula import Comparison
from onnx_lippa.spec.vnnlib.tokens import quoted

MAX_DIGITS: Final = 1_000
"""Length and exponent of a number in the text: beyond any float, but quick to compute with."""
MAX_BITS: Final = 20_000
"""Length of a number that arithmetic makes of them."""

NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE](?P<exponent>[+-]?\d+))?", re.ASCII)

ZERO: Final = Fraction(0)
ONE: Final = Fraction(1)


@dataclass(slots=True)
class Linear:
    """``constant + sum of coefficient * variable``.

    Attributes:
        constant: what remains without variables.
        terms: coefficients of variables; input i is the key i, output j the key -1 - j.
    """

    constant: Fraction = ZERO
    terms: dict[int, Fraction] = field(default_factory=dict)

    def add(self, other: Linear, factor: Fraction = ONE) -> None:
        """Adds a multiple of another expression, in place."""
        self.constant = checked(self.constant + factor * other.constant)
        for variable, coefficient in other.terms.items():
            total = self.terms.get(variable, ZERO) + factor * coefficient
            self.terms[variable] = checked(total)

    def scale(self, factor: Fraction) -> None:
        """Multiplies by a number, in place."""
        self.constant = checked(self.constant * factor)
        for variable, coefficient in self.terms.items():
            self.terms[variable] = checked(coefficient * factor)

    def is_constant(self) -> bool:
        """Whether no variable is left."""
        return not any(self.terms.values())

    def at_most_zero(self, strict: bool, line: int) -> Comparison:
        """The comparison ``self <= 0``."""
        found = sorted((key, value) for key, value in self.terms.items() if value)
        inputs = tuple((key, value) for key, value in found if key >= 0)
        outputs = tuple((-1 - key, value) for key, value in reversed(found) if key < 0)
        return Comparison(inputs, outputs, -self.constant, strict, line)


def mirrored(comparison: Comparison) -> Comparison:
    """The same comparison the other way round: ``>=`` for ``<=``."""
    return Comparison(
        tuple((index, -coefficient) for index, coefficient in comparison.inputs),
        tuple((index, -coefficient) for index, coefficient in comparison.outputs),
        -comparison.bound,
        comparison.strict,
        comparison.line,
    )


def checked(value: Fraction) -> Fraction:
    """The number itself.

    Raises:
        InputError: arithmetic has made it too long.
    """
    if value.numerator.bit_length() + value.denominator.bit_length() > MAX_BITS:
        raise InputError(f"arithmetic makes a number of more than {MAX_BITS} bits: simplify it")
    return value


def number(word: str) -> Fraction | None:
    """The number a word stands for, exactly, or None where it is not a number.

    Raises:
        InputError: a word longer than :data:`MAX_DIGITS`, or so large an exponent.
    """
    if len(word) > MAX_DIGITS:
        raise InputError(f"{quoted(word)} has more than {MAX_DIGITS} characters: shorten it")
    match = NUMBER.fullmatch(word)
    if match is None:
        return None
    exponent = match["exponent"]
    if exponent and abs(int(exponent)) > MAX_DIGITS:
        raise InputError(f"{quoted(word)} has an exponent beyond {MAX_DIGITS}: correct it")
    return Fraction(word)
