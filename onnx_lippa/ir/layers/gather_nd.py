"""GatherND."""

from __future__ import annotations

import numpy as np

from onnx_lippa.arrays import size
from onnx_lippa.ir.layers.frame import whole
from onnx_lippa.ir.layers.indices import gathered, picked, within
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts


@converts("GatherND", since=11)
def convert(node: NodeView) -> Converted:
    """Slices at constant indices into the leading axes, behind ``batch_dims`` shared ones."""
    x, indices = gathered(node)
    frame, shared = whole(x), node.integer("batch_dims", 0)
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
    # Places along the shared axes, then those that the last axis of the indices names.
    places = list(np.indices(indices.shape[:-1])[:shared])
    places += [within(indices[..., i], source[shared + i]) for i in range(indices.shape[-1])]
    grid = np.arange(size(source[:leading])).reshape(source[:leading])
    return frame.converted(*picked(source, leading, grid[tuple(places)]))
