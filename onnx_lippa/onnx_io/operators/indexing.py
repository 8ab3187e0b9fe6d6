"""Entries at constant indices: Gather, Scatter and their relatives, Compress."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from onnx_lippa.arrays import Float64, Integers, Shape, size
from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.concat import Concat
from onnx_lippa.ir.layers.gather import gather
from onnx_lippa.ir.layers.reshape import Reshape
from onnx_lippa.onnx_io.frame import frame_axes, frame_whole
from onnx_lippa.onnx_io.node import Computed, Constant, Conversion, NodeView
from onnx_lippa.onnx_io.operators.registry import converts


def read_indices(node: NodeView) -> tuple[Computed, Integers]:
    """The tensor that is indexed, and the indices.

    Raises:
        Unsupported: the indices are not constant, or take nothing.
    """
    indices = node.operand(1)
    if not isinstance(indices, Constant):
        raise Unsupported(
            "its indices depend on the input, so its result jumps: only constant indices are "
            "supported"
        )
    found = np.array(indices.integers, dtype=np.int64).reshape(indices.value.shape)
    node.limits.require_elements(found.shape, "a table of indices")
    if found.size == 0:
        raise Unsupported(f"its indices of shape {found.shape} take nothing")
    return node.computed(0), found


def normalize_indices(indices: Integers, extent: int) -> Integers:
    """Nonnegative indices into an axis of this extent; negative ones count from its end."""
    if np.any(indices < -extent) or np.any(indices >= extent):
        raise Unsupported(
            f"its indices from {indices.min()} to {indices.max()} are outside an axis of extent "
            f"{extent}"
        )
    return np.where(indices < 0, indices + extent, indices)


def element_positions(source: Shape, indices: Integers, axis: int) -> Integers:
    """Flat positions of single entries in a tensor of shape ``source``.

    Args:
        source: shape of the tensor.
        indices: for every entry its position along the axis; along the other axes its position is
            that within the indices.
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
    places[axis] = normalize_indices(indices, source[axis])
    return np.arange(size(source)).reshape(source)[tuple(places)]


def pick(source: Shape, leading: int, positions: Integers) -> tuple[Layer, ...]:
    """Layers that gather entries of the flattened leading axes; positions of any shape."""
    rows, rest = size(source[:leading]), source[leading:]
    return (
        Reshape(source, (rows, *rest)),
        *gather((rows, *rest), {0: positions.ravel()}),
        Reshape((positions.size, *rest), (*positions.shape, *rest)),
    )


@converts("Gather")
def convert_gather(node: NodeView) -> Conversion:
    """Entries of one axis at constant indices of any rank; a single index drops the axis."""
    x, indices = read_indices(node)
    frame = frame_axes(x, (node.axis("axis", 0, x.rank),))
    (axis,) = frame.axes
    front, behind = frame.source[:axis], frame.source[axis + 1 :]
    positions = normalize_indices(indices, frame.source[axis]).ravel()
    return frame.convert(
        *gather(frame.source, {axis: positions}),
        Reshape((*front, indices.size, *behind), (*front, *indices.shape, *behind)),
    )


@converts("GatherElements", since=11)
def convert_gather_elements(node: NodeView) -> Conversion:
    """Single entries; constant indices name their positions along one axis."""
    x, indices = read_indices(node)
    axis = node.axis("axis", 0, x.rank)
    frame = frame_whole(x)
    return frame.convert(
        *pick(frame.source, len(frame.source), element_positions(frame.source, indices, axis))
    )


@converts("GatherND", since=11)
def convert_gather_nd(node: NodeView) -> Conversion:
    """Slices at constant indices into the leading axes, behind ``batch_dims`` shared ones."""
    x, indices = read_indices(node)
    frame, shared = frame_whole(x), node.integer("batch_dims", 0)
    source = frame.source
    fits = 0 <= shared < min(len(source), indices.ndim) and shared + indices.shape[-1] <= len(
        source
    )
    if not fits or indices.shape[:shared] != source[:shared]:
        raise Unsupported(
            f"its indices of shape {indices.shape} do not fit a tensor of shape {source} of which "
            f"they share {shared} axes"
        )
    leading = shared + indices.shape[-1]
    # Positions along the shared axes, then those that the last axis of the indices names.
    places = list(np.indices(indices.shape[:-1])[:shared])
    places += [
        normalize_indices(indices[..., i], source[shared + i]) for i in range(indices.shape[-1])
    ]
    grid = np.arange(size(source[:leading])).reshape(source[:leading])
    return frame.convert(*pick(source, leading, grid[tuple(places)]))


