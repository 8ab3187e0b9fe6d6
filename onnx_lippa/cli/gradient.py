"""``onnx-lippa gradient``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onnx_lippa.cli import options
from onnx_lippa.cli.console import echo
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import load, write_gradient


def gradient(
    model: Annotated[Path, typer.Argument(help="The ONNX model.")],
    out: Annotated[
        Path | None, typer.Option(help="The graph to write; MODEL.grad.onnx if not given.")
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="Output to differentiate, where the model has several.")
    ] = None,
    load_memory: options.LoadMemory = options.LOAD_MEMORY,
    load_time: options.LoadTime = options.LOAD_TIME,
) -> None:
    """Write value and gradient as an ONNX graph: inputs x and v, outputs logits and J(x)ᵀ v."""
    loaded = load(model, output=output, limits=options.load_limits(load_memory, load_time))
    target = out if out is not None else model.with_suffix(".grad.onnx")
    if target.exists() and target.samefile(model):
        raise InputError(f"{target} is the model itself: give another --out")
    write_gradient(loaded.network, target)
    shape = ", ".join(map(str, loaded.network.input_shape))
    k = loaded.network.output_size
    echo(
        f"{target}: inputs x [batch, {shape}] and v [batch, {k}], outputs logits [batch, {k}] "
        f"and gradient [batch, {shape}]"
    )
