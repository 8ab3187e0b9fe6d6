"""Text that others wrote, made fit for a message or a terminal.

Names in a model, paths, cells of a list and the words of another library's error may hold anything:
control characters that steer a terminal, line breaks that look like a message of ours, or ten
million letters. Every message and every table goes through here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

LONGEST: Final = 3000
"""Most characters of one line."""
_LONGEST_WORD: Final = 300
"""Most characters without a space: a path fits, a name of a megabyte does not."""
_LONG_WORD: Final = re.compile(rf"\S{{{_LONGEST_WORD + 1},}}")
_MOST_LINES: Final = 60


def printable(text: object) -> str:
    """One line of limited length, without characters that a terminal acts upon.

    What is left out is marked by an ellipsis; other characters are written as in a Python string.
    """
    line = _LONG_WORD.sub(lambda word: _shortened(word[0], _LONGEST_WORD), str(text))
    line = _shortened(line, LONGEST)
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def printable_lines(text: object) -> str:
    """The same line by line, for text whose line breaks are our own."""
    lines = str(text).split("\n")
    if len(lines) > _MOST_LINES:
        left_out = len(lines) - _MOST_LINES
        lines = [*lines[:_MOST_LINES], f"... and {left_out:,} more"]
    return "\n".join(map(printable, lines))


def listed(names: Sequence[str], most: int = 10) -> str:
    """Names in quotes with commas between them, the first ones where there are many."""
    shown = ", ".join(f"'{printable(name)}'" for name in names[:most])
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return (shown or "none") + more


def _shortened(text: str, most: int) -> str:
    """The text, or its beginning and its end where it is longer."""
    if len(text) <= most:
        return text
    end = most // 3
    return f"{text[: most - end - 1]}…{text[-end:]}"


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
