"""Entries at constant indices: Gather, Scatter and their relatives, Compress."""

from __future__ import annotations

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


def _read_indices(node: NodeView) -> Integers:
    """The constant indices, input 1."""
    indices = node.operand(1)
    if not isinstance(indices, Constant):
        raise Unsupported(
            "its indices depend on the input, so its result jumps: only constant indices are "
            "supported"
        )
    return np.array(indices.integers, dtype=np.int64).reshape(indices.value.shape)


def _read_gather(node: NodeView) -> tuple[Computed, Integers]:
    """The tensor that is indexed, and the indices, at least one."""
    indices = _read_indices(node)
    node.limits.require_elements(indices.shape, "a table of indices")
    if indices.size == 0:
        raise Unsupported(f"its indices of shape {indices.shape} take nothing")
    return node.computed(0), indices


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
    x, indices = _read_gather(node)
    frame = frame_axes(x, (node.axis(x.rank),))
    axis = frame.axis
    front, behind = frame.source[:axis], frame.source[axis + 1 :]
    positions = normalize_indices(indices, frame.source[axis]).ravel()
    return frame.convert(
        *gather(frame.source, {axis: positions}),
        Reshape((*front, indices.size, *behind), (*front, *indices.shape, *behind)),
    )


@converts("GatherElements", since=11)
def convert_gather_elements(node: NodeView) -> Conversion:
    """Single entries; constant indices name their positions along one axis."""
    x, indices = _read_gather(node)
    frame = frame_whole(x)
    positions = element_positions(frame.source, indices, node.axis(x.rank))
    return frame.convert(*pick(frame.source, x.rank, positions))


@converts("GatherND", since=11)
def convert_gather_nd(node: NodeView) -> Conversion:
    """Slices at constant indices into the leading axes, behind ``batch_dims`` shared ones."""
    x, indices = _read_gather(node)
    frame, shared = frame_whole(x), node.integer("batch_dims", 0)
    source = frame.source
    fits = 0 <= shared < min(len(source), indices.ndim) and shared + indices.shape[-1] <= len(
        source
    )
    if not fits or indices.shape[:shared] != source[:shared]:
        raise Unsupported(
            f"its indices of shape {indices.shape} do not fit a tensor of shape {source}, with "
            f"which they share {shared} axes"
        )
    positions = _slice_positions(source, indices, shared)
    return frame.convert(*pick(source, shared + indices.shape[-1], positions))


def _slice_positions(source: Shape, indices: Integers, shared: int = 0) -> Integers:
    """Flat positions, in the leading axes of a tensor, of the slices that indices name.

    Args:
        source: shape of the tensor.
        indices: their last axis names positions along the axes behind the shared ones.
        shared: number of leading axes along which a slice has the position of its index.
    """
    leading = source[: shared + indices.shape[-1]]
    places = list(np.indices(indices.shape[:-1])[:shared])
    places += [
        normalize_indices(indices[..., i], extent) for i, extent in enumerate(leading[shared:])
    ]
    return np.arange(size(leading)).reshape(leading)[tuple(places)]


@converts("Compress", since=9)
def convert_compress(node: NodeView) -> Conversion:
    """The entries of an axis, or of the flattened tensor, that a constant condition names."""
    if isinstance(node.operand(1), Computed):
        raise Unsupported("its condition depends on the input, so its result jumps")
    x = node.computed()
    positions = np.flatnonzero(node.constant(1, "condition").value)
    before: tuple[Layer, ...] = ()
    if "axis" in node.attributes:
        frame = frame_axes(x, (node.axis(x.rank),))
        source, axis = frame.source, frame.axis
    else:
        frame, source, axis = frame_whole(x), (size(x.shape),), 0
        before = (Reshape(frame.source, source),)
    if positions.size == 0 or positions[-1] >= source[axis]:
        raise Unsupported(
            f"its condition does not name some of the {source[axis]} entries of its axis"
        )
    return frame.convert(*before, *gather(source, {axis: positions}))


@converts("Scatter", since=9)
@converts("ScatterElements", since=11)
def convert_scatter_elements(node: NodeView) -> Conversion:
    """Single entries replaced; constant indices name their positions along one axis."""
    whole, indices, updates = _read_scatter(node)
    if updates != indices.shape:
        raise Unsupported(
            f"its indices of shape {indices.shape} do not place a tensor of shape {updates}"
        )
    places = element_positions(whole, indices, node.axis(len(whole)))
    return _replace_entries(node, len(whole), places.ravel())


@converts("ScatterND", since=11)
def convert_scatter_nd(node: NodeView) -> Conversion:
    """Slices at constant indices into the leading axes replaced by others."""
    whole, indices, updates = _read_scatter(node)
    leading = indices.shape[-1] if indices.ndim else 0
    if not 0 < leading <= len(whole) or updates != (*indices.shape[:-1], *whole[leading:]):
        raise Unsupported(
            f"its indices of shape {indices.shape} do not place a tensor of shape {updates} in "
            f"one of shape {whole}"
        )
    return _replace_entries(node, leading, _slice_positions(whole, indices).ravel())


def _read_scatter(node: NodeView) -> tuple[Shape, Integers, Shape]:
    """The shape of the first input, the indices, and the shape of what replaces entries."""
    indices, reduction = _read_indices(node), node.text("reduction", "none")
    if reduction != "none":
        raise Unsupported(f"its reduction '{reduction}' is not supported, only replacing is")
    return node.tensor(0).graph_shape, indices, node.tensor(2).graph_shape


def _replace_entries(node: NodeView, leading: int, places: Integers) -> Conversion:
    """The first input with slices replaced by those of the third.

    Args:
        node: the node.
        leading: number of leading axes whose entries are the slices.
        places: their flat positions in these axes, in the order of the third input.
    """
    if len(np.unique(places)) != places.size:
        raise Unsupported("its indices name a place twice, so its result is not defined")
    whole = node.tensor(0).graph_shape
    rows, rest = size(whole[:leading]), whole[leading:]
    positions = np.arange(rows)
    positions[places] = rows + np.arange(places.size)
    parts: list[Shape | Float64] = []
    sources = []
    for tensor, extent in ((node.tensor(0), rows), (node.tensor(2), places.size)):
        if isinstance(tensor, Computed):
            parts.append((extent, *rest))
            sources.append(tensor.shape)
        else:
            parts.append(tensor.weight.reshape(extent, *rest))
    both = Concat(parts, 0, sources)
    layers = (both, *gather(both.shape, {0: positions}), Reshape((rows, *rest), whole))
    return Conversion(layers, node.only_computed(), batched=False)
