"""AveragePool."""

from __future__ import annotations

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.pooling import Pool, pool_of, window_sums
from onnx_lippa.ir.layers.registry import converts


@converts("AveragePool", since=7)
def convert(node: NodeView) -> Converted:
    """AveragePool in one to three dimensions, the padding counted or not."""
    pool = pool_of(node)
    counts = _counts(pool, bool(node.integer("count_include_pad", 0)))
    return pool.images.converted(*window_sums(pool, 1.0 / counts))


def _counts(pool: Pool, with_padding: bool) -> Float64:
    """By how many entries the sum of each place is divided."""
    counts = np.ones(())
    for axis, extent in enumerate(pool.images.extents):
        before, after = pool.pads[axis] if with_padding else (0, 0)
        positions = pool.positions(axis)
        counted = np.sum((positions >= -before) & (positions < extent + after), axis=1)
        counts = counts[..., None] * counted
    return np.maximum(counts, 1.0)  # a window wholly in the padding sums to 0
