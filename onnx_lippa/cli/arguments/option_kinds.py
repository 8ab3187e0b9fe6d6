"""The kinds of options in a configuration: what TOML may say for each, and how a run writes it.

TOML has types of its own, and the command line only text. A kind knows both. Values of TOML have
exact types: ``true`` is no number here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, final

from typing_extensions import override

from onnx_lippa.runs.configuration import OptionValue

Schema: TypeAlias = dict[str, Any]
"""A JSON schema."""
_ARRAY_FILES: Final = (".npy", ".npz")
_NUMBER: Final[Schema] = {"type": "number"}
_TEXT: Final[Schema] = {"type": "string"}
_MANY: Final[Schema] = {"type": "array", "minItems": 1}


class OptionKind(ABC):
    """What the values of an option are."""

    @abstractmethod
    def schema(self) -> Schema:
        """The JSON schema of its values in a file."""

    @abstractmethod
    def describe(self) -> str:
        """What a file may give, as a phrase after "give"."""

    @abstractmethod
    def take(self, value: object, folder: Path) -> object:
        """A value of a file as the command takes it; paths begin at the file's folder.

        Raises:
            TypeError: it is of another type.
        """

    @abstractmethod
    def write(self, value: object) -> OptionValue:
        """The value of a command as a file has it; paths are absolute."""


@final
@dataclass(frozen=True)
class Plain(OptionKind):
    """Values that TOML and the command have in one type.

    Attributes:
        json_type: their type in JSON.
        said: what they are called.
        convert: makes a value of the command.
        types: the types of TOML that they have.
    """

    json_type: str
    said: str
    convert: Callable[[Any], bool | int | float | str]
    types: tuple[type, ...]

    @override
    def schema(self) -> Schema:
        return {"type": self.json_type}

    @override
    def describe(self) -> str:
        return self.said

    @override
    def take(self, value: object, folder: Path) -> object:
        if type(value) not in self.types:
            raise TypeError(self.said)
        return self.convert(value)

    @override
    def write(self, value: object) -> OptionValue:
        return self.convert(value)


@final
class FilePath(OptionKind):
    """A path; ``-`` is the standard output."""

    @override
    def schema(self) -> Schema:
        return _TEXT

    @override
    def describe(self) -> str:
        return "text with a path"

    @override
    def take(self, value: object, folder: Path) -> object:
        if not isinstance(value, str):
            raise TypeError(self.describe())
        return value if value == "-" else str(folder / value)

    @override
    def write(self, value: object) -> OptionValue:
        return str(Path(str(value)).resolve())


class TextOrValues(OptionKind):
    """Text on the command line, and values of TOML's own types in a file beside it."""

    @override
    def take(self, value: object, folder: Path) -> object:
        text = value if isinstance(value, str) else self.join(value)
        if text is None:
            raise TypeError(self.describe())
        return str(folder / text) if self.names_array(text) else text

    @override
    def write(self, value: object) -> OptionValue:
        text = str(value)
        return str(Path(text).resolve()) if self.names_array(text) else self.split(text)

    @abstractmethod
    def join(self, value: object) -> str | None:
        """A value that is no text as the command line has it; None if it does not fit."""

    def names_array(self, text: str) -> bool:
        """Whether a text names a file with an array."""
        del text
        return False

    def split(self, text: str) -> OptionValue:
        """A text that names no file, as a file has it."""
        return text


@final
class Amounts(TextOrValues):
    """A number, one for each feature, numbers by the names of features, or a file of them."""

    @override
    def schema(self) -> Schema:
        table = {"type": "object", "additionalProperties": _NUMBER, "minProperties": 1}
        return {"anyOf": [_TEXT, _NUMBER, _MANY | {"items": _NUMBER}, table]}

    @override
    def describe(self) -> str:
        return "a number, a list of numbers, numbers by feature, or text"

    @override
    def join(self, value: object) -> str | None:
        if isinstance(value, Mapping):
            fits = bool(value) and all(map(_is_number, value.values()))
            return ",".join(f"{name}={one}" for name, one in value.items()) if fits else None
        return _join_numbers(value)

    @override
    def names_array(self, text: str) -> bool:
        return _is_array_file(text)

    @override
    def split(self, text: str) -> OptionValue:
        return _split_numbers(text)


