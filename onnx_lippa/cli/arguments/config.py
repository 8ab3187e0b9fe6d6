"""``--config FILE``: options from a TOML file, and the options of a command as such a file.

Options of all commands stand at the top of the file, those of one command in a table of its name. A
value of the table wins over one at the top, and the command line wins over both.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Union, final, get_args, get_origin

import typer
from typer.models import ParameterInfo

from onnx_lippa.cli.arguments.option_kinds import OptionKind, Schema, choose_kind
from onnx_lippa.errors import InputError
from onnx_lippa.runs.configuration import Configuration, OptionValue
from onnx_lippa.text import listed

CONFIGURED: Final = ("attack", "certify", "audit", "distance")
"""The commands that take a configuration."""
_NOT_IN_FILES: Final = ("config", "help")
_NOT_IN_RUNS: Final = (
    *_NOT_IN_FILES,
    "out",
    "quiet",
    "json",
    "log-json",
    "format",
    "counterexample",
)
"""Options that change nothing about a run, or are another's in the next one."""
_MOST_SHOWN: Final = 60
"""Characters from which a value is not repeated in a message."""
_HEADER: Final = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?")


@final
@dataclass(frozen=True)
class ConfigOption:
    """An option as it stands in a configuration.

    Attributes:
        name: its name there, that of the option without dashes before it.
        parameter: the name of the command's parameter.
        kind: what its values are.
        help: what it means.
        default: its default value; None without one.
    """

    name: str
    parameter: str
    kind: OptionKind
    help: str
    default: object

    def schema(self) -> Schema:
        """The JSON schema of its values, described."""
        default = {} if self.default is None else {"default": self.default}
        return {"description": self.help, **self.kind.schema(), **default}


@cache
def options_of(command: str) -> Mapping[str, ConfigOption]:
    """The options of a command by their names in a configuration."""
    function: Callable[..., None] = getattr(
        import_module(f"onnx_lippa.cli.commands.{command}"), command
    )
    found = map(_option_of, signature(function).parameters.values())
    return {one.name: one for one in found if one.name not in _NOT_IN_FILES}


def _option_of(parameter: Parameter) -> ConfigOption:
    base, *annotated = get_args(parameter.annotation)
    (info,) = [one for one in annotated if isinstance(one, ParameterInfo)]
    # Typer keeps the first name of an option that is an annotation in the place of its default.
    words = [str(word) for word in (info.default, *(info.param_decls or ()))]
    written = [word for word in words if word.startswith("--")]
    name = written[0].split("/")[0] if written else parameter.name.replace("_", "-")
    kinds = [one for one in get_args(base) if one is not NoneType]
    kind = kinds[0] if get_origin(base) in (Union, UnionType) else base
    repeats = get_origin(kind) is list
    default = parameter.default
    if default is Parameter.empty or not isinstance(default, bool | int | float | str):
        default = None
    name, kind = name.lstrip("-"), get_args(kind)[0] if repeats else kind
    return ConfigOption(
        name, parameter.name, choose_kind(name, kind, repeats), str(info.help or ""), default
    )


