"""Small VNN-LIB texts."""

from __future__ import annotations

from onnx_lippa.spec import Formula
from onnx_lippa.spec.vnnlib import Query, parse


def declared(inputs: int = 2, outputs: int = 2) -> str:
    """Declarations, on one line."""
    names = [f"X_{i}" for i in range(inputs)] + [f"Y_{j}" for j in range(outputs)]
    return " ".join(f"(declare-const {name} Real)" for name in names)


def query(*assertions: str, inputs: int = 2, outputs: int = 2) -> Query:
    """What a text with these assertions asks; the first of them is on line 2."""
    lines = [declared(inputs, outputs), *(f"(assert {formula})" for formula in assertions)]
    return parse("\n".join(lines), "prop.vnnlib")


def formula(assertion: str) -> Formula:
    """The formula of one assertion over X_0, X_1, Y_0, Y_1."""
    (part,) = query(assertion).formula.parts
    return part
