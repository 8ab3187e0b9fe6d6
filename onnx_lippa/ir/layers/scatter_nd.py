"""ScatterND."""

from __future__ import annotations

import numpy as np

from onnx_lippa.arrays import Integers, Shape, size
from onnx_lippa.ir.layers.indices import within
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.overwritten import overwritten
from onnx_lippa.ir.layers.registry import converts


@converts("ScatterND", since=11)
def convert(node: NodeView) -> Converted:
    """Slices at constant indices into the leading axes replaced by others."""
    return overwritten(node, _places)


def _places(whole: Shape, indices: Integers, updates: Shape) -> tuple[int, Integers]:
    leading = indices.shape[-1] if indices.ndim else 0
    if not 0 < leading <= len(whole) or updates != (*indices.shape[:-1], *whole[leading:]):
        raise Unsupported(
            f"its indices of shape {indices.shape} do not place a tensor of shape {updates} in "
            f"one of shape {whole}"
        )
    named = tuple(within(indices[..., i], whole[i]) for i in range(leading))
    grid = np.arange(size(whole[:leading])).reshape(whole[:leading])
    return leading, grid[named].ravel()
