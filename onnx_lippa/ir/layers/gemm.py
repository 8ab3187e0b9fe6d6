"""Gemm."""

from __future__ import annotations

import numpy as np

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.frame import Frame, whole
from onnx_lippa.ir.layers.linear_map import LeftLinearMap, LinearMap
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported, without_batch
from onnx_lippa.ir.layers.rearrange import Permuted
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.scale_shift import ScaleShift


@converts("Gemm", since=7)
def convert(node: NodeView) -> Converted:
    """``alpha * A @ B + beta * C``, one of A and B computed, each transposed where asked."""
    positions = [p for p in node.only_computed() if p < 2]
    if len(positions) != 1:
        raise Unsupported("the product of two computed tensors is not piecewise linear")
    if 2 in node.only_computed():
        raise Unsupported("its summand C must be a constant")
    (position,) = positions
    x = node.computed(position)
    transposed = [bool(node.integer(name, 0)) for name in ("transA", "transB")]
    weight = node.known(1 - position, "matrix").weight
    weight = weight.T if transposed[1 - position] else weight
    if x.rank != 2 or weight.ndim != 2:
        raise Unsupported(
            f"its matrix of shape {weight.shape} does not fit samples of shape {x.shape}"
        )
    if position == 0 and not transposed[0] and x.batched:
        frame = Frame((), x.shape, (), True)
    else:
        frame = whole(x)
    layers: list[Layer] = []
    source = frame.source
    if transposed[position]:
        layers.append(Permuted(source, (1, 0)))
        source = source[::-1]
    # The factors are float32 attributes, so they are rounded as the runtime rounds them.
    alpha, beta = (float(np.float32(node.number(name, 1.0))) for name in ("alpha", "beta"))
    bias = None
    if node.operand(2) is not None:
        bias = beta * node.known(2, "summand C").weight
        bias = without_batch(bias, 2) if frame.batched else bias
    layers += _product(source, alpha * weight, bias, position)
    return frame.converted(*layers, position=position)


def _product(source: Shape, weight: Float64, bias: Float64 | None, position: int) -> list[Layer]:
    inner = weight.shape[0] if position == 0 else weight.shape[1]
    if source[-1 if position == 0 else -2] != inner:
        raise Unsupported(
            f"its matrix of shape {weight.shape} does not fit samples of shape {source}"
        )
    if position == 0:
        _check_summand(bias, (*source[:-1], weight.shape[1]))
        return [LinearMap(source, weight, bias)]
    product = LeftLinearMap(source, weight)
    _check_summand(bias, product.shape)
    return [product] if bias is None else [product, ScaleShift(product.shape, None, bias)]


def _check_summand(bias: Float64 | None, shape: Shape) -> None:
    try:
        fits = bias is None or np.broadcast_shapes(bias.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise Unsupported(f"its summand C does not fit {shape[-1]} outputs")
