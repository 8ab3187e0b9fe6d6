"""The table of attacks. A name stands for the default value; options change its fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from types import MappingProxyType, NoneType
from typing import Any, Final, TypedDict, Unpack, get_args, get_type_hints

from onnx_lippa.attacks.apgd import Apgd
from onnx_lippa.attacks.base import AttackMethod
from onnx_lippa.attacks.bb import BrendelBethge
from onnx_lippa.attacks.bim import Bim
from onnx_lippa.attacks.cw import CarliniWagner
from onnx_lippa.attacks.deepfool import DeepFool
from onnx_lippa.attacks.fab import Fab
from onnx_lippa.attacks.fgsm import Fgsm
from onnx_lippa.attacks.linear_regions import LinearRegions
from onnx_lippa.attacks.lippa import Lippa, LippaMip
from onnx_lippa.attacks.paper import PaperLippa
from onnx_lippa.attacks.pgd import Pgd
from onnx_lippa.attacks.portfolio import Portfolio
from onnx_lippa.attacks.square import Square
from onnx_lippa.errors import InputError
from onnx_lippa.text import listed

ATTACK_METHODS: Final[Mapping[str, AttackMethod]] = MappingProxyType(
    {
        method.name: method
        for method in (
            Lippa(),
            LippaMip(),
            PaperLippa(),
            Pgd(),
            Fgsm(),
            Bim(),
            Apgd(),
            DeepFool(),
            Fab(),
            CarliniWagner(),
            BrendelBethge(),
            Square(),
            LinearRegions(),
            Portfolio(),
        )
    }
)
"""The default method of each name."""


class AttackOptions(TypedDict, total=False):
    """The options that have arguments of their own in calls and on the command line."""

    restarts: int | None
    gradient_steps: int | None
    lp_steps: int | None
    engine: str
    solver: str | None
    neurons: int | None


def make_attack(
    method: str | AttackMethod, settings: Iterable[str] = (), **options: Unpack[AttackOptions]
) -> AttackMethod:
    """A method as it is, or the one of a name with the options that are given.

    Args:
        method: the method or its name.
        settings: further options as text, ``name=value``, for a name alone.
        options: options; those that are None, and the engine ``auto``, are not given.

    Raises:
        InputError: there is no such method, or it has no such option, or cannot use its value.
    """
    given: dict[str, Any] = {
        name: value
        for name, value in options.items()
        if value is not None and (name, value) != ("engine", "auto")
    }
    if isinstance(method, AttackMethod):
        for name in (*given, *settings):
            raise InputError(
                f"{name} is given beside the method {method}: give it to the method instead"
            )
        return method
    default = get_attack(method)
    known = {field.name for field in fields(default)}
    for name in given:
        if name not in known:
            raise InputError(f"{name} is no option of the method '{method}': leave it out")
    return replace(default, **given | _read_settings(default, settings))


def get_attack(name: str) -> AttackMethod:
    """The default method of a name.

    Raises:
        InputError: there is none.
    """
    if name not in ATTACK_METHODS:
        names = ", ".join(ATTACK_METHODS)
        raise InputError(f"there is no method '{name}': choose one of {names}")
    return ATTACK_METHODS[name]


def _read_settings(method: AttackMethod, settings: Iterable[str]) -> dict[str, object]:
    """Options as text, each by the type of its field."""
    kinds = get_type_hints(type(method))
    known = [field.name for field in fields(method)]
    read: dict[str, object] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or name not in known:
            raise InputError(
                f"'{setting}' is no option of the method '{method.name}': give NAME=VALUE with "
                f"one of the names {listed(known)}"
            )
        read[name] = _read_value(name, text.strip(), kinds[name])
    return read


def _read_value(name: str, text: str, kind: Any) -> object:  # noqa: ANN401 - types are no type
    """The value of an option of a type: a number, a word, yes or no, none, or methods by name."""
    kinds = get_args(kind) or (kind,)
    if NoneType in kinds and text.lower() == "none":
        return None
    if AttackMethod in kinds:
        return tuple(get_attack(one.strip()) for one in text.split(","))
    if bool in kinds:
        if text.lower() not in ("yes", "no", "true", "false"):
            raise InputError(f"{name} is '{text}': give yes or no")
        return text.lower() in ("yes", "true")
    if str in kinds:
        return text
    try:
        return int(text) if int in kinds else float(text)
    except ValueError as error:
        kind_name = "a whole number" if int in kinds else "a number"
        raise InputError(f"{name} is '{text}': give {kind_name}") from error


def write_settings(method: AttackMethod) -> list[str]:
    """The options that are not at their default as text, which :func:`make_attack` takes."""
    default = ATTACK_METHODS[method.name]
    return [
        f"{field.name}={_write_value(value)}"
        for field in fields(method)
        if (value := getattr(method, field.name)) != getattr(default, field.name)
    ]


def _write_value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(one.name for one in value)
    return str(value)
