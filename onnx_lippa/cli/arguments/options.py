"""The options that commands share, in groups.

A group is a frozen dataclass with one field per option. A command takes groups as parameters, and
:func:`spread` shows their fields to Typer as if each was a parameter of the command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, Final, Self, TypeAlias, get_args, get_type_hints

import typer
from typer.models import OptionInfo

from onnx_lippa.cli.arguments.config import apply_config, remember
from onnx_lippa.cli.arguments.values import names_from
from onnx_lippa.data import DataOptions
from onnx_lippa.data.example import EXAMPLE_EPS, EXAMPLE_MODEL
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import LoadLimits
from onnx_lippa.onnx_io.limits import DEFAULT_MEMORY

BALL: Final = "Specification"
METHOD: Final = "Method"
PROPERTY: Final = "VNN-LIB properties"
INPUTS: Final = "Inputs"
RUN: Final = "Run"
MODEL: Final = "Model"
GATES: Final = "Gates and reports"
PANELS: Final = (BALL, METHOD, PROPERTY, INPUTS, RUN, GATES, MODEL)
"""The panels of a help text, in its order."""


ModelPath: TypeAlias = Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX model.")]


def option(panel: str, text: str, *names: str) -> OptionInfo:
    """An option in a panel of the help text; its name is that of its field if none is given."""
    info: OptionInfo = typer.Option(*names, help=text, rich_help_panel=panel)
    return info


ClusterAddress: TypeAlias = Annotated[
    str | None,
    option(RUN, "Address of a Dask scheduler, tcp://HOST:8786; its workers do the work instead."),
]


@dataclass(frozen=True, kw_only=True)
class Loading:
    """Limits of loading a model."""

    load_memory: Annotated[float, option(MODEL, "Memory limit for loading the model, in GB.")] = (
        round(DEFAULT_MEMORY / 1e9, 1)
    )
    load_time: Annotated[float, option(MODEL, "Time limit for loading the model, in seconds.")] = (
        LoadLimits().seconds
    )

    @property
    def limits(self) -> LoadLimits:
        """Both limits.

        Raises:
            InputError: the memory limit is out of range.
        """
        if not 0 < self.load_memory < 1e6:
            raise InputError(f"--load-memory is {self.load_memory}: give a number of gigabytes")
        return LoadLimits(int(self.load_memory * 1e9), self.load_time)


@dataclass(frozen=True, kw_only=True)
class Interface(Loading):
    """How a model is loaded, and which of its outputs is used."""

    output: Annotated[str | None, option(MODEL, "Output to use, if the model has several.")] = None
    preprocess: Annotated[
        str | None,
        option(
            MODEL,
            "Done to the inputs before the model takes them: imagenet, or parts such as "
            "'mean=0.5 std=0.25 scale=255 layout=NHWC channels=BGR'; eps stays in the space of "
            "the inputs.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Balls(Interface):
    """Data, and the ball around each input."""

    model: Annotated[
        Path | None,
        typer.Argument(metavar="MODEL", help="ONNX model; left out with --instances."),
    ] = None
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA",
            help="Inputs and labels: a folder of images, or .npz, .npy, .csv, .parquet, .arrow or "
            "IDX. Default: the .npz with the model's name; if there is none, random inputs from "
            "the domain.",
        ),
    ] = None
    label: Annotated[
        str | None, option(INPUTS, "Column with the labels. Default: label, y, target or class.")
    ] = None
    groups: Annotated[
        str | None, option(INPUTS, "Column with the group of each input, for figures per group.")
    ] = None
    features: Annotated[
        str | None,
        option(INPUTS, "Columns that are features, or their names: age,income. Default: all."),
    ] = None
    categorical: Annotated[
        str | None,
        option(INPUTS, "Columns of text that are features and keep their values: city,trade."),
    ] = None
    classes: Annotated[
        str | None,
        option(INPUTS, "Names of the classes in order: cat,dog. Default: the model's, or sorted."),
    ] = None
    resize: Annotated[
        bool,
        option(INPUTS, "Resize images to the size that the model takes.", "--resize"),
    ] = False
    eps: Annotated[
        str | None,
        option(
            BALL,
            "Radius of the ball: a number, a fraction (8/255), a list (0.05,0.1) for a curve over "
            "radii, radii by feature ('income=0.1,*=0.02'), or a .npy file with one per feature.",
        ),
    ] = None
    scale: Annotated[
        str | None,
        option(
            BALL,
            "Scales that divide distances: by feature, or a .npy file. Default: 1.",
        ),
    ] = None
    norm: Annotated[str, option(BALL, "Norm of the ball: linf, l1 or l2.")] = "linf"
    lower: Annotated[
        str, option(BALL, "Lower bound of the domain: a number or .npy file, or by feature.")
    ] = "0"
    upper: Annotated[
        str, option(BALL, "Upper bound of the domain: a number or .npy file, or by feature.")
    ] = "1"
    fixed: Annotated[
        str | None,
        option(
            BALL,
            "Features that keep their clean values: a list (0,3,7 or age,sex) or a mask (.npy).",
        ),
    ] = None
    only_up: Annotated[
        str | None, option(BALL, "Features that may only rise, as with --fixed.")
    ] = None
    only_down: Annotated[
        str | None, option(BALL, "Features that may only fall, as with --fixed.")
    ] = None
    one_hot: Annotated[
        str | None,
        option(BALL, "Groups of features of which one is 1, the others 0: city,trade, or pay_*."),
    ] = None
    relations: Annotated[
        str | None,
        option(BALL, "Equations that inputs keep, with ; between them: 'total = a + 2 * b'."),
    ] = None
    seed: Annotated[int, option(RUN, "Random seed.")] = 0
    quiet: Annotated[bool, option(RUN, "Print nothing but errors.", "--quiet")] = False

    @property
    def data_options(self) -> DataOptions:
        """How the data is read.

        Raises:
            InputError: a name is given twice.
        """
        return DataOptions(
            label=self.label,
            groups=self.groups,
            categorical=names_from(self.categorical) or (),
            resize=self.resize,
            classes=names_from(self.classes),
            features=names_from(self.features),
        )


@dataclass(frozen=True, kw_only=True)
class Inputs(Balls):
    """The inputs of a run, and the ball around each of them."""

    first: Annotated[int | None, option(INPUTS, "Only the first N inputs.")] = None
    indices: Annotated[str | None, option(INPUTS, "Only inputs at these indices: 0,5,7.")] = None


@dataclass(frozen=True, kw_only=True)
class BallInputs(Inputs):
    """The inputs of a command that needs a model and takes one radius, not a curve."""

    model: ModelPath = field()  # required, where Inputs has a default
    eps: Annotated[
        str | None,
        option(
            BALL,
            "Radius of the ball: a number, a fraction (8/255), radii by feature "
            "('income=0.1,*=0.02'), or a .npy file with one per feature.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Arguments(Inputs):
    """The common arguments of the commands that give verdicts."""

    targets: Annotated[
        str, option(BALL, "Classes that count as adversarial: all, runner-up, or a list (3,5).")
    ] = "all"
    grid: Annotated[
        str,
        option(
            BALL,
            "Step between the values of a feature (1/255; 0: continuous), steps by feature "
            "('rooms=1'), or a .npy file with one per feature.",
        ),
    ] = "0"
    workers: Annotated[
        int | None,
        option(RUN, "Worker processes; results do not depend on them. Default: all cores."),
    ] = None
    cluster: ClusterAddress = None
    out: Annotated[
        Path | None,
        option(RUN, "Folder for the results; the same command resumes an interrupted run."),
    ] = None
    as_json: Annotated[
        bool, option(RUN, "Print the summary as JSON and nothing else.", "--json")
    ] = False
    log_json: Annotated[
        Path | None,
        option(RUN, "File for one JSON object per event of the run, as they come; - for stdout."),
    ] = None
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with options; those of the command line win (docs/configuration.md).",
            rich_help_panel=RUN,
            callback=apply_config,
            is_eager=True,
        ),
    ] = None
    example: Annotated[
        bool,
        option(
            INPUTS,
            f"Use the model and data that are part of onnx-lippa; --eps is {EXAMPLE_EPS} if not "
            "given.",
            "--example",
        ),
    ] = False

    def with_example(self) -> Self:
        """The arguments with the model, data and radius of the example where it is asked for.

        Raises:
            InputError: a model is given too.
        """
        if not self.example:
            return self
        if self.model is not None:
            raise InputError("MODEL and --example exclude each other: leave one of them out")
        eps = EXAMPLE_EPS if self.eps is None else self.eps
        return replace(self, model=EXAMPLE_MODEL, eps=eps)


@dataclass(frozen=True, kw_only=True)
class Properties:
    """A property, or a list of instances, in place of inputs with a ball around each."""

    property_: Annotated[
        Path | None,
        option(
            PROPERTY, "VNN-LIB file (.vnnlib, .vnnlib.gz): does an input satisfy it?", "--property"
        ),
    ] = None
    instances: Annotated[
        Path | None, option(PROPERTY, "CSV file with a model, property and timeout per line.")
    ] = None
    timeout: Annotated[
        float | None, option(PROPERTY, "Time limit per property, in seconds. Default: none.")
    ] = None
    counterexample: Annotated[
        Path | None, option(PROPERTY, "File for the counterexample to --property.")
    ] = None

    @property
    def are_given(self) -> bool:
        """Whether there is a property or a list of instances."""
        return self.property_ is not None or self.instances is not None

    def require_none(self) -> None:
        """Raises InputError for options that belong to a property, where there is none."""
        if self.timeout is not None or self.counterexample is not None:
            raise InputError("--timeout and --counterexample belong to --property: give one")

    def require_only(self, arguments: Arguments, others: Mapping[str, object]) -> None:
        """Raises InputError for options that have no meaning for properties.

        Args:
            arguments: the common arguments.
            others: further options of the command that have no meaning, with their values.
        """
        name = "--property" if self.instances is None else "--instances"
        if self.property_ is not None and self.instances is not None:
            raise InputError("--property and --instances exclude each other: give one of them")
        kept = _WITH_PROPERTY if self.instances is None else _WITH_INSTANCES
        given = {
            one.name: getattr(arguments, one.name)
            for one in fields(arguments)
            if one.name not in kept and getattr(arguments, one.name) != one.default
        }
        given |= {name: value for name, value in others.items() if value}
        if self.instances is not None and self.counterexample is not None:
            given["counterexample"] = self.counterexample
        for option_name in given:
            what = _shown(option_name)
            raise InputError(f"{name} and {what} exclude each other: leave {what} out")
        if self.timeout is not None and not self.timeout > 0:
            raise InputError(f"--timeout is {self.timeout}: give a positive number of seconds")
        if self.property_ is not None and arguments.model is None:
            raise InputError("--property needs a MODEL: give the path of an ONNX file")


_LOADING: Final = frozenset({"load_memory", "load_time", "preprocess"})
_WITH_INSTANCES: Final = _LOADING | {
    "seed", "quiet", "workers", "cluster", "out", "as_json", "log_json", "config",
}  # fmt: skip
_WITH_PROPERTY: Final = _WITH_INSTANCES | {"model", "output"}
"""Fields of the common arguments that have a meaning for lists of instances, and for a property."""


def _shown(name: str) -> str:
    """An argument as it is written on the command line."""
    return name.upper() if name in ("model", "data") else f"--{name.replace('_', '-')}"


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameters that are groups are replaced by the groups' fields.

    Options are ordered by their panels, so that a group may have fields in several of them.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type[Any]] = {}
    shown: list[Parameter] = []
    for parameter in signature(command).parameters.values():
        kind = hints[parameter.name]
        if is_dataclass(kind) and isinstance(kind, type):
            groups[parameter.name] = kind
            shown += _parameters_of(kind)
        else:
            shown.append(parameter.replace(annotation=kind, kind=Parameter.KEYWORD_ONLY))
    shown.sort(key=_place)

    @wraps(command)
    def call(**given: object) -> None:
        remember(command.__name__, given)
        built = {
            name: kind(**{one.name: given.pop(one.name) for one in fields(kind)})
            for name, kind in groups.items()
        }
        command(**built, **given)

    vars(call)["__signature__"] = signature(command).replace(parameters=shown)
    call.__annotations__ = {one.name: one.annotation for one in shown}
    return call


def _parameters_of(group: type[Any]) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        Parameter(
            one.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if one.default is MISSING else one.default,
            annotation=hints[one.name],
        )
        for one in fields(group)
    ]


def _place(parameter: Parameter) -> int:
    """Arguments come first, then options by their panels."""
    infos = [one for one in get_args(parameter.annotation) if isinstance(one, OptionInfo)]
    return 1 + PANELS.index(infos[0].rich_help_panel) if infos else 0
