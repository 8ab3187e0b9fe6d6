"""Reshape."""

from __future__ import annotations

import numpy as np

from onnx_lippa.arrays import Shape, size
from onnx_lippa.layers.node import Converted, Known, NodeView, Unsupported
from onnx_lippa.layers.rearrange import Rearranged
from onnx_lippa.layers.registry import converts


@converts("Reshape", since=5)
def convert(node: NodeView) -> Converted:
    """Reshape to a constant shape that leaves the batch axis alone."""
    x = node.computed()
    wanted = _wanted(node.known(1, "shape"))
    if x.batched and node.batch_is_free:
        return Converted((Rearranged(x.shape, _sample_shape(x.shape, wanted, node)),))
    return Converted((Rearranged(x.shape, _whole_shape(x.whole, wanted, node)),), batched=False)


def _wanted(shape: Known) -> list[int]:
    """The entries of the shape for a batch of one, where only the first depends on the batch."""
    if not np.issubdtype(shape.value.dtype, np.integer):
        raise Unsupported(f"its shape has type {shape.value.dtype}, not whole numbers")
    wanted = [int(extent) for extent in shape.value.ravel()]
    if shape.widened is None:
        return wanted
    doubled = [int(extent) for extent in shape.widened.ravel()]
    if len(doubled) != len(wanted) or doubled[1:] != wanted[1:] or doubled[0] != 2 * wanted[0]:
        raise Unsupported(
            f"its shape ({wanted} for one sample, {doubled} for two) mixes the batch axis with "
            "features"
        )
    return wanted


def _whole_shape(source: Shape, wanted: list[int], node: NodeView) -> Shape:
    """The wanted shape of a tensor with all its axes, its 0 and -1 resolved."""
    copies = node.integer("allowzero", 0) == 0
    shape = [
        source[i] if extent == 0 and copies and i < len(source) else extent
        for i, extent in enumerate(wanted)
    ]
    known = size(tuple(extent for extent in shape if extent != -1))
    if shape.count(-1) == 1 and known > 0 and size(source) % known == 0:
        shape = [size(source) // known if extent == -1 else extent for extent in shape]
    if min(shape, default=0) < 0 or size(tuple(shape)) != size(source):
        raise Unsupported(f"its shape {wanted} does not fit a tensor of shape {source}")
    return tuple(shape)


def _sample_shape(source: Shape, wanted: list[int], node: NodeView) -> Shape:
    """The wanted shape without its batch axis, its 0 and -1 resolved."""
    mixes = Unsupported(
        f"its shape {wanted} mixes the batch axis with features (samples have shape {source})"
    )
    copies = node.integer("allowzero", 0) == 0
    if not wanted or wanted.count(-1) > 1 or (wanted[0] == 0 and not copies):
        raise mixes
    rest = [
        source[i] if extent == 0 and copies and i < len(source) else extent
        for i, extent in enumerate(wanted[1:])
    ]
    if -1 in rest:
        known = size(tuple(extent for extent in rest if extent != -1))
        if wanted[0] not in (0, 1) or known == 0 or size(source) % known != 0:
            raise mixes
        rest = [size(source) // known if extent == -1 else extent for extent in rest]
    if wanted[0] not in (-1, 0, 1) or min(rest, default=0) < 0 or size(tuple(rest)) != size(source):
        raise mixes
    return tuple(rest)