@converts("Compress", since=9)
def convert_compress(node: NodeView) -> Conversion:
    """The entries of an axis, or of the flattened tensor, that a constant condition names."""
    if isinstance(node.operand(1), Computed):
        raise Unsupported("its condition depends on the input, so its result jumps")
    x = node.computed()
    positions = np.flatnonzero(node.constant(1, "condition").value)
    before: tuple[Layer, ...] = ()
    if "axis" in node.attributes:
        frame = frame_axes(x, (node.axis("axis", 0, x.rank),))
        source, (axis,) = frame.source, frame.axes
    else:
        frame, source, axis = frame_whole(x), (size(x.shape),), 0
        before = (Reshape(frame.source, source),)
    if positions.size == 0 or positions[-1] >= source[axis]:
        raise Unsupported(
            f"its condition does not name some of the {source[axis]} entries of its axis"
        )
    return frame.convert(*before, *gather(source, {axis: positions}))


def _scatter(
    node: NodeView, find: Callable[[Shape, Integers, Shape], tuple[int, Integers]]
) -> Conversion:
    """The first operand with entries replaced by those of the third, at constant positions.

    Args:
        node: the node; the second operand holds the indices.
        find: from the shape of the first operand, the indices and the shape of the third, the
            number of leading axes that the indices name, and the flat positions in these axes.

    Raises:
        Unsupported: the indices are not constant or name a position twice, or the entries are
            not replaced but added or multiplied.
    """
    if not isinstance(node.operand(1), Constant):
        raise Unsupported("its indices depend on the input, so its result jumps")
    reduction = node.text("reduction", "none")
    if reduction != "none":
        raise Unsupported(f"its reduction '{reduction}' is not supported, only replacing is")
    indices = node.constant(1, "indices")
    whole, updates = _shape(node, 0), _shape(node, 2)
    entries = np.array(indices.integers, dtype=np.int64).reshape(indices.value.shape)
    leading, places = find(whole, entries, updates)
    if len(np.unique(places)) != places.size:
        raise Unsupported("its indices name a place twice, so its result is not defined")
    rows, rest = size(whole[:leading]), whole[leading:]
    positions = np.arange(rows)
    positions[places] = rows + np.arange(places.size)

    parts: list[Shape | Float64] = []
    sources = []
    for position, extent in ((0, rows), (2, places.size)):
        operand = node.operand(position)
        if isinstance(operand, Computed):
            parts.append((extent, *rest))
            sources.append(operand.shape)
        else:
            parts.append(node.constant(position, "tensor").weight.reshape(extent, *rest))
    both = Concat(parts, 0, sources)
    layers = (both, *gather(both.shape, {0: positions}), Reshape((rows, *rest), whole))
    return Conversion(layers, node.only_computed(), batched=False)


def _shape(node: NodeView, position: int) -> Shape:
    operand = node.operand(position)
    if isinstance(operand, Computed):
        return operand.graph_shape
    return tuple(node.constant(position, "tensor").value.shape)


@converts("Scatter", since=9)
@converts("ScatterElements", since=11)
def convert_scatter_elements(node: NodeView) -> Conversion:
    """Single entries replaced; constant indices name their positions along one axis."""

    def places(whole: Shape, indices: Integers, updates: Shape) -> tuple[int, Integers]:
        if updates != indices.shape:
            raise Unsupported(
                f"its indices of shape {indices.shape} do not place a tensor of shape {updates}"
            )
        axis = node.axis("axis", 0, len(whole))
        return len(whole), element_positions(whole, indices, axis).ravel()

    return _scatter(node, places)


@converts("ScatterND", since=11)
def convert_scatter_nd(node: NodeView) -> Conversion:
    """Slices at constant indices into the leading axes replaced by others."""
    return _scatter(node, _scatter_places)


def _scatter_places(whole: Shape, indices: Integers, updates: Shape) -> tuple[int, Integers]:
    leading = indices.shape[-1] if indices.ndim else 0
    if not 0 < leading <= len(whole) or updates != (*indices.shape[:-1], *whole[leading:]):
        raise Unsupported(
            f"its indices of shape {indices.shape} do not place a tensor of shape {updates} in "
            f"one of shape {whole}"
        )
    named = tuple(normalize_indices(indices[..., i], whole[i]) for i in range(leading))
    grid = np.arange(size(whole[:leading])).reshape(whole[:leading])
    return leading, grid[named].ravel()
