"""Whatever is printed, the terminal gets no control character from a name."""

from __future__ import annotations

import re

from rich.table import Table
from rich.text import Text

from onnx_lippa.cli.output.terminal import console, echo

HOSTILE = "a\x1b[2J\x1b]0;title\x07\rb\x9b31m"


def test_no_control_character_reaches_the_output(capsys):
    table = Table(title=HOSTILE)
    table.add_column(HOSTILE)
    table.add_row(HOSTILE)
    for shown in (HOSTILE, table, Text(HOSTILE, style="bold")):
        console().print(shown)
        console(stderr=True, soft_wrap=True).print(shown)
    echo(HOSTILE + "\nsecond line")
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert text
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    assert "second line" in captured.out.splitlines()


def test_its_own_styles_are_kept(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    console().print(Text("bold\x1b[31m", style="bold"))
    out = capsys.readouterr().out
    assert out.startswith("\x1b[1m")
    assert r"\x1b[31m" in out


def test_markup_is_printed_as_it_is(capsys):
    console().print("[bold]name[/bold]")
    assert capsys.readouterr().out == "[bold]name[/bold]\n"
