"""Elementwise affine operators: arithmetic with constants, sums, and normalizations."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import numpy as np

from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.layers.elementwise import ScaleShift, WeightedSum
from onnx_lippa.ir.network import OutputActivation
from onnx_lippa.onnx_io.frame import broadcast_constant, broadcast_operands, frame_axes
from onnx_lippa.onnx_io.node import Computed, Conversion, NodeView
from onnx_lippa.onnx_io.operators.comparison import multiply_by_truth
from onnx_lippa.onnx_io.operators.registry import converts


@converts("Add", since=7)
@converts("Sub", since=7)
def convert_add(node: NodeView) -> Conversion:
    """At most one of the two tensors constant."""
    weights = (1.0, 1.0 if node.op == "Add" else -1.0)
    if len(node.only_computed()) == 2:
        operands = broadcast_operands(node)
        return operands.convert(WeightedSum(operands.sources, weights))
    position, x, constant = node.computed_and_constant("summand")
    frame, shift = broadcast_constant(x, constant)
    if weights[position] == 1.0:
        shifted = ScaleShift(frame.source, shift=weights[1 - position] * shift)
        return frame.convert(shifted, position=position)
    if x.output_activation is OutputActivation.SIGMOID and np.all(shift == 1.0):
        # 1 - sigmoid(x) = sigmoid(-x): the other score of a classifier with two classes.
        negated = frame.convert(ScaleShift(frame.source, -1.0), position=position)
        return replace(negated, output_activation=OutputActivation.SIGMOID)
    return frame.convert(ScaleShift(frame.source, -1.0, shift), position=position)


@converts("Sum", since=6)
@converts("Mean", since=6)
def convert_sum(node: NodeView) -> Conversion:
    """Any number of tensors, constant or computed, that broadcast."""
    if len(node.operands) == 1:
        return Conversion(())
    operands = broadcast_operands(node)
    weight = 1.0 if node.op == "Sum" else 1.0 / len(node.operands)
    constants = [weight * constant for constant in operands.constants.values()]
    total = reduce(np.add, constants) if constants else None
    weights = [weight] * len(operands.positions)
    return operands.convert(WeightedSum(operands.sources, weights, total))


@converts("Mul", since=7)
def convert_mul(node: NodeView) -> Conversion:
    """``x * c`` or ``c * x``; ``x * (y >= z)`` with the truth of a comparison."""
    masked = multiply_by_truth(node)
    if masked is not None:
        return masked
    position, x, constant = node.computed_and_constant("factor")
    frame, scale = broadcast_constant(x, constant)
    return frame.convert(ScaleShift(frame.source, scale), position=position)


@converts("Div", since=7)
def convert_div(node: NodeView) -> Conversion:
    """``x / c``."""
    if isinstance(node.operand(1), Computed):
        raise Unsupported("division by a computed tensor is not piecewise linear")
    frame, divisor = broadcast_constant(node.computed(0), node.constant(1, "divisor"))
    if not np.all(np.abs(divisor) >= np.finfo(np.float32).tiny):
        raise Unsupported("its constant divisor contains a zero, or too small a number to invert")
    return frame.convert(ScaleShift(frame.source, 1.0 / divisor))


@converts("Neg", since=6)
def convert_neg(node: NodeView) -> Conversion:
    """``-x``."""
    return Conversion((ScaleShift(node.computed().shape, -1.0),))


@converts("BatchNormalization", since=7)
def convert_batch_normalization(node: NodeView) -> Conversion:
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta``, per channel."""
    # Before opset 14 the mode shows by the training outputs alone.
    if node.integer("training_mode", 0) != 0 or (node.opset < 14 and node.outputs > 1):
        raise Unsupported("it is in training mode: export the model in evaluation mode")
    x = node.sample()
    if not x.shape:
        raise Unsupported("its samples have no axis of channels")
    gamma, beta, mean, variance = (
        node.constant(position, meaning).weight
        for position, meaning in enumerate(("scale", "bias", "mean", "variance"), start=1)
    )
    channels = x.shape[:1]
    if any(part.shape != channels for part in (gamma, beta, mean, variance)):
        raise Unsupported(f"its statistics do not have one entry for each of {channels} channels")
    spread = variance + node.number("epsilon", 1e-5)
    if not np.all(spread > 0.0):
        raise Unsupported("its variance plus epsilon is not positive everywhere")
    scale = gamma / np.sqrt(spread)
    shift = beta - scale * mean
    wide = (channels[0], *(1,) * (len(x.shape) - 1))
    return Conversion((ScaleShift(x.shape, scale.reshape(wide), shift.reshape(wide)),))


@converts("ai.onnx.ml.Scaler")
def convert_scaler(node: NodeView) -> Conversion:
    """``(x - offset) * scale``, each one number or one for each feature."""
    x = node.sample()
    offset, scale = (
        np.array(node.numbers(name, default)) for name, default in (("offset", 0.0), ("scale", 1.0))
    )
    for name, values in (("offset", offset), ("scale", scale)):
        if len(x.shape) != 1 or values.size not in (1, *x.shape):
            raise Unsupported(
                f"its {name} of {values.size} numbers does not fit samples of shape {x.shape}"
            )
    return Conversion((ScaleShift(x.shape, scale, -offset * scale),))


@converts("Trilu", since=14)
def convert_trilu(node: NodeView) -> Conversion:
    """The upper or lower triangle of the last two axes, from a constant diagonal on."""
    x = node.computed()
    numbers = node.constant_integers(1, "k", (0,))
    if x.rank < 2 or len(numbers) != 1:
        raise Unsupported(
            f"it takes matrices and one diagonal, not a tensor of shape {x.graph_shape}"
        )
    frame = frame_axes(x, (-2, -1))
    rows, columns = frame.source[-2:]
    # Beyond the matrix a diagonal changes nothing; NumPy takes no numbers as large as int64's.
    k = min(max(numbers[0], -rows), columns)
    kept = np.ones((rows, columns))
    kept = np.triu(kept, k) if node.integer("upper", 1) else np.tril(kept, k)
    return frame.convert(ScaleShift(frame.source, kept))
