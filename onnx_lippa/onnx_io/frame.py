"""How a node sees its operands: as samples without a batch axis, or with all axes of the graph.

A graph is read by its action on a batch of one. There the batch axis has extent 1, so a node
that leaves it alone is given samples without it, and a node that names it is given the tensor
with all axes of the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.reshape import Expand, Reshape
from onnx_lippa.onnx_io.node import Computed, Constant, Conversion, NodeView


@dataclass(frozen=True)
class Frame:
    """One computed operand as a node sees it.

    Attributes:
        before: layers that bring the operand into this form.
        source: its shape, for one sample or with all axes of the graph.
        axes: the axes that the node names, counted in ``source``.
        batched: whether the batch axis is left out of ``source``.
    """

    before: tuple[Layer, ...]
    source: Shape
    axes: tuple[int, ...]
    batched: bool

    @property
    def axis(self) -> int:
        """The only axis."""
        (axis,) = self.axes
        return axis

    def convert(self, *layers: Layer, position: int = 0) -> Conversion:
        """The node as a chain of layers on ``source``."""
        return Conversion((*self.before, *layers), (position,), self.batched)


def normalize_axes(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Nonnegative axes of a tensor of this rank; negative ones count from the last axis.

    Raises:
        Unsupported: an axis does not exist or is named twice.
    """
    if any(not -rank <= axis < rank for axis in axes):
        raise Unsupported(f"its axes {list(axes)} are outside a tensor of rank {rank}")
    normal = tuple(axis % rank for axis in axes)
    if len(set(normal)) != len(normal):
        raise Unsupported(f"its axes {list(axes)} name one twice")
    return normal


def broadcast_shapes(*shapes: Shape) -> Shape | None:
    """The shape that these broadcast to, or None."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def frame_axes(x: Computed, axes: Sequence[int]) -> Frame:
    """The frame of a node that works on these axes of the graph.

    Raises:
        Unsupported: an axis does not exist or is named twice.
    """
    normal = normalize_axes(axes, x.rank)
    if x.batched and 0 not in normal:
        return Frame((), x.shape, tuple(axis - 1 for axis in normal), True)
    return frame_whole(x, normal)


def frame_whole(x: Computed, axes: Sequence[int] = ()) -> Frame:
    """The tensor with all axes of the graph."""
    before = (Reshape(x.shape, x.graph_shape),) if x.batched else ()
    return Frame(before, x.graph_shape, tuple(axes), False)


def reshape_to(source: Shape, shape: Shape) -> Conversion:
    """A sample of shape ``source`` as a tensor that has this shape in the graph."""
    if len(shape) > 1 and shape[0] == 1:  # the first axis can be taken for the batch axis
        return Conversion((Reshape(source, shape[1:]),), batched=True)
    return Conversion((Reshape(source, shape),), batched=False)


def broadcast_constant(x: Computed, constant: Constant) -> tuple[Frame, Float64]:
    """The frame in which x is combined elementwise with a constant, and the constant there.

    Raises:
        Unsupported: the constant does not broadcast with x.
    """
    value = constant.weight
    if x.batched and (value.ndim < x.rank or (value.ndim == x.rank and value.shape[0] == 1)):
        frame, value = Frame((), x.shape, (), True), without_batch(value, x.rank)
    else:
        frame = frame_whole(x)
        missing = value.ndim - len(frame.source)
        if missing > 0:
            wide = (*(1,) * missing, *frame.source)
            before = (*frame.before, Reshape(frame.source, wide))
            frame = replace(frame, before=before, source=wide)
    if broadcast_shapes(value.shape, frame.source) is None:
        raise Unsupported(
            f"a constant of shape {constant.value.shape} does not broadcast to samples {x.shape}"
        )
    return frame, value


def without_batch(constant: Float64, rank: int) -> Float64:
    """A constant beside a batched tensor of this rank, without its batch axis.

    Raises:
        Unsupported: the constant differs from sample to sample.
    """
    if constant.ndim < rank:
        return constant
    if constant.ndim > rank or constant.shape[0] != 1:
        raise Unsupported(
            f"a constant of shape {constant.shape} would give each sample of a batch its own value"
        )
    return constant[0]


@dataclass(frozen=True)
class Broadcast:
    """All operands of a node, constants and computed ones, broadcast together.

    The batch axis has extent 1, so beside a feature axis it is broadcast like an axis that a
    sample does not have.

    Attributes:
        positions: positions of the computed operands among the node's operands.
        sources: their sample shapes, which broadcast to ``shape``.
        constants: the constant operands by position, without a batch axis.
        shape: sample shape of the result.
        batched: whether the result has a batch axis in front of that.
    """

    positions: tuple[int, ...]
    sources: tuple[Shape, ...]
    constants: Mapping[int, Float64]
    shape: Shape
    batched: bool

    def expand(self) -> tuple[Layer, ...]:
        """The layers that broadcast the only computed operand to the result's shape."""
        (source,) = self.sources
        if source == self.shape:
            return ()
        wide = (1,) * (len(self.shape) - len(source)) + source
        return (Reshape(source, wide), Expand(wide, self.shape))

    def convert(self, *layers: Layer) -> Conversion:
        """The node as a chain of layers on the computed operands."""
        return Conversion(layers, self.positions, self.batched)


def broadcast_operands(node: NodeView) -> Broadcast:
    """The operands of a node broadcast together.

    Raises:
        Unsupported: an operand is absent, or they do not broadcast.
    """
    tensors = [node.tensor(position) for position in range(len(node.operands))]
    shapes = [tensor.graph_shape for tensor in tensors]
    whole = broadcast_shapes(*shapes)
    if whole is None:
        raise Unsupported(f"tensors of shapes {' and '.join(map(str, shapes))} do not broadcast")
    node.limits.require_elements(whole)
    positions = node.only_computed()
    computed = [node.computed(position) for position in positions]
    longest = [x.batched for x in computed if x.rank == len(whole)]
    batched = whole[:1] == (1,) and len(longest) > 0 and all(longest)
    shape = whole[1:] if batched else whole
    weights = {i: c.weight for i, c in enumerate(tensors) if isinstance(c, Constant)}
    constants = {i: w[0] if w.ndim > len(shape) else w for i, w in weights.items()}
    return Broadcast(positions, tuple(x.shape for x in computed), constants, shape, batched)
