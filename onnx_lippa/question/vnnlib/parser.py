"""VNN-LIB 1.0, from its text to the exact formula: one pass, without recursion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from onnx_lippa.errors import InputError
from onnx_lippa.question.formula import Every, Formula
from onnx_lippa.question.vnnlib.assertions import COMPARISONS, CONNECTIVES, Assertions, flips
from onnx_lippa.question.vnnlib.declared import Declared
from onnx_lippa.question.vnnlib.terms import ARITHMETIC, Terms, Value
from onnx_lippa.question.vnnlib.tokens import Tokens, quoted

MAX_DEPTH: Final = 10_000
"""How deep parentheses may nest."""

IGNORED: Final = frozenset({"set-logic", "set-info", "set-option", "check-sat", "get-model"})
"""Commands without meaning for the question."""
DECLARE: Final = {
    "declare-const": "(declare-const X_0 Real)",
    "declare-fun": "(declare-fun X_0 () Real)",
}
_COMMANDS: Final = IGNORED | DECLARE.keys() | {"assert", "exit"}
_OPERATORS: Final = CONNECTIVES | COMPARISONS | ARITHMETIC


@dataclass(frozen=True)
class Query:
    """What a file asks: an input at which the formula holds.

    Attributes:
        formula: all assertions.
        inputs: number of inputs declared.
        outputs: number of outputs declared.
    """

    formula: Formula
    inputs: int
    outputs: int


def parse(text: str, source: str) -> Query:
    """The question in a VNN-LIB text.

    Args:
        text: the text.
        source: the file, for messages.

    Raises:
        InputError: text that is not VNN-LIB, or something in it that is not supported; the
            message names the line.
    """
    return _Parser(text, source).query()


@dataclass(slots=True)
class _Frame:
    """An open parenthesis.

    Attributes:
        start: its position.
        negated: whether it stands under an odd number of negations.
        operator: the word after it; empty as long as there is none.
        values: what has followed.
    """

    start: int
    negated: bool = False
    operator: str = ""
    values: list[Value] = field(default_factory=list)

    def negates_next(self) -> bool:
        """Whether the next value stands under an odd number of negations."""
        return self.negated != flips(self.operator, len(self.values))


class _Parser:
    """Open parentheses are a list; each becomes a value when it is closed."""

    def __init__(self, text: str, source: str) -> None:
        self._tokens = Tokens(text)
        self._source = source
        self._declared = Declared()
        self._terms = Terms(self._declared)
        self._assertions = Assertions(self._terms)
        self._frames: list[_Frame] = []
        self._asserted: list[Formula] = []

    def query(self) -> Query:
        try:
            self._read()
        except InputError as problem:
            line = self._tokens.line(self._tokens.position)
            raise InputError(f"{self._source}, line {line}: {problem}") from problem
        try:
            inputs, outputs = self._declared.counts()
        except InputError as problem:
            raise InputError(f"{self._source}: {problem}") from problem
        if not self._asserted:
            raise InputError(
                f"{self._source} asserts nothing: add (assert ...) with what is sought"
            )
        return Query(Every(tuple(self._asserted)), inputs, outputs)

    def _read(self) -> None:
        for word in self._tokens:
            if word == "(":
                self._open()
            elif word == ")":
                if self._close() == "exit":
                    return
            elif not self._frames:
                raise InputError(f"{quoted(word)} is outside all parentheses: remove it")
            elif word in {'"', "|"}:
                raise InputError("a quotation that begins here never ends: close or remove it")
            elif self._frames[-1].operator:
                self._frames[-1].values.append(word)
            else:
                self._begin(self._frames[-1], word)
        if self._frames:
            opened = self._tokens.line(self._frames[0].start)
            self._tokens.position = len(self._tokens.text)
            raise InputError(
                f"the file ends inside the parenthesis opened on line {opened}, so it is "
                "incomplete: fetch or write it again"
            )

    def _open(self) -> None:
        frame = _Frame(self._tokens.position)
        if self._frames:
            outer = self._frames[-1]
            if not outer.operator:
                raise InputError("a ( follows directly on another (: write an operator between")
            if len(self._frames) == MAX_DEPTH:
                raise InputError(f"parentheses nest more than {MAX_DEPTH} deep: nest them less")
            frame.negated = outer.negates_next()
            if outer.operator in IGNORED:
                frame.operator = outer.operator
            elif outer.operator == "declare-fun":
                frame.operator = "()"
        self._frames.append(frame)

    def _begin(self, frame: _Frame, word: str) -> None:
        """Takes in the word after a parenthesis."""
        if len(self._frames) == 1:
            if word not in _COMMANDS:
                raise InputError(
                    f"the command {quoted(word)} is not supported: use declare-const and assert"
                )
        elif word not in _OPERATORS:
            raise InputError(
                f"{quoted(word)} is not supported as an operator: write the assertion with and, "
                "or, not, =>, <=, >=, <, >, =, +, -, * and / alone"
            )
        frame.operator = word

    def _close(self) -> str:
        """Makes a value of the innermost parenthesis; returns its operator."""
        if not self._frames:
            raise InputError("a ) closes nothing: remove it, or add the ( that is missing")
        frame = self._frames.pop()
        end = self._tokens.position
        self._tokens.position = frame.start  # where any error is
        value = self._value(frame)
        if self._frames:
            self._frames[-1].values.append(value)
        self._tokens.position = end
        return frame.operator

    def _value(self, frame: _Frame) -> Value:
        operator, values = frame.operator, frame.values
        if not self._frames:
            self._command(frame)
            return ""
        if operator in COMPARISONS:
            line = self._tokens.line(frame.start)
            return self._assertions.comparison(operator, values, frame.negated, line)
        if operator in CONNECTIVES:
            return self._assertions.connective(operator, values, frame.negated)
        if operator in ARITHMETIC:
            return self._terms.arithmetic(operator, values)
        return self._plain(frame)

    def _plain(self, frame: _Frame) -> Value:
        """Parentheses inside a command other than assert."""
        if not frame.operator:
            raise InputError("a () holds nothing: remove it")
        if frame.operator == "()" and frame.values:
            raise InputError("a function with arguments is not supported: use declare-const")
        return frame.operator

    def _command(self, frame: _Frame) -> None:
        values = frame.values
        if frame.operator == "assert":
            if len(values) != 1:
                raise InputError(
                    f"assert takes one formula but has {len(values)}: join them with and"
                )
            self._asserted.append(self._assertions.formula(values[0], "assert"))
        elif frame.operator in DECLARE:
            self._declare([value for value in values if value != "()"], DECLARE[frame.operator])
        elif not frame.operator:
            raise InputError("a () holds nothing: remove it")

    def _declare(self, values: list[Value], example: str) -> None:
        words = [value for value in values if isinstance(value, str)]
        if len(words) != 2 or len(values) != 2:
            raise InputError(f"a declaration takes a name and a sort: write it like {example}")
        self._declared.declare(*words)
