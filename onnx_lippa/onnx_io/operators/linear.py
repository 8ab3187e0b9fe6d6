"""Products with constant matrices: Gemm, MatMul, CumSum."""

from __future__ import annotations

from typing import Final

import numpy as np

from onnx_lippa.arrays import Float64, Shape
from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.elementwise import ScaleShift
from onnx_lippa.ir.layers.linear_map import AxisLinearMap, LeftLinearMap, LinearMap
from onnx_lippa.ir.layers.reshape import Reshape, Transpose
from onnx_lippa.onnx_io.frame import Frame, broadcast_shapes, frame_axes, frame_whole, without_batch
from onnx_lippa.onnx_io.node import Computed, Conversion, NodeView
from onnx_lippa.onnx_io.operators.registry import converts

_LONGEST: Final = 1 << 12
"""Longest axis; the triangular matrix of a longer one takes too much memory."""


@converts("Gemm", since=7)
def convert_gemm(node: NodeView) -> Conversion:
    """``alpha * A @ B + beta * C``, one of A and B computed, each transposed or not."""
    position, x, matrix = node.computed_and_constant("matrix")
    summand = node.optional(2, "summand C")
    transposed = [bool(node.integer(name, 0)) for name in ("transA", "transB")]
    weight = matrix.weight.T if transposed[1 - position] else matrix.weight
    if x.rank != 2 or weight.ndim != 2:
        raise Unsupported(
            f"its matrix of shape {weight.shape} does not fit samples of shape {x.shape}"
        )
    if position == 0 and not transposed[0] and x.batched:
        frame = Frame((), x.shape, (), True)
    else:
        frame = frame_whole(x)
    layers: list[Layer] = []
    source = frame.source
    if transposed[position]:
        layers.append(Transpose(source, (1, 0)))
        source = source[::-1]
    bias = None if summand is None else node.number("beta", 1.0) * summand.weight
    if bias is not None and frame.batched:
        bias = without_batch(bias, 2)
    weight = node.number("alpha", 1.0) * weight
    if position == 0:
        layers += _right_product(source, weight, bias)
    else:
        layers += _left_product(source, weight)
    _require_summand_fits(bias, layers[-1].shape)
    if position == 1 and bias is not None:
        layers.append(ScaleShift(layers[-1].shape, shift=bias))
    return frame.convert(*layers, position=position)


def _require_summand_fits(bias: Float64 | None, shape: Shape) -> None:
    if bias is not None and broadcast_shapes(bias.shape, shape) != shape:
        raise Unsupported(f"its summand C does not fit {shape[-1]} outputs")


@converts("MatMul")
def convert_matmul(node: NodeView) -> Conversion:
    """``x @ W`` or ``W @ x`` with a constant W, stacks of matrices included."""
    position, x, matrix = node.computed_and_constant("matrix")
    weight = matrix.weight
    if weight.ndim == 0:
        raise Unsupported("its constant is a number, not a matrix")
    frame, weight = _align(x, weight, on_the_right=position == 0)
    layers = (
        _right_product(frame.source, weight)
        if position == 0
        else _left_product(frame.source, weight)
    )
    return frame.convert(*layers, position=position)


def _align(x: Computed, weight: Float64, on_the_right: bool) -> tuple[Frame, Float64]:
    """The frame of x, and the weight without an axis that aligns with the batch axis."""
    while weight.ndim > 2 and weight.shape[0] == 1 and weight.ndim <= x.rank:
        weight = weight[0]
    takes_batch = x.batched and not on_the_right and x.rank == 2
    if takes_batch or (weight.ndim > 2 and weight.ndim >= x.rank) or not x.batched:
        return frame_whole(x), weight
    return Frame((), x.shape, (), True), weight


def _right_product(source: Shape, weight: Float64, bias: Float64 | None = None) -> list[Layer]:
    """``x @ W + bias``; a vector drops the last axis."""
    matrix = weight[:, None] if weight.ndim == 1 else weight
    _require_fits(source, weight, bool(source) and source[-1] == matrix.shape[-2])
    layers: list[Layer] = []
    if matrix.ndim > 2 and len(source) < matrix.ndim:
        wide = (*(1,) * (matrix.ndim - len(source)), *source)
        layers.append(Reshape(source, wide))
        source = wide
    layers.append(LinearMap(source, matrix, bias))
    if weight.ndim == 1:
        layers.append(Reshape((*source[:-1], 1), source[:-1]))
    return layers


def _left_product(source: Shape, weight: Float64) -> list[Layer]:
    """``W @ x``; x may be a vector, and so may W."""
    matrix = weight[None] if weight.ndim == 1 else weight
    if len(source) == 1 and matrix.ndim == 2:
        _require_fits(source, weight, source[0] == matrix.shape[1])
        layers: list[Layer] = [LinearMap(source, matrix.T)]
        return [*layers, Reshape((1,), ())] if weight.ndim == 1 else layers
    _require_fits(source, weight, len(source) > 1 and source[-2] == matrix.shape[-1])
    wide = (*(1,) * (matrix.ndim - len(source)), *source)
    layers = [] if wide == source else [Reshape(source, wide)]
    left = LeftLinearMap(wide, matrix)
    layers.append(left)
    if weight.ndim == 1:
        layers.append(Reshape(left.shape, (*left.shape[:-2], left.shape[-1])))
    return layers


def _require_fits(source: Shape, weight: Float64, fits: bool) -> None:
    if not fits or broadcast_shapes(source[:-2], weight.shape[:-2]) is None:
        raise Unsupported(
            f"its matrix of shape {weight.shape} does not fit samples of shape {source}"
        )


@converts("CumSum", since=11)
def convert_cum_sum(node: NodeView) -> Conversion:
    """Sums of the entries up to each one along a constant axis, in either direction."""
    x = node.computed()
    axes = node.constant(1, "axis").integers
    if len(axes) != 1:
        raise Unsupported(f"its axis must be one number, not {list(axes)}")
    frame = frame_axes(x, axes)
    extent = frame.source[frame.axis]
    if extent > _LONGEST:
        raise Unsupported(f"its axis of extent {extent} is longer than {_LONGEST}")
    matrix = np.tri(extent, k=-1 if node.integer("exclusive", 0) else 0)
    if node.integer("reverse", 0):
        matrix = matrix.T
    return frame.convert(AxisLinearMap(frame.source, frame.axis, matrix))
