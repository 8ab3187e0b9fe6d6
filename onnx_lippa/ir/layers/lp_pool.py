"""LpPool, where the norm is piecewise linear."""

from __future__ import annotations

from onnx_lippa.ir.layers.absolute import Absolute
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.pooling import pool_of, window_sums
from onnx_lippa.ir.layers.registry import converts


@converts("LpPool", since=2)
def convert(node: NodeView) -> Converted:
    """The sum of absolute values in every window."""
    require_l1(node)
    pool = pool_of(node)
    return pool.images.converted(Absolute(pool.images.source), *window_sums(pool))


def require_l1(node: NodeView) -> None:
    """Raises Unsupported for a pool of any norm but the sum of absolute values."""
    p = node.integer("p", 2)
    if p != 1:
        raise Unsupported(f"the norm with p = {p} is not piecewise linear (that with p = 1 is)")
