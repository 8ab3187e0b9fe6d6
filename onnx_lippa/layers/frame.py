"""Which axes of the graph a node works on, as axes of a sample.

In a model for any number of samples the batch axis must be left alone. In a model for one sample
it has extent 1 and may be treated like any other axis: there a node that touches it is given the
tensor as the graph has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx_lippa.arrays import Shape
from onnx_lippa.layers.base import Layer
from onnx_lippa.layers.node import Computed, Converted, NodeView, Unsupported
from onnx_lippa.layers.rearrange import Rearranged


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


def framed(node: NodeView, x: Computed, axes: Sequence[int]) -> Frame:
    """The frame in which a node that names these axes of the graph (negative from behind) works.

    Raises:
        Unsupported: an axis does not exist or is named twice, or is the batch axis of a model
            for any number of samples.
    """
    if any(not -x.rank <= axis < x.rank for axis in axes):
        raise Unsupported(f"its axes {list(axes)} are outside a tensor of rank {x.rank}")
    normal = tuple(axis % x.rank for axis in axes)
    if len(set(normal)) != len(normal):
        raise Unsupported(f"its axes {list(axes)} name one twice")
    if not x.batched:
        return Frame((), x.shape, normal, False)
    if 0 not in normal:
        return Frame((), x.shape, tuple(axis - 1 for axis in normal), True)
    return whole(node, x, normal)


def whole(node: NodeView, x: Computed, axes: Sequence[int] = ()) -> Frame:
    """The tensor with all axes of the graph.

    Raises:
        Unsupported: the model takes any number of samples.
    """
    if not x.batched:
        return Frame((), x.shape, tuple(axes), False)
    if node.batch_is_free:
        raise Unsupported(f"it mixes the batch axis with features (samples have shape {x.shape})")
    return Frame((Rearranged(x.shape, x.whole),), x.whole, tuple(axes), False)