@final
@dataclass(frozen=True)
class Choices(TextOrValues):
    """Numbers or names that choose features, classes or inputs.

    Attributes:
        may_be_array: whether a file with a mask may choose them.
    """

    may_be_array: bool

    @override
    def schema(self) -> Schema:
        lists = [_MANY | {"items": one} for one in (_NUMBER, _TEXT)]
        return {"anyOf": [_TEXT, _NUMBER, *lists]}

    @override
    def describe(self) -> str:
        return "a number, a list of numbers or names, or text"

    @override
    def join(self, value: object) -> str | None:
        return _join_numbers(value) or _join_names(value)

    @override
    def names_array(self, text: str) -> bool:
        return self.may_be_array and _is_array_file(text)

    @override
    def split(self, text: str) -> OptionValue:
        return _split_numbers(text)


@final
class Names(TextOrValues):
    """Names."""

    @override
    def schema(self) -> Schema:
        return {"anyOf": [_TEXT, _MANY | {"items": _TEXT}]}

    @override
    def describe(self) -> str:
        return "text, or a list of names"

    @override
    def join(self, value: object) -> str | None:
        return _join_names(value)


@final
@dataclass(frozen=True)
class Repeated(OptionKind):
    """An option that may be given several times: a list, or one value.

    Attributes:
        one: the kind of each value.
    """

    one: OptionKind

    @override
    def schema(self) -> Schema:
        one = self.one.schema()
        return {"anyOf": [one, {"type": "array", "items": one}]}

    @override
    def describe(self) -> str:
        return f"{self.one.describe()}, or a list of such"

    @override
    def take(self, value: object, folder: Path) -> object:
        values = value if isinstance(value, list) else [value]
        try:
            return [self.one.take(one, folder) for one in values]
        except TypeError:
            raise TypeError(self.describe()) from None

    @override
    def write(self, value: object) -> OptionValue:
        return [str(self.one.write(one)) for one in value]  # type: ignore[attr-defined] # a list


_PLAIN: Final[Mapping[type, OptionKind]] = {
    bool: Plain("boolean", "true or false", bool, (bool,)),
    int: Plain("integer", "a whole number", int, (int,)),
    float: Plain("number", "a number", float, (int, float)),
    str: Plain("string", "text", str, (str,)),
    Path: FilePath(),
}
"""The kind of an option by the type of the command's parameter."""
_TEXTS: Final[Mapping[str, OptionKind]] = (
    dict.fromkeys(("eps", "scale", "lower", "upper", "grid"), Amounts())
    | dict.fromkeys(("fixed", "only-up", "only-down"), Choices(may_be_array=True))
    | dict.fromkeys(("targets", "indices"), Choices(may_be_array=False))
    | dict.fromkeys(("features", "categorical", "classes", "one-hot"), Names())
)
"""Options of text that a file may give otherwise."""


def choose_kind(name: str, parameter: type, repeats: bool) -> OptionKind:
    """The kind of an option.

    Args:
        name: its name in a configuration.
        parameter: the type of its values in the command: bool, int, float, str or Path.
        repeats: whether it may be given several times.
    """
    kind = _TEXTS.get(name, _PLAIN[parameter])
    return Repeated(kind) if repeats else kind


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _join_numbers(value: object) -> str | None:
    """A number, or a list of them, as text; None for other values."""
    parts = value if isinstance(value, list) else [value]
    return ",".join(map(str, parts)) if parts and all(map(_is_number, parts)) else None


def _join_names(value: object) -> str | None:
    """A list of names as text; None for other values."""
    if not isinstance(value, list) or not value or {*map(type, value)} != {str}:
        return None
    return ",".join(value)


def _split_numbers(text: str) -> OptionValue:
    """A number, or a list of them, whole ones as such; the text where it holds anything else."""
    with suppress(ValueError):
        numbers = [float(part) for part in text.split(",")]
        whole = [int(one) for one in numbers if one.is_integer()]
        plain = whole if len(whole) == len(numbers) else numbers
        return plain[0] if len(plain) == 1 else plain
    return text


def _is_array_file(text: str) -> bool:
    return Path(text).suffix.lower() in _ARRAY_FILES
