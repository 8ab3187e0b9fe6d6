"""Activations: Relu and its relatives, Abs, Clip, Shrink, Max, Min; Softmax, Sigmoid as outputs."""

from __future__ import annotations

from functools import reduce
from typing import Final

import numpy as np

from onnx_lippa.arrays import Shape, size
from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.layers.activation import (
    Abs,
    LeakyRelu,
    MaxWithConstant,
    MinWithConstant,
    PRelu,
    Relu,
)
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.concat import Stack
from onnx_lippa.ir.layers.elementwise import ScaleShift
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.layers.reshape import ReduceSum, Reshape
from onnx_lippa.ir.network import OutputActivation
from onnx_lippa.onnx_io.frame import broadcast_constant, broadcast_operands, broadcast_shapes
from onnx_lippa.onnx_io.node import Conversion, NodeView
from onnx_lippa.onnx_io.operators.registry import converts

_LARGEST: Final = float(np.finfo(np.float32).max)
"""The default bound of the standard: the largest float32."""


@converts("Relu")
def convert_relu(node: NodeView) -> Conversion:
    """``max(x, 0)``."""
    return Conversion((Relu(node.computed().shape),))


@converts("LeakyRelu")
def convert_leaky_relu(node: NodeView) -> Conversion:
    """``x`` where ``x >= 0``, ``alpha * x`` elsewhere; alpha of any sign."""
    return Conversion((LeakyRelu(node.computed().shape, node.number("alpha", 0.01)),))


@converts("PRelu", since=7)
def convert_prelu(node: NodeView) -> Conversion:
    """A constant slope of any sign that broadcasts to x."""
    x, slope = node.computed(), node.constant(1, "slope")
    frame, value = broadcast_constant(x, slope)
    if broadcast_shapes(frame.source, value.shape) != frame.source:
        raise Unsupported(
            f"its slope of shape {slope.value.shape} does not fit samples of shape {x.shape}"
        )
    return frame.convert(PRelu(frame.source, value))


@converts("Abs", since=6)
def convert_abs(node: NodeView) -> Conversion:
    """``|x|``."""
    return Conversion((Abs(node.computed().shape),))


@converts("Clip", since=6)
def convert_clip(node: NodeView) -> Conversion:
    """Constant bounds; either may be absent or infinite."""
    low, high = _bound(node, 1, "min", -_LARGEST), _bound(node, 2, "max", _LARGEST)
    return Conversion(clip_layers(node.computed().shape, low, high))


def clip_layers(shape: Shape, low: float, high: float) -> tuple[Layer, ...]:
    """``min(max(x, low), high)``; constantly ``high`` where ``low > high``, as in ONNX Runtime."""
    layers: list[Layer] = []
    if low > -_LARGEST:
        layers.append(MaxWithConstant(shape, low))
    if high < _LARGEST:
        layers.append(MinWithConstant(shape, high))
    return tuple(layers)


def _bound(node: NodeView, position: int, name: str, default: float) -> float:
    """A bound: an input, or an attribute before opset 11."""
    bound = node.optional(position, f"bound {name}")
    if bound is None:
        return min(max(node.number(name, default), -_LARGEST), _LARGEST)
    value = bound.value
    if value.size != 1 or not np.issubdtype(value.dtype, np.floating) or np.isnan(value).any():
        raise Unsupported(f"its bound {name} must be one number")
    return float(value.ravel()[0])


@converts("HardSigmoid", since=6)
def convert_hard_sigmoid(node: NodeView) -> Conversion:
    """``max(0, min(1, alpha * x + beta))``."""
    shape = node.computed().shape
    line = ScaleShift(shape, node.number("alpha", 0.2), node.number("beta", 0.5))
    return Conversion((line, *clip_layers(shape, 0.0, 1.0)))


@converts("Shrink", since=9)
def convert_shrink(node: NodeView) -> Conversion:
    """``max(x - lambd, 0) - max(-x - lambd, 0)``; ``bias`` equals ``lambd`` and is at least 0."""
    threshold, bias = node.number("lambd", 0.5), node.number("bias", 0.0)
    if not threshold == bias >= 0:
        raise Unsupported("it jumps where its bias is not its lambd, or is negative")
    shape = node.computed().shape
    node.limits.require_elements((2, *shape), "its pair of terms")
    both = Stack([shape], [(0, 1.0), (0, -1.0)], shape)
    signs = np.array([1.0, -1.0]).reshape(2, *(1 for _ in shape))
    return Conversion(
        (
            both,
            ScaleShift(both.shape, shift=-threshold),
            Relu(both.shape),
            ScaleShift(both.shape, signs),
            ReduceSum(both.shape, [0]),
            Reshape((1, *shape), shape),
        )
    )


@converts("Max", since=6)
@converts("Min", since=6)
def convert_extreme(node: NodeView) -> Conversion:
    """Any number of tensors, constant or computed, that broadcast."""
    operands, is_max = broadcast_operands(node), node.op == "Max"
    layers: list[Layer] = []
    if len(operands.positions) == 1:
        layers += operands.expand()
    else:
        node.limits.require_elements(
            (len(operands.positions), *operands.shape), "the stack of its inputs"
        )
        sign = 1.0 if is_max else -1.0
        parts = [(index, sign) for index in range(len(operands.positions))]
        stack = Stack(operands.sources, parts, operands.shape)
        layers += [stack, ReduceMax(stack.shape, 0)]
        if not is_max:
            layers.append(ScaleShift(operands.shape, -1.0))
    if operands.constants:
        bound = reduce(np.maximum if is_max else np.minimum, operands.constants.values())
        layers.append((MaxWithConstant if is_max else MinWithConstant)(operands.shape, bound))
    return operands.convert(*layers)


@converts("Sigmoid")
def convert_sigmoid(node: NodeView) -> Conversion:
    """Dropped: it keeps the order of the scores."""
    node.computed()
    return Conversion((), output_activation=OutputActivation.SIGMOID)


@converts("Softmax")
@converts("LogSoftmax")
def convert_softmax(node: NodeView) -> Conversion:
    """Dropped: it keeps the order of the classes."""
    x = node.computed()
    axis = node.axis(x.rank, default=1 if node.opset < 13 else -1)
    # Before opset 13 it is over the axis and all axes after it.
    reduced = x.graph_shape[axis:] if node.opset < 13 else x.graph_shape[axis : axis + 1]
    if size(reduced) != size(x.shape) or (x.batched and axis == 0):
        raise Unsupported(f"over axis {axis} of samples of shape {x.shape}, not over all scores")
    return Conversion((), output_activation=OutputActivation(node.op))
