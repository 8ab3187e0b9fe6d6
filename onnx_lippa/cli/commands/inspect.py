"""``onnx-lippa inspect``."""

from __future__ import annotations

from typing import Final

from rich.table import Table

from onnx_lippa.arrays import Shape, size
from onnx_lippa.cli.arguments.options import Interface, ModelPath, spread
from onnx_lippa.cli.arguments.values import preprocess_from
from onnx_lippa.cli.output.terminal import console
from onnx_lippa.ir.layers import PiecewiseLayer
from onnx_lippa.ir.network import Network
from onnx_lippa.onnx_io import inspect as inspect_model
from onnx_lippa.onnx_io import load
from onnx_lippa.text import printable

_LONGEST_NAME: Final = 80
"""Most characters of a node's name in the table."""


@spread
def inspect(model: ModelPath, interface: Interface) -> None:
    """List the layers of a model, and everything in it that is not supported."""
    limits, output = interface.limits, interface.output
    preprocess = preprocess_from(interface.preprocess)
    found = inspect_model(model, output=output, limits=limits, preprocess=preprocess)
    terminal = console()
    batch = found.interface.batch.value
    terminal.print(
        f"{model.name}: opset {found.file.opset}, input '{found.interface.input_name}' "
        f"{_shape(found.interface.sample_shape)}, batch {batch}, "
        f"output '{found.interface.output_name}'",
        highlight=False,
    )
    if found.problem is not None:
        raise found.problem
    if found.network is not None:
        terminal.print(_layers(found.network))
        for note in found.network.notes:
            terminal.print(f"note: {note}", highlight=False)
    load(model, output=output, limits=limits, preprocess=preprocess)
    terminal.print("agrees with ONNX Runtime on random points of [0, 1]")


def _layers(network: Network) -> Table:
    table = Table()
    for name, justify in (
        ("#", "right"), ("op", "left"), ("name", "left"), ("from", "right"), ("shape", "right"),
        ("parameters", "right"), ("ReLUs", "right"),
    ):  # fmt: skip
        table.add_column(name, justify="right" if justify == "right" else "left")
    for number, step in enumerate(network.steps, start=1):
        units = size(step.layer.shape) if isinstance(step.layer, PiecewiseLayer) else 0
        table.add_row(
            str(number), printable(step.op), _name(step.name),
            ", ".join("input" if i == 0 else str(i) for i in step.inputs),
            _shape(step.layer.shape), f"{step.layer.parameters:,}" if step.layer.parameters else "",
            f"{units:,}" if units else "",
        )  # fmt: skip
    table.add_section()
    table.add_row("", "total", "", "", "", f"{network.parameters:,}", f"{network.units:,}")
    return table


def _name(name: str) -> str:
    """A node's name as a cell of the table."""
    shown = printable(name)
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[: _LONGEST_NAME - 1]}…"


def _shape(shape: Shape) -> str:
    return "x".join(map(str, shape)) if shape else "scalar"
