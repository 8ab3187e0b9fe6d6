"""MatMul."""

from __future__ import annotations

import numpy as np

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.frame import Frame, whole
from onnx_lippa.ir.layers.linear_map import LeftLinearMap, LinearMap
from onnx_lippa.ir.layers.node import Computed, Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.rearrange import Rearranged
from onnx_lippa.ir.layers.registry import converts


@converts("MatMul")
def convert(node: NodeView) -> Converted:
    """``x @ W`` or ``W @ x`` with a constant W, stacks of matrices included."""
    positions = node.only_computed()
    if len(positions) == 2:
        raise Unsupported("the product of two computed tensors is not piecewise linear")
    (position,) = positions
    x = node.computed(position)
    weight = node.known(1 - position, "matrix").weight
    if weight.ndim == 0:
        raise Unsupported("its constant is a number, not a matrix")
    frame, weight = _aligned(x, weight, on_the_right=position == 0)
    layers = _right(frame.source, weight) if position == 0 else _left(frame.source, weight)
    return frame.converted(*layers, position=position)


def _aligned(x: Computed, weight: Float64, on_the_right: bool) -> tuple[Frame, Float64]:
    """The frame of x, and the weight with no axis that meets the batch axis."""
    while weight.ndim > 2 and weight.shape[0] == 1 and weight.ndim <= x.rank:
        weight = weight[0]
    takes_batch = x.batched and not on_the_right and x.rank == 2
    if takes_batch or (weight.ndim > 2 and weight.ndim >= x.rank) or not x.batched:
        return whole(x), weight
    return Frame((), x.shape, (), True), weight


def _right(source: Shape, weight: Float64) -> list[Layer]:
    """``x @ W``; a vector takes the last axis away."""
    matrix = weight[:, None] if weight.ndim == 1 else weight
    _check(source, weight, bool(source) and source[-1] == matrix.shape[-2])
    layers: list[Layer] = []
    if matrix.ndim > 2 and len(source) < matrix.ndim:
        wide = (*(1,) * (matrix.ndim - len(source)), *source)
        layers.append(Rearranged(source, wide))
        source = wide
    layers.append(LinearMap(source, matrix))
    if weight.ndim == 1:
        layers.append(Rearranged((*source[:-1], 1), source[:-1]))
    return layers


def _left(source: Shape, weight: Float64) -> list[Layer]:
    """``W @ x``; x may be a vector, and so may W."""
    matrix = weight[None] if weight.ndim == 1 else weight
    if len(source) == 1 and matrix.ndim == 2:
        _check(source, weight, source[0] == matrix.shape[1])
        layers: list[Layer] = [LinearMap(source, matrix.T)]
        return [*layers, Rearranged((1,), ())] if weight.ndim == 1 else layers
    _check(source, weight, len(source) > 1 and source[-2] == matrix.shape[-1])
    wide = (*(1,) * (matrix.ndim - len(source)), *source)
    layers = [] if wide == source else [Rearranged(source, wide)]
    left = LeftLinearMap(wide, matrix)
    layers.append(left)
    if weight.ndim == 1:
        layers.append(Rearranged(left.shape, (*left.shape[:-2], left.shape[-1])))
    return layers


def _check(source: Shape, weight: Float64, fits: bool) -> None:
    front = weight.shape[:-2] if weight.ndim > 2 else ()
    try:
        np.broadcast_shapes(source[:-2], front)
    except ValueError:
        fits = False
    if not fits:
        raise Unsupported(
            f"its matrix of shape {weight.shape} does not fit samples of shape {source}"
        )
