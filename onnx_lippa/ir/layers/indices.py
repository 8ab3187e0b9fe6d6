"""The constant indices that the Gather and Scatter operators take."""

from __future__ import annotations

import numpy as np

from onnx_lippa.arrays import Integers, Shape, size
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.node import Computed, Known, NodeView, Unsupported
from onnx_lippa.ir.layers.rearrange import Rearranged
from onnx_lippa.ir.layers.taken import taken


def gathered(node: NodeView) -> tuple[Computed, Integers]:
    """The tensor that is indexed, and the indices.

    Raises:
        Unsupported: the indices are not constant, or take nothing.
    """
    indices = node.operand(1)
    if not isinstance(indices, Known):
        raise Unsupported(
            "its indices depend on the input, so its result jumps: only constant indices are "
            "supported"
        )
    taken = np.array(indices.integers, dtype=np.int64).reshape(indices.value.shape)
    node.limits.require_elements(taken.shape, "a table of indices")
    if taken.size == 0:
        raise Unsupported(f"its indices of shape {taken.shape} take nothing")
    return node.computed(0), taken


def within(indices: Integers, extent: int) -> Integers:
    """Indices into an axis of this extent, those that count from behind made positive."""
    if np.any(indices < -extent) or np.any(indices >= extent):
        raise Unsupported(
            f"its indices from {indices.min()} to {indices.max()} are outside an axis of extent "
            f"{extent}"
        )
    return np.where(indices < 0, indices + extent, indices)


def elements(source: Shape, indices: Integers, axis: int) -> Integers:
    """Places of single entries, counted through a tensor of shape ``source``.

    Args:
        source: shape of the tensor.
        indices: for every entry its place along the axis; along the others it has the same place
            in the tensor as in the indices.
        axis: the axis.
    """
    inside = indices.ndim == len(source) and all(
        place == axis or extent <= source[place] for place, extent in enumerate(indices.shape)
    )
    if not inside:
        raise Unsupported(
            f"its indices of shape {indices.shape} do not fit a tensor of shape {source}"
        )
    places = np.indices(indices.shape)
    places[axis] = within(indices, source[axis])
    return np.arange(size(source)).reshape(source)[tuple(places)]


def picked(source: Shape, leading: int, positions: Integers) -> tuple[Layer, ...]:
    """Layers that pick entries of the leading axes, counted as one; positions of any shape."""
    rows, rest = size(source[:leading]), source[leading:]
    return (
        Rearranged(source, (rows, *rest)),
        *taken((rows, *rest), {0: positions.ravel()}),
        Rearranged((positions.size, *rest), (*positions.shape, *rest)),
    )
