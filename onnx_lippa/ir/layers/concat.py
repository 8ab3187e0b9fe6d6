"""Concat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.ir.layers.joined import Joined
from onnx_lippa.ir.layers.node import Computed, Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.readout import Readout
from onnx_lippa.ir.layers.registry import converts


@converts("Concat")
def convert(node: NodeView) -> Converted:
    """Computed and constant tensors one behind the other, along any axis."""
    positions = node.only_computed()
    computed = [node.computed(position) for position in positions]
    axis = node.axis("axis", 1, computed[0].rank)
    parts = [
        operand.whole if isinstance(operand, Computed) else node.known(position, "part").weight
        for position, operand in enumerate(node.operands)
    ]
    _check(parts, axis)
    shapes = [part.shape if isinstance(part, np.ndarray) else part for part in parts]
    length = sum(shape[axis] for shape in shapes)
    node.limits.require_elements((*shapes[0][:axis], length, *shapes[0][axis + 1 :]))
    # An empty constant adds nothing.
    parts = [part for part in parts if not isinstance(part, np.ndarray) or part.size]
    if len(parts) == 1:
        return Converted((), positions)
    # Both probabilities of two classes: sigmoids are read through one by one.
    all_sigmoids = all(x.readout is Readout.SIGMOID for x in computed) and len(parts) == len(
        computed
    )
    readout = Readout.SIGMOID if all_sigmoids else None
    if axis > 0 and all(x.batched for x in computed):
        parts = [part[0] if isinstance(part, np.ndarray) else part[1:] for part in parts]
        return Converted((Joined(parts, axis - 1),), positions, readout=readout)
    sources = [x.shape for x in computed]
    return Converted((Joined(parts, axis, sources),), positions, batched=False, readout=readout)


def _check(parts: Sequence[Shape | Float64], axis: int) -> None:
    """Raises Unsupported where extents differ along another axis."""
    shapes = [part.shape if isinstance(part, np.ndarray) else part for part in parts]
    others = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(others) > 1 or len({len(shape) for shape in shapes}) > 1:
        listed = ", ".join(map(str, shapes))
        raise Unsupported(f"its parts of shapes {listed} do not fit together along axis {axis}")
