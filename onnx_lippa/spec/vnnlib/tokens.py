"""The words of a VNN-LIB text and their lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

# Possessive and with a stop at every delimiter, so that no text takes more than linear time.
TOKEN: Final = re.compile(
    r"""
    ;[^\n]*+                                                # a comment
    | \((?:[<>]=?+)\s++[^\s();"|]++\s++[^\s();"|]++\s*+\)   # a comparison of two words
    | [()]
    | "[^"]*+" | \|[^|]*+\|
    | [^\s();"|\[\]]*+\[[^\[\]();"|]*+\]                    # a word and what it has in brackets
    | [^\s();"|]++
    | ["|]                                                  # without its partner
    """,
    re.VERBOSE,
)


class Tokens:
    """Iterates over words without comments; a lone quote is an unclosed string.

    Square brackets and their content belong to the word directly before them. A comparison of two
    words, parentheses included, is one token, since most of a file consists of them.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        """Position of the last word."""
        self._counted, self._line = 0, 1

    def __iter__(self) -> Iterator[str]:
        for match in TOKEN.finditer(self.text):
            word = match.group()
            if word[0] != ";":
                self.position = match.start()
                yield word

    def line(self, position: int) -> int:
        """The line of a position; fast if positions increase."""
        if position < self._counted:
            return 1 + self.text.count("\n", 0, position)
        self._line += self.text.count("\n", self._counted, position)
        self._counted = position
        return self._line


def quote(word: str) -> str:
    """A word for messages: printable and short."""
    clear = word[:200].encode("latin-1", "replace").decode("utf-8", "replace")
    safe = "".join(letter if letter.isprintable() else "�" for letter in clear[:40])
    return f"'{safe}…'" if len(clear) > 40 else f"'{safe}'"
