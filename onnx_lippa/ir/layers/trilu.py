"""Trilu."""

from __future__ import annotations

import numpy as np

from onnx_lippa.ir.layers.frame import framed
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.scale_shift import ScaleShift


@converts("Trilu", since=14)
def convert(node: NodeView) -> Converted:
    """The upper or lower triangle of the last two axes, from a constant diagonal on."""
    x = node.computed()
    diagonal = node.optional(1, "diagonal k")
    numbers = (0,) if diagonal is None else diagonal.integers
    if x.rank < 2 or len(numbers) != 1:
        raise Unsupported(f"it takes matrices and one diagonal, not a tensor of shape {x.whole}")
    frame = framed(x, (-2, -1))
    rows, columns = frame.source[-2:]
    # Numbers as large as int64 has them are clipped to where nothing changes any more.
    k = min(max(numbers[0], -rows), columns)
    kept = np.ones((rows, columns))
    kept = np.triu(kept, k) if node.integer("upper", 1) else np.tril(kept, k)
    return frame.converted(ScaleShift(frame.source, kept, None))
