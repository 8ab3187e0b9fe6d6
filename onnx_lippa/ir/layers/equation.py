"""The equation of an Einsum, with a label for every axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx_lippa.ir.layers.node import Unsupported

_DOTS = "..."


@dataclass(frozen=True)
class Equation:
    """Which axes of the operands are one and the same.

    Attributes:
        terms: for every operand a label for each of its axes.
        output: the labels of the result.
    """

    terms: tuple[tuple[str, ...], ...]
    output: tuple[str, ...]


def parsed(text: str, ranks: Sequence[int]) -> Equation:
    """The equation that a text states for operands of these ranks.

    An ellipsis becomes labels of its own (".0" is its last axis), so that the axes of several
    operands are aligned at their ends, as broadcasting does.

    Raises:
        Unsupported: it is no equation, or does not fit the operands.
    """
    left, arrow, right = text.replace(" ", "").partition("->")
    written = left.split(",")
    if len(written) != len(ranks):
        raise Unsupported(f"its equation '{text}' has {len(written)} terms for {len(ranks)} inputs")
    terms = tuple(_term(term, rank, text) for term, rank in zip(written, ranks, strict=True))
    labels = [label for term in terms for label in term]
    dots = sorted({label for label in labels if label[0] == "."}, reverse=True)
    if arrow:
        output = _term(right, len(right.replace(_DOTS, "")) + len(dots), text)
    else:
        letters = [label for label in labels if label not in dots]
        output = (*dots, *sorted(label for label in letters if letters.count(label) == 1))
    if len(set(output)) != len(output) or not set(output) <= set(labels):
        raise Unsupported(f"its equation '{text}' has an output that its terms do not give")
    return Equation(terms, output)


def _term(written: str, rank: int, text: str) -> tuple[str, ...]:
    """One label for each axis of a tensor of this rank."""
    front, dots, behind = written.partition(_DOTS)
    hidden = rank - len(front) - len(behind)
    letters = front + behind
    if (letters and not (letters.isascii() and letters.isalpha())) or hidden < 0:
        raise Unsupported(f"its equation '{text}' does not fit its inputs")
    if hidden and not dots:
        raise Unsupported(f"its equation '{text}' does not name all axes of its inputs")
    return (*front, *(f".{i}" for i in reversed(range(hidden))), *behind)
