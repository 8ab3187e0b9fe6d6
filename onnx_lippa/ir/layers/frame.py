"""Which axes of the graph a node works on, as axes of a sample.

A graph is read as what it does to a batch of one. There the batch axis has extent 1, so a node
that leaves it alone is given samples without it, and a node that names it is given the tensor
with all axes of the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx_lippa.arrays import Shape
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.node import Computed, Converted, Unsupported
from onnx_lippa.ir.layers.rearrange import Rearranged


@dataclass(frozen=True)
class Frame:
    """A tensor as a node sees it.

    Attributes:
        before: layers that bring the operand into this form.
        source: its shape for one sample, or with all axes of the graph.
        axes: the axes the node names, counted in ``source``.
        batched: whether the batch axis is left out of ``source``.
    """

    before: tuple[Layer, ...]
    source: Shape
    axes: tuple[int, ...]
    batched: bool

    def converted(self, *layers: Layer, position: int = 0) -> Converted:
        """The node as a chain of layers on ``source``."""
        return Converted((*self.before, *layers), (position,), self.batched)


def normal_axes(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes of a tensor of this rank, those that count from behind made positive.

    Raises:
        Unsupported: an axis does not exist or is named twice.
    """
    if any(not -rank <= axis < rank for axis in axes):
        raise Unsupported(f"its axes {list(axes)} are outside a tensor of rank {rank}")
    normal = tuple(axis % rank for axis in axes)
    if len(set(normal)) != len(normal):
        raise Unsupported(f"its axes {list(axes)} name one twice")
    return normal


def framed(x: Computed, axes: Sequence[int]) -> Frame:
    """The frame in which a node that names these axes of the graph (negative from behind) works.

    Raises:
        Unsupported: an axis does not exist or is named twice.
    """
    normal = normal_axes(axes, x.rank)
    if x.batched and 0 not in normal:
        return Frame((), x.shape, tuple(axis - 1 for axis in normal), True)
    return whole(x, normal)


def whole(x: Computed, axes: Sequence[int] = ()) -> Frame:
    """The tensor with all axes of the graph."""
    before = (Rearranged(x.shape, x.whole),) if x.batched else ()
    return Frame(before, x.whole, tuple(axes), False)
