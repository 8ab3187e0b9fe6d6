"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import LoadLimits
from onnx_lippa.onnx_io.limits import DEFAULT_MEMORY

ModelPath: TypeAlias = Annotated[
    Path | None, typer.Argument(help="The ONNX model; all but --instances need it.")
]
DataPath: TypeAlias = Annotated[
    Path | None,
    typer.Argument(
        help="Inputs and labels: .npz, .npy or IDX. Without it the .npz of the same stem beside "
        "the model, else inputs drawn from the domain."
    ),
]
Radius: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--eps",
        help="Radius of the ball: a number, 8/255, a list like 0.05,0.1 for a curve, or a .npy "
        "file with one for each feature.",
    ),
]
OneRadius: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--eps",
        help="Radius of the ball: a number, 8/255, or a .npy file with one for each feature.",
    ),
]
NormName: TypeAlias = Annotated[str, typer.Option("--norm", help="linf, l1 or l2.")]
TargetClasses: TypeAlias = Annotated[
    str,
    typer.Option("--targets", help="Wrong classes that count: all, runner-up, or a list like 3,5."),
]
PropertyPath: TypeAlias = Annotated[
    Path | None,
    typer.Option("--property", help="VNN-LIB file (or .vnnlib.gz): can any input meet it?"),
]
Timeout: TypeAlias = Annotated[
    float | None,
    typer.Option("--timeout", help="Seconds for --property, or for each of --instances."),
]
CounterexamplePath: TypeAlias = Annotated[
    Path | None,
    typer.Option("--counterexample", help="File for the counterexample to --property."),
]
InstancesPath: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--instances", help="CSV of models, properties and timeouts, to be answered one by one."
    ),
]
OutputName: TypeAlias = Annotated[
    str | None, typer.Option("--output", help="Output that is meant, where the model has several.")
]
Lower: TypeAlias = Annotated[
    str, typer.Option("--lower", help="Lower end of the domain, or a file.")
]
Upper: TypeAlias = Annotated[
    str, typer.Option("--upper", help="Upper end of the domain, or a file.")
]
Fixed: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--fixed", help="Features that must not move: a list like 0,3,7, or a file (mask)."
    ),
]
GridSteps: TypeAlias = Annotated[
    str,
    typer.Option("--grid", help="Step of which features take whole multiples, or a file; 0: any."),
]
First: TypeAlias = Annotated[int | None, typer.Option("--first", help="Only the first N inputs.")]
Indices: TypeAlias = Annotated[
    str | None, typer.Option("--indices", help="Only these inputs: a list like 0,5,7.")
]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", help="Same seed, same result.")]
WorkerCount: TypeAlias = Annotated[
    int | None, typer.Option("--workers", help="Processes; all cores if not given.")
]
OutFolder: TypeAlias = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for results; an interrupted run is continued."),
]
AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print the summary as JSON and nothing else.")
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
LoadMemory: TypeAlias = Annotated[
    float,
    typer.Option(
        "--load-memory", help="Gigabytes that loading a model may take, in a process of its own."
    ),
]
LoadTime: TypeAlias = Annotated[
    float, typer.Option("--load-time", help="Seconds that loading a model may take.")
]
LOAD_MEMORY: Final = DEFAULT_MEMORY / 1e9
LOAD_TIME: Final = LoadLimits().seconds


def load_limits(memory: float, seconds: float) -> LoadLimits:
    """The limits of loading a model that ``--load-memory`` and ``--load-time`` state.

    Raises:
        InputError: they are none.
    """
    if not 0 < memory < 1e6:
        raise InputError(f"--load-memory is {memory}: give a number of gigabytes")
    return LoadLimits(int(memory * 1e9), seconds)
