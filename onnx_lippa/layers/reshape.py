"""Reshape."""

from __future__ import annotations

import numpy as np

from onnx_lippa.arrays import Shape, size
from onnx_lippa.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.layers.rearrange import Rearranged
from onnx_lippa.layers.registry import converts


@converts("Reshape", since=5)
def convert(node: NodeView) -> Converted:
    """Reshape to a constant shape that leaves the batch axis alone."""
    x = node.computed()
    shape = node.known(1, "shape").value
    if not np.issubdtype(shape.dtype, np.integer):
        raise Unsupported(f"its shape has type {shape.dtype}, not whole numbers")
    wanted = [int(extent) for extent in shape.ravel()]
    return Converted(Rearranged(x.shape, _sample_shape(x.shape, wanted, node)))


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
