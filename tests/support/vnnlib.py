"""Small VNN-LIB texts."""

from __future__ import annotations

from onnx_lippa.spec import Formula
from onnx_lippa.spec.formula import And
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
    found = query(assertion).formula
    assert isinstance(found, And)
    (part,) = found.parts
    return part


DECLARED = "".join(f"(declare-const {v} Real)\n" for v in ("X_0", "X_1", "Y_0", "Y_1"))


BOX = "".join(f"(assert (>= X_{i} 0.1))\n(assert (<= X_{i} 0.9))\n" for i in (0, 1))


SAT = DECLARED + BOX + "(assert (>= Y_0 0.7))\n"


UNSAT = DECLARED + BOX + "(assert (>= Y_0 0.95))\n"
