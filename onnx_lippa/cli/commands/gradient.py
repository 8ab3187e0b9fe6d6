"""``onnx-lippa gradient``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from onnx_lippa.api.models import gradient as write
from onnx_lippa.cli.arguments.options import RUN, Interface, ModelPath, option, spread
from onnx_lippa.cli.arguments.values import preprocess_from
from onnx_lippa.cli.output.terminal import echo
from onnx_lippa.onnx_io import load


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
    loaded = load(
        model, output=interface.output, limits=interface.limits,
        preprocess=preprocess_from(interface.preprocess),
    )  # fmt: skip
    target = write(loaded, out)
    shape = ", ".join(map(str, loaded.network.input_shape))
    k = loaded.network.output_size
    echo(
        f"{target}: inputs x [batch, {shape}] and v [batch, {k}], outputs logits [batch, {k}] "
        f"and gradient [batch, {shape}]"
    )
