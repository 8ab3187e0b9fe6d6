"""CastLike."""

from __future__ import annotations

import numpy as np

from onnx_lippa.ir.layers.cast import rounds_to_short
from onnx_lippa.ir.layers.node import Converted, Known, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts


@converts("CastLike", since=15)
def convert(node: NodeView) -> Converted:
    """To the type of a computed tensor or of a floating-point constant: the identity."""
    node.computed()
    like = node.operand(1)
    if isinstance(like, Known) and like.value.dtype.kind in "biu":
        raise Unsupported(f"a cast to {like.value.dtype} rounds, which makes the model jump")
    if isinstance(like, Known) and like.value.dtype not in (np.float32, np.float64):
        raise Unsupported(rounds_to_short(str(like.value.dtype)))
    return Converted(())
