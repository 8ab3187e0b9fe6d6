"""Gemm."""

from __future__ import annotations

import numpy as np

from onnx_lippa.layers.linear_map import LinearMap
from onnx_lippa.layers.node import Computed, Converted, NodeView, Unsupported, without_batch
from onnx_lippa.layers.registry import converts


@converts("Gemm", since=7)
def convert(node: NodeView) -> Converted:
    """``alpha * x @ B + beta * C`` with constant B and C."""
    if not isinstance(node.operand(0), Computed) or node.integer("transA", 0):
        raise Unsupported("its first input must be the samples as rows (transA = 0)")
    x = node.computed(0)
    weight = node.known(1, "matrix B").weight
    weight = weight.T if node.integer("transB", 0) else weight
    if len(x.shape) != 1 or weight.ndim != 2 or weight.shape[0] != x.shape[0]:
        raise Unsupported(
            f"its matrix B of shape {weight.shape} does not fit samples of shape {x.shape}"
        )
    # The factors are float32 attributes, so they are rounded as the runtime rounds them.
    alpha, beta = (float(np.float32(node.number(name, 1.0))) for name in ("alpha", "beta"))
    bias = None
    if node.operand(2) is not None:
        bias = beta * without_batch(node.known(2, "summand C").weight, 2)
        if bias.shape not in ((), (1,), (weight.shape[1],)):
            raise Unsupported(f"its summand C does not fit {weight.shape[1]} outputs")
    return Converted(LinearMap(x.shape, alpha * weight, bias))
