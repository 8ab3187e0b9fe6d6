"""Operands of any number that broadcast together, constants and computed ones mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import AnyArray, Shape
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.node import Computed, Converted, Known, NodeView, Unsupported
from onnx_lippa.ir.layers.rearrange import Rearranged
from onnx_lippa.ir.layers.summed import Repeated


@dataclass(frozen=True)
class Meeting:
    """What the operands of a node are together.

    A batch axis has extent 1 here, so where it meets a feature axis it is broadcast, like an axis
    that a sample does not have.

    Attributes:
        positions: places of the computed operands among the node's operands.
        sources: their sample shapes, which broadcast to ``shape``.
        shape: sample shape of the result.
        batched: whether the result has a batch axis in front of that.
    """

    positions: tuple[int, ...]
    sources: tuple[Shape, ...]
    shape: Shape
    batched: bool

    def constant(self, value: AnyArray) -> AnyArray:
        """A constant operand without its batch axis, if it has one."""
        return value[0] if value.ndim > len(self.shape) else value

    def broadened(self) -> tuple[Layer, ...]:
        """The layers that broadcast the only computed operand to the result's shape."""
        (source,) = self.sources
        if source == self.shape:
            return ()
        wide = (1,) * (len(self.shape) - len(source)) + source
        return (Rearranged(source, wide), Repeated(wide, self.shape))

    def converted(self, *layers: Layer) -> Converted:
        """The node as a chain of layers on the computed operands."""
        return Converted(layers, self.positions, self.batched)


def met_together(node: NodeView, places: Sequence[int] | None = None) -> Meeting:
    """How operands of a node meet, all of them where no places are named.

    Raises:
        Unsupported: an operand is left out, or they do not broadcast.
    """
    places = range(len(node.operands)) if places is None else places
    operands = {place: node.operand(place) for place in places}
    shapes = []
    for place, operand in operands.items():
        if operand is None:
            raise Unsupported(f"its input {place} is left out")
        shapes.append(operand.value.shape if isinstance(operand, Known) else operand.whole)
    try:
        whole = np.broadcast_shapes(*shapes)
    except ValueError as error:
        listed = " and ".join(map(str, shapes))
        raise Unsupported(f"tensors of shapes {listed} do not broadcast") from error
    node.limits.require_elements(whole)
    computed = {place: o for place, o in operands.items() if isinstance(o, Computed)}
    longest = [operand for operand in computed.values() if operand.rank == len(whole)]
    batched = len(longest) > 0 and whole[:1] == (1,) and all(operand.batched for operand in longest)
    return Meeting(
        tuple(computed),
        tuple(operand.shape for operand in computed.values()),
        whole[1:] if batched else whole,
        batched,
    )
