"""GatherElements."""

from __future__ import annotations

import numpy as np

from onnx_lippa.arrays import size
from onnx_lippa.layers.frame import whole
from onnx_lippa.layers.indices import gathered, picked, within
from onnx_lippa.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.layers.registry import converts


@converts("GatherElements", since=11)
def convert(node: NodeView) -> Converted:
    """Single entries, of which constant indices name the place along one axis."""
    x, indices = gathered(node)
    axis = node.axis("axis", 0, x.rank)
    frame = whole(x)
    source = frame.source
    within_source = indices.ndim == len(source) and all(
        place == axis or extent <= source[place] for place, extent in enumerate(indices.shape)
    )
    if not within_source:
        raise Unsupported(
            f"its indices of shape {indices.shape} do not fit a tensor of shape {source}"
        )
    places = np.indices(indices.shape)
    places[axis] = within(indices, source[axis])
    positions = np.arange(size(source)).reshape(source)[tuple(places)]
    return frame.converted(*picked(source, len(source), positions))