def read_config(path: Path, command: str) -> dict[str, object]:
    """The options of a command that a file states, by the names of the command's parameters.

    All of the file is checked, other commands' tables included.

    Raises:
        InputError: it cannot be read, or states what no command takes.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise InputError(f"--config {path} cannot be read ({reason}): give a TOML file") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"--config {path} is no TOML: {error}") from error
    tables = {name: values[name] for name in CONFIGURED if isinstance(values.get(name), dict)}
    common = {name: value for name, value in values.items() if name not in tables}
    file = _File(path, text)
    for name in CONFIGURED:
        if name in common:
            raise file.refuse("", name, f"is no table: write [{name}]")
    every = {name: one for other in CONFIGURED for name, one in options_of(other).items()}
    chosen = file.take("", common, every)
    taken = {name: file.take(name, table, options_of(name)) for name, table in tables.items()}
    mine = options_of(command)
    stated = {name: value for name, value in chosen.items() if name in mine}
    stated |= taken.get(command, {})
    return {mine[name].parameter: value for name, value in stated.items()}


@dataclass(frozen=True)
class _File:
    """A configuration and its text, for messages that name a line."""

    path: Path
    text: str

    def take(
        self, table: str, values: Mapping[str, Any], options: Mapping[str, ConfigOption]
    ) -> dict[str, object]:
        """The values of a table, checked."""
        folder, found = self.path.parent, {}
        for name, value in values.items():
            if name not in options:
                known = [*options, *(CONFIGURED if not table else ())]
                raise self.refuse(table, name, f"is no option of {table or 'any command'}", known)
            try:
                found[name] = options[name].kind.take(value, folder)
            except TypeError as error:
                raise self.refuse(table, name, f"is {_show(value)}: give {error}") from None
        return found

    def refuse(
        self, table: str, name: str, what: str, known: Iterable[str] | None = None
    ) -> InputError:
        """The error of a key, with its line if it is found, and with the nearest known one."""
        line = self._line(table, name)
        where = f"{self.path}, line {line}" if line else str(self.path)
        advice = ""
        if known is not None:
            near = get_close_matches(name.replace("_", "-").lower(), list(known), n=1)
            advice = f": write {near[0]}" if near else f"; there are {listed(sorted(known))}"
        within = f" in [{table}]" if table else ""
        return InputError(f"--config {where}: {name!r}{within} {what}{advice}")

    def _line(self, table: str, name: str) -> int | None:
        """The line of a key; None where it is written in an unusual way."""
        at, key = "", re.compile(rf"\s*[\"']?{re.escape(name)}[\"']?\s*[.=]")
        dotted = re.compile(rf"\s*{re.escape(table)}\s*\.\s*[\"']?{re.escape(name)}[\"']?\s*[.=]")
        for number, line in enumerate(self.text.splitlines(), start=1):
            header = _HEADER.fullmatch(line)
            if header is not None:
                at = header[1].strip("\"' ")
                if not table and at.split(".")[0].strip("\"' ") == name:
                    return number
            elif (at == table and key.match(line)) or (table and not at and dotted.match(line)):
                return number
        return None


def _show(value: object) -> str:
    """A value of TOML as it may have been written."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if len(repr(value)) >= _MOST_SHOWN:
        return f"of type {type(value).__name__}"
    return f"[{', '.join(map(_show, value))}]" if isinstance(value, list) else repr(value)


def apply_config(context: typer.Context, path: Path | None) -> Path | None:
    """A callback of Typer: makes what the file states the defaults of the command's options."""
    completes = context.resilient_parsing
    if path is not None and context.info_name is not None and not completes:
        context.default_map = read_config(path, context.info_name)
    return path


_GIVEN: Final = ContextVar[tuple[str, Mapping[str, object]]]("options of the command that runs")


def remember(command: str, given: Mapping[str, object]) -> None:
    """Keeps the options of the command that begins, by the names of its parameters."""
    _GIVEN.set((command, dict(given)))


def effective(model: Path | None, data: Path | None) -> Configuration:
    """The options of the command that runs, as they were read.

    Args:
        model: the model; None for a list of instances.
        data: the file of the inputs; None if they are in none.
    """
    command, given = _GIVEN.get()
    options: dict[str, OptionValue] = {}
    for name, one in options_of(command).items():
        value = given.get(one.parameter)
        if value is None or value == () or name in _NOT_IN_RUNS:
            continue
        options[name] = one.kind.write(value)
    if model is not None and data is not None:
        files = {"model": str(model.resolve()), "data": str(data.resolve())}
        options = files | {name: one for name, one in options.items() if name not in files}
    return Configuration(command, options)


def schema() -> Schema:
    """The JSON schema of a configuration, from the options of the commands."""
    tables: dict[str, Schema] = {
        name: {
            "type": "object",
            "description": f"Options of onnx-lippa {name}.",
            "properties": {key: one.schema() for key, one in options_of(name).items()},
            "additionalProperties": False,
        }
        for name in CONFIGURED
    }
    common: Schema = {}
    for name in CONFIGURED:
        for key, value in tables[name]["properties"].items():
            common.setdefault(key, value)
            if common[key] != value:
                common[key] = {k: v for k, v in common[key].items() if value.get(k) == v}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of onnx-lippa",
        "description": "Options of all commands at the top, those of one command in its table.",
        "type": "object",
        "properties": common | tables,
        "additionalProperties": False,
    }
