"""``onnx-lippa gradient``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from onnx_lippa.cli.options import RUN, Interface, ModelPath, option, spread
from onnx_lippa.cli.terminal import echo
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import load, write_gradient


@spread
def gradient(
    model: ModelPath,
    interface: Interface,
    out: Annotated[
        Path | None,
        option(
            RUN,
            "ONNX file to write. Default: MODEL.grad.onnx.",
        ),
    ] = None,
) -> None:
    """Write the gradient as an ONNX graph: inputs x and v, outputs logits and J(x)ᵀ v."""
    loaded = load(model, output=interface.output, limits=interface.limits)
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
