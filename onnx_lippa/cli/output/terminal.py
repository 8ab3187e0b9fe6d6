"""Printing on the terminal, with control characters escaped: names come from files of others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import typer
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook
from rich.segment import Segment
from typing_extensions import override

from onnx_lippa.text import printable, printable_lines

_KEPT: Final = "\n"


def console(*, stderr: bool = False, quiet: bool = False, soft_wrap: bool = False) -> Console:
    """A console without markup that escapes control characters.

    Args:
        stderr: whether it prints to the standard error.
        quiet: whether it prints nothing.
        soft_wrap: whether lines are left to the terminal to break.
    """
    made = Console(stderr=stderr, quiet=quiet, soft_wrap=soft_wrap, markup=False)
    made.push_render_hook(_Escaping())
    return made


def echo(text: str, *, newline: bool = True) -> None:
    """Prints lines of text without styles, control characters escaped."""
    typer.echo(printable_lines(text), nl=newline)


class _Escaping(RenderHook):
    """Escapes the control characters of everything that is rendered."""

    @override
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Escaped(renderable) for renderable in renderables]


class _Escaped:
    """A renderable with its control characters escaped, but for those of rich itself."""

    def __init__(self, inner: ConsoleRenderable) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self._inner, options):
            text, style, control = segment
            if control is None and not text.replace(_KEPT, "").isprintable():
                text = _KEPT.join(map(printable, text.split(_KEPT)))
            yield Segment(text, style, control)
