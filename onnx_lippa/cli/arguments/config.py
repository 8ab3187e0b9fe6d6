"""``--config FILE``: options from a TOML file, and the options of a command as such a file.

Options of all commands stand at the top of the file, those of one command in a table of its name. A
value of the table wins over one at the top, and the command line wins over both.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

import typer
from typer.models import ParameterInfo

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
_AMOUNTS: Final = ("eps", "scale", "lower", "upper", "grid")
"""Options of text that may be a number in a file, a list of numbers, or a table by feature."""
_CHOICES: Final = ("fixed", "only-up", "only-down", "targets", "indices")
"""Options of text that may be a number in a file, or a list of numbers or names."""
_NAMES: Final = ("features", "categorical", "classes", "one-hot")
"""Options of text that may be a list of names in a file."""
_ARRAYS: Final = (*_AMOUNTS, "fixed", "only-up", "only-down")
"""Options of text that may name a file with an array."""
_ARRAY_FILES: Final = (".npy", ".npz")
_HEADER: Final = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?")


@dataclass(frozen=True)
class ConfigOption:
    """An option as it stands in a configuration.

    Attributes:
        name: its name there, that of the option without dashes before it.
        parameter: the name of the command's parameter.
        kind: the type of its values: bool, int, float, str or Path.
        repeats: whether it may be given several times, and is a list here.
        help: what it means.
        default: its default value; None without one.
    """

    name: str
    parameter: str
    kind: type
    repeats: bool
    help: str
    default: object

    def schema(self) -> dict[str, Any]:
        """The JSON schema of its values."""
        kinds = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string"}
        values: dict[str, Any] = {"type": kinds[self.kind]}
        number, text = {"type": "number"}, {"type": "string"}
        many = {"type": "array", "minItems": 1}
        if self.name in _AMOUNTS:
            table = {"type": "object", "additionalProperties": number, "minProperties": 1}
            values = {"anyOf": [text, number, many | {"items": number}, table]}
        elif self.name in _CHOICES:
            values = {"anyOf": [text, number, many | {"items": number}, many | {"items": text}]}
        elif self.name in _NAMES:
            values = {"anyOf": [text, many | {"items": text}]}
        elif self.repeats:
            values = {"anyOf": [values, {"type": "array", "items": values}]}
        default = {} if self.default is None else {"default": self.default}
        return {"description": self.help, **values, **default}

    def take(self, value: object, folder: Path) -> object:
        """A value of a file as the command takes it; paths begin at the file's folder.

        Raises:
            TypeError: it has another type; the message says which one is wanted.
        """
        if isinstance(value, list) and self.repeats:
            return [self._take_one(one, folder) for one in value]
        joined = self._join(value)
        if joined is not None:
            return joined
        taken = self._take_one(value, folder)
        return [taken] if self.repeats else taken

    def _join(self, value: object) -> str | None:
        """Numbers and names as the text of the command line; None for other values."""
        parts = value if isinstance(value, list) else [value]
        is_list = bool(parts) and isinstance(value, list)
        numbers, names = all(map(_is_number, parts)), all(isinstance(one, str) for one in parts)
        if parts and numbers and self.name in (*_AMOUNTS, *_CHOICES):
            return ",".join(str(one) for one in parts)
        if is_list and names and self.name in (*_CHOICES, *_NAMES):
            return ",".join(map(str, parts))
        if self.name in _AMOUNTS and isinstance(value, dict) and value:
            by_name = [f"{name}={one}" for name, one in value.items() if _is_number(one)]
            return ",".join(by_name) if len(by_name) == len(value) else None
        return None

    def _take_one(self, value: object, folder: Path) -> object:
        fits = isinstance(value, bool) == (self.kind is bool)
        if self.kind is float and fits and isinstance(value, int | float):
            return float(value)
        if self.kind is Path and isinstance(value, str):
            if value == "-":
                return value  # the standard output
            return str(folder / value)
        if not fits or not isinstance(value, self.kind):
            raise TypeError(self._wanted())
        is_file = self.name in _ARRAYS and Path(str(value)).suffix.lower() in _ARRAY_FILES
        return str(folder / str(value)) if is_file else value

    def _wanted(self) -> str:
        if self.name in _AMOUNTS:
            return "a number, a list of numbers, numbers by feature, or text"
        if self.name in _CHOICES:
            return "a number, a list of numbers or names, or text"
        if self.name in _NAMES:
            return "text, or a list of names"
        kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "text",
                 Path: "text with a path"}  # fmt: skip
        return f"{kinds[self.kind]}, or a list of such" if self.repeats else kinds[self.kind]


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
    return ConfigOption(
        name.lstrip("-"), parameter.name, get_args(kind)[0] if repeats else kind, repeats,
        str(info.help or ""), default,
    )  # fmt: skip


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
                found[name] = options[name].take(value, folder)
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


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _show(value: object) -> str:
    """A value of TOML as it may have been written."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    return f"{value!r}" if len(repr(value)) < 60 else f"of type {type(value).__name__}"


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
        options[name] = _plain(one, value)
    if model is not None and data is not None:
        files = {"model": str(model.resolve()), "data": str(data.resolve())}
        options = files | {name: one for name, one in options.items() if name not in files}
    return Configuration(command, options)


def _plain(option: ConfigOption, value: object) -> OptionValue:
    """The value of an option as TOML has it."""
    if isinstance(value, list | tuple):
        return [str(one) for one in value]
    if isinstance(value, Path):
        return str(value.resolve())
    if isinstance(value, bool | int | float):
        return value
    text = str(value)
    if option.name in _ARRAYS and Path(text).suffix.lower() in _ARRAY_FILES:
        return str(Path(text).resolve())
    if option.name in (*_AMOUNTS, *_CHOICES):
        with suppress(ValueError):
            numbers = [float(part) for part in text.split(",")]
            whole = [int(one) for one in numbers if one.is_integer()]
            plain = whole if len(whole) == len(numbers) else numbers
            return plain[0] if len(plain) == 1 else plain
    return text


def schema() -> dict[str, Any]:
    """The JSON schema of a configuration, from the options of the commands."""
    tables: dict[str, dict[str, Any]] = {
        name: {
            "type": "object",
            "description": f"Options of onnx-lippa {name}.",
            "properties": {key: one.schema() for key, one in options_of(name).items()},
            "additionalProperties": False,
        }
        for name in CONFIGURED
    }
    common: dict[str, Any] = {}
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
