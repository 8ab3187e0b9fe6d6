"""Parses VNN-LIB 1.0 and 2.0 to an exact formula, in one pass without recursion."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from onnx_lippa.clock import NEVER, require_time
from onnx_lippa.errors import InputError
from onnx_lippa.spec.formula import And, Formula
from onnx_lippa.spec.vnnlib.declarations import DECLARE_TENSOR, NAME, Tensors, Variables
from onnx_lippa.spec.vnnlib.expressions import (
    ARITHMETIC,
    COMPARISONS,
    CONNECTIVES,
    Assertions,
    Terms,
    Value,
    flips,
)
from onnx_lippa.spec.vnnlib.tokens import Tokens, quote

MAX_DEPTH: Final = 10_000
"""Largest nesting of parentheses."""
MAX_WORDS: Final = 4_000_000
"""Most words of one statement."""
MAX_REMEMBERED: Final = 100_000
_WORDS_PER_LOOK: Final = 4096
"""Words between two checks of the deadline."""

IGNORED: Final = frozenset({"set-logic", "set-info", "set-option", "check-sat", "get-model"})
"""Commands that do not affect the property."""
DECLARE: Final = {
    "declare-const": "(declare-const X_0 Real)",
    "declare-fun": "(declare-fun X_0 () Real)",
}
_TAKES_FORMULAS: Final = CONNECTIVES | {"assert"}
_COMMANDS: Final = (
    IGNORED | DECLARE.keys() | {"assert", "exit", "declare-network", "vnnlib-version"}
)
_VERSION: Final = re.compile(r"<[12]\.\d{1,9}>", re.ASCII)
"""Minor versions are compatible."""
_OPERATORS: Final = CONNECTIVES | COMPARISONS | ARITHMETIC


@dataclass(frozen=True)
class Query:
    """The query of a file: is there an input at which the formula holds?

    Attributes:
        formula: all assertions.
        inputs: number of inputs declared.
        outputs: number of outputs declared.
        sha256: digest of the text of the file; empty if there is none.
    """

    formula: Formula
    inputs: int
    outputs: int
    sha256: str = ""


def parse(text: str, source: str, deadline: float = NEVER) -> Query:
    """Parses a VNN-LIB text.

    Args:
        text: the text.
        source: the file, for messages.
        deadline: ``time.monotonic()`` at which reading stops.

    Raises:
        InputError: text that is not VNN-LIB, or something in it that is not supported; the
            message names the line.
        OutOfTimeError: the deadline has passed.
    """
    return _Parser(text, source, deadline).query()


@dataclass(slots=True)
class _Frame:
    """An open parenthesis.

    Attributes:
        start: its position.
        negated: whether it is under an odd number of negations.
        operator: the word after it; empty if there is none yet.
        values: the items so far.
    """

    start: int
    negated: bool = False
    operator: str = ""
    values: list[Value] = field(default_factory=list)

    def negates_next(self) -> bool:
        """Whether the next value is under an odd number of negations."""
        return self.negated != flips(self.operator, len(self.values))

    def append(self, word: str) -> None:
        """Adds a word. Brackets by themselves index the tensor before them."""
        if word[0] == "[" and self.values and self.operator in _OPERATORS:
            last = self.values[-1]
            if isinstance(last, str) and NAME.fullmatch(last):
                self.values[-1] = last + word
                return
        self.values.append(word)


class _Parser:
    """Keeps a stack of open parentheses; each becomes a value when it is closed."""

    def __init__(self, text: str, source: str, deadline: float) -> None:
        self._deadline = deadline
        self._tokens = Tokens(text)
        self._source = source
        self._declared = Variables()
        self._tensors = Tensors()
        self._terms = Terms(self._key)
        self._assertions = Assertions(self._terms)
        self._frames: list[_Frame] = []
        self._asserted: list[Formula] = []
        self._remembered: dict[tuple[str, bool], Formula] = {}
        self._words = 0

    def query(self) -> Query:
        try:
            self._read()
        except InputError as problem:
            line = self._tokens.line(self._tokens.position)
            raise InputError(f"{self._source}, line {line}: {problem}") from problem
        try:
            inputs, outputs = (self._tensors or self._declared).counts()
        except InputError as problem:
            raise InputError(f"{self._source}: {problem}") from problem
        if not self._asserted:
            raise InputError(
                f"{self._source} asserts nothing: add (assert ...) with the formula that is sought"
            )
        return Query(And(tuple(self._asserted)), inputs, outputs)

    def _read(self) -> None:
        for number, word in enumerate(self._tokens):
            if number % _WORDS_PER_LOOK == 0:
                require_time(self._deadline)
            if word[0] == "(" and len(word) > 1:
                self._simple_comparison(word)
            elif self._take(word) == "exit":
                return
        if self._frames:
            opened = self._tokens.line(self._frames[0].start)
            self._tokens.position = len(self._tokens.text)
            raise InputError(
                f"the file ends inside the parenthesis opened on line {opened}, so it is "
                "incomplete: fetch or write it again"
            )

    def _simple_comparison(self, word: str) -> None:
        if not self._frames or self._frames[-1].operator not in _TAKES_FORMULAS:
            for part in ("(", *word[1:-1].split(), ")"):
                self._take(part)
            return
        frame = self._frames[-1]
        negated = frame.negates_next()
        # Files with many boxes repeat their bounds, so comparisons are cached by their words.
        known = self._remembered.get((word, negated))
        if known is None:
            operator, *values = word[1:-1].split()
            line = self._tokens.line(self._tokens.position)
            known = self._assertions.comparison(operator, values, negated, line)
            if len(self._remembered) < MAX_REMEMBERED:
                self._remembered[word, negated] = known
        frame.values.append(known)

    def _take(self, word: str) -> str:
        """Processes a word; returns the operator of the parenthesis it closes, if any."""
        if word == "(":
            self._open()
        elif word == ")":
            return self._close()
        elif not self._frames:
            raise InputError(f"{quote(word)} is outside all parentheses: remove it")
        elif word in {'"', "|"}:
            raise InputError("a quotation that begins here never ends: close or remove it")
        elif self._frames[-1].operator:
            self._frames[-1].append(word)
            self._words += 1
            if self._words > MAX_WORDS:
                raise InputError(
                    f"one statement has more than {MAX_WORDS} words, the most that is supported: "
                    "split it"
                )
        else:
            self._begin(self._frames[-1], word)
        return ""

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
        """Processes the word after a parenthesis."""
        if len(self._frames) == 1:
            if word not in _COMMANDS:
                raise InputError(
                    f"the command {quote(word)} is not supported: use declare-const and assert"
                )
        elif self._frames[-2].operator == "declare-network":
            if word not in DECLARE_TENSOR:
                raise InputError(
                    f"{quote(word)} is not supported in declare-network: use declare-input and "
                    "declare-output"
                )
        elif word not in _OPERATORS:
            raise InputError(
                f"{quote(word)} is not supported as an operator: write the assertion with and, "
                "or, not, =>, <=, >=, <, >, =, +, -, * and / alone"
            )
        frame.operator = word

    def _close(self) -> str:
        """Closes the innermost parenthesis; returns its operator."""
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
            self._words = 0
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
        """The value of parentheses in a command other than assert."""
        if not frame.operator:
            raise InputError("a () holds nothing: remove it")
        if frame.operator == "()" and frame.values:
            raise InputError("a function with arguments is not supported: use declare-const")
        if frame.operator in DECLARE_TENSOR:
            self._tensors.declare(frame.operator, frame.values)
        return frame.operator

    def _command(self, frame: _Frame) -> None:
        operator, values = frame.operator, frame.values
        if operator == "assert":
            if len(values) != 1:
                raise InputError(
                    f"assert takes one formula but has {len(values)}: join them with and"
                )
            self._asserted.append(self._assertions.formula(values[0], "assert"))
        elif operator in DECLARE:
            self._declare([value for value in values if value != "()"], DECLARE[operator])
        elif operator == "declare-network":
            self._tensors.network(values)
        elif operator == "vnnlib-version" and not _is_known_version(values):
            raise InputError(
                "this version of VNN-LIB is not known: write it as <1.0> or <2.0>, or another "
                "version that begins with 1 or 2"
            )
        elif not operator:
            raise InputError("a () holds nothing: remove it")
        if self._tensors and self._declared.keys:
            raise InputError(
                "declare-const and declare-network are both used: use the latter alone, as VNN-LIB "
                "2.0 does, or the former alone, as 1.0 does"
            )

    def _declare(self, values: list[Value], example: str) -> None:
        words = [value for value in values if isinstance(value, str)]
        if len(words) != 2 or len(values) != 2:
            raise InputError(f"a declaration takes a name and a sort: write it like {example}")
        self._declared.declare(*words)

    def _key(self, name: str) -> int:
        return self._tensors.key(name) if self._tensors else self._declared.key(name)


def _is_known_version(values: Sequence[Value]) -> bool:
    """Whether ``vnnlib-version`` has one argument, a supported version."""
    (value,) = values if len(values) == 1 else ("",)
    return isinstance(value, str) and _VERSION.fullmatch(value) is not None
