"""The effective configuration of a run, which is written into its folder as ``config.toml``.

It has the names and values of the options of a command, so that ``--config`` reads it back. It is
no part of the identity of a run: replays and resumed runs do not read it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, TypeAlias, final

import tomli_w

from onnx_lippa.attacks import AttackMethod, make_attack, write_settings
from onnx_lippa.data.options import DEFAULT_OPTIONS
from onnx_lippa.method import Method
from onnx_lippa.onnx_io import Preprocess
from onnx_lippa.proofs import ProofMethod
from onnx_lippa.runs.audit import Audit
from onnx_lippa.runs.distances import Distance
from onnx_lippa.runs.files import explain_write_errors
from onnx_lippa.runs.identity import describe_options
from onnx_lippa.runs.inputs import RunInputs
from onnx_lippa.runs.pools import WorkerChoice
from onnx_lippa.spec import InputSpecification, PerFeature, Specification
from onnx_lippa.state import Budget
from onnx_lippa.version import __version__

CONFIG: Final = "config.toml"
OptionValue: TypeAlias = str | int | float | bool | list[int] | list[float] | list[str]

Options: TypeAlias = dict[str, OptionValue | None]
_HEADING: Final = "The effective configuration of this run"
_METHOD_OPTIONS: Final = ("restarts", "gradient_steps", "lp_steps", "engine", "solver", "naive")
"""Fields of methods that are options of their commands."""


@final
@dataclass(frozen=True)
class Configuration:
    """The options of a run.

    Attributes:
        command: the command that takes them: attack, certify, audit or distance.
        options: values by the names of the options, such as ``lp-steps``; ``model`` and ``data``
            are the arguments.
        notes: what no option says.
    """

    command: str
    options: Mapping[str, OptionValue]
    notes: tuple[str, ...] = field(default=())

    def at_radius(self, eps: float, method: Method) -> Configuration:
        """The configuration of a curve at one of its radii.

        Args:
            eps: the radius.
            method: the method there, with its share of a budget.
        """
        options = dict(self.options) | {"eps": eps}
        if isinstance(method, Audit) and "budget" in options:
            options["budget"] = method.budget
        return replace(self, options=options)

    def content(self) -> bytes:
        """The bytes of the file."""
        heading = [
            f"{_HEADING}, written by onnx-lippa {__version__}.",
            f"onnx-lippa {self.command} --config {CONFIG} --out NEW takes it again.",
            *self.notes,
        ]
        comments = "".join(f"# {' '.join(line.split())}\n" for line in heading)
        return (comments + "\n" + tomli_w.dumps({self.command: dict(self.options)})).encode()


def is_written_by_us(path: Path) -> bool:
    """Whether there is no such file, or one that a run has written and may replace."""
    with explain_write_errors(path):
        if not path.exists():
            return True
        with path.open("rb") as file:
            return file.readline().startswith(f"# {_HEADING}".encode())


def describe_run(
    model: Path,
    inputs: RunInputs,
    method: Method,
    budget: Budget,
    specification: Specification,
    radii: list[float | None],
    workers: WorkerChoice,
    preprocess: Preprocess | None,
) -> Configuration:
    """The configuration of a run that was not started by a command.

    Args:
        model: path of the model.
        inputs: the clean inputs; those of no file lie in the run's folder.
        method: what is done with them.
        budget: seconds for each of them, and the seed.
        specification: the specification at the first radius.
        radii: all radii.
        workers: where the work is done.
        preprocess: the preprocessing in front of the model.
    """
    command, chosen, value = name_method(method)
    features, data = specification.features, inputs.path
    reading = DEFAULT_OPTIONS if data is None else inputs.reading
    column = reading.groups if isinstance(reading.groups, str) else None
    options: dict[str, OptionValue | None] = {
        "model": str(model.resolve()),
        "data": "data.npz" if data is None else str(data),
        "eps": [one for one in radii if one is not None] if len(radii) > 1 else radii[0],
        "scale": None if features.scale is None else _plain(features.scale),
        "norm": specification.norm.name,
        "lower": _plain(features.lower),
        "upper": _plain(features.upper),
        "fixed": list(features.fixed) or None,
        "only-up": list(features.only_up) or None,
        "only-down": list(features.only_down) or None,
        "targets": str(specification.targets),
        "grid": _plain(features.grid),
        "minimize": specification.minimize if command == "attack" else None,
        **chosen,
        "time-limit": budget.time_limit,
        "first": reading.first,
        "indices": None if reading.indices is None else list(reading.indices),
        "label": reading.label,
        "groups": column,
        "features": list(reading.features or ()) or None,
        "categorical": list(reading.categorical) or None,
        "classes": list(reading.classes or ()) or None,
        "resize": reading.resize or None,
        "preprocess": None if preprocess is None else text_of(preprocess),
        "seed": budget.seed,
        "workers": workers.count if workers.cluster is None else None,
        "cluster": workers.cluster,
    }
    notes: tuple[str, ...] = (
        () if value is None else (f"Its method was made in Python: {describe_options(value)}",)
    )
    if features.relations != InputSpecification().relations:
        notes = (*notes, "Relations between features were given in Python: run.json has them.")
    return Configuration(command, {k: v for k, v in options.items() if v is not None}, notes)


def name_method(method: Method) -> tuple[str, Options, Method | None]:
    """Command and options of a method, and the method itself if these do not say all of it."""
    if isinstance(method, Audit):
        limited: Options = {} if method.budget == math.inf else {"budget": method.budget}
        options: Options = {"method": method.attack.name, **limited}
        is_said = method == Audit(type(method.attack)(), budget=method.budget)
        return "audit", options, None if is_said else method
    if isinstance(method, Distance):
        is_said = method == Distance(solver=method.solver)
        return "distance", {"solver": method.solver}, None if is_said else method
    known: dict[str, Any] = {
        one.name: getattr(method, one.name)
        for one in fields(method)  # type: ignore[arg-type] # methods are dataclasses
        if one.name in _METHOD_OPTIONS
    }
    options = {"method": method.name} | {k.replace("_", "-"): v for k, v in known.items()}
    if not isinstance(method, AttackMethod):
        is_said = isinstance(method, ProofMethod) and method == type(method)(**known)
        return "certify", options, None if is_said else method
    settings = [one for one in write_settings(method) if one.partition("=")[0] not in known]
    is_said = method == make_attack(method.name, settings, **known)
    options["method-option"] = settings or None
    return "attack", options, None if is_said else method


def text_of(preprocess: Preprocess) -> str:
    """A preprocessing as the option takes it."""
    parts = []
    for one in fields(preprocess):
        value = getattr(preprocess, one.name)
        if value != one.default:
            shown = ",".join(map(repr, value)) if isinstance(value, tuple) else str(value)
            parts.append(f"{one.name}={shown}")
    return " ".join(parts) or "scale=1"


def _plain(values: PerFeature) -> float | list[float]:
    return list(values) if isinstance(values, tuple) else values
