"""Elementwise affine operators: arithmetic with constants, sums, and normalizations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.layers.elementwise import ScaleShift, WeightedSum
from onnx_lippa.ir.output_activation import OutputActivation
from onnx_lippa.onnx_io.frame import framed, met, met_together
from onnx_lippa.onnx_io.node import Computed, Converted, Known, NodeView
from onnx_lippa.onnx_io.operators.comparison import product_with_truth
from onnx_lippa.onnx_io.operators.registry import converts


def _add(
    node: NodeView, weights: Sequence[float | Float64], constant: Float64 | None = None
) -> Converted:
    """The weighted sum of the computed operands, and a constant that fits their samples.

    Raises:
        Unsupported: the operands do not broadcast.
    """
    meeting = met_together(node)
    return meeting.converted(WeightedSum(meeting.sources, weights, constant))


@converts("Add", since=7)
def convert_add(node: NodeView) -> Converted:
    """``x + c``, ``c + x`` or ``x + y``."""
    positions = node.only_computed()
    if len(positions) == 2:
        return _add(node, (1.0, 1.0))
    (position,) = positions
    frame, shift = met(node.computed(position), node.known(1 - position, "summand"))
    return frame.converted(ScaleShift(frame.source, None, shift), position=position)


@converts("Sub", since=7)
def convert_sub(node: NodeView) -> Converted:
    """``x - c``, ``c - x`` or ``x - y``."""
    positions = node.only_computed()
    if len(positions) == 2:
        return _add(node, (1.0, -1.0))
    (position,) = positions
    x = node.computed(position)
    frame, constant = met(x, node.known(1 - position, "constant"))
    if position == 0:
        return frame.converted(ScaleShift(frame.source, None, -constant))
    if x.output_activation is OutputActivation.SIGMOID and np.all(constant == 1.0):
        # 1 - sigmoid(x) = sigmoid(-x): the other score of a classifier with two classes.
        negated = frame.converted(ScaleShift(frame.source, np.array(-1.0), None), position=1)
        return replace(negated, output_activation=OutputActivation.SIGMOID)
    return frame.converted(ScaleShift(frame.source, np.array(-1.0), constant), position=1)


def _weighted(node: NodeView, weight: float) -> Converted:
    """The sum of all operands, each times the weight."""
    meeting = met_together(node)
    constants = [
        weight * meeting.constant(operand.weight)
        for operand in node.operands
        if isinstance(operand, Known)
    ]
    total = reduce(np.add, constants) if constants else None
    if total is None and len(node.operands) == 1:
        return Converted(())
    weights = [weight] * len(meeting.positions)
    return meeting.converted(WeightedSum(meeting.sources, weights, total))


@converts("Sum", since=6)
def convert_sum(node: NodeView) -> Converted:
    """The sum of any number of tensors that broadcast, constants and computed ones."""
    return _weighted(node, 1.0)


@converts("Mean", since=6)
def convert_mean(node: NodeView) -> Converted:
    """The mean of any number of tensors that broadcast, constants and computed ones."""
    return _weighted(node, 1.0 / len(node.operands))


@converts("Mul", since=7)
def convert_mul(node: NodeView) -> Converted:
    """``x * c`` or ``c * x``; ``x * (y >= z)`` with the truth of a comparison."""
    positions = node.only_computed()
    if len(positions) == 2:
        masked = product_with_truth(node)
        if masked is not None:
            return masked
        raise Unsupported("the product of two computed tensors is not piecewise linear")
    (position,) = positions
    frame, scale = met(node.computed(position), node.known(1 - position, "factor"))
    return frame.converted(ScaleShift(frame.source, scale, None), position=position)


@converts("Div", since=7)
def convert_div(node: NodeView) -> Converted:
    """``x / c``."""
    if isinstance(node.operand(1), Computed):
        raise Unsupported("division by a computed tensor is not piecewise linear")
    frame, divisor = met(node.computed(0), node.known(1, "divisor"))
    if not np.all(np.abs(divisor) >= np.finfo(np.float32).tiny):
        raise Unsupported("its constant divisor contains a zero, or too small a number to invert")
    return frame.converted(ScaleShift(frame.source, 1.0 / divisor, None))


@converts("Neg", since=6)
def convert_neg(node: NodeView) -> Converted:
    """``-x``."""
    return Converted((ScaleShift(node.computed().shape, np.array(-1.0), None),))


@converts("BatchNormalization", since=7)
def convert_batch_normalization(node: NodeView) -> Converted:
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta``, per channel."""
    # Before opset 14 the training outputs are what says so.
    if node.integer("training_mode", 0) != 0 or (node.opset < 14 and node.outputs > 1):
        raise Unsupported("it is in training mode: export the model in evaluation mode")
    x = node.sample()
    if not x.shape:
        raise Unsupported("its samples have no axis of channels")
    gamma, beta, mean, variance = (
        node.known(position, meaning).weight
        for position, meaning in enumerate(("scale", "bias", "mean", "variance"), start=1)
    )
    channels = x.shape[:1]
    if any(part.shape != channels for part in (gamma, beta, mean, variance)):
        raise Unsupported(f"its statistics do not have one entry for each of {channels} channels")
    spread = variance + float(np.float32(node.number("epsilon", 1e-5)))
    if not np.all(spread > 0.0):
        raise Unsupported("its variance plus epsilon is not positive everywhere")
    scale = gamma / np.sqrt(spread)
    shift = beta - scale * mean
    wide = (channels[0], *(1,) * (len(x.shape) - 1))
    return Converted((ScaleShift(x.shape, scale.reshape(wide), shift.reshape(wide)),))


@converts("ai.onnx.ml.Scaler")
def convert_scaler(node: NodeView) -> Converted:
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
    return Converted((ScaleShift(x.shape, scale, -offset * scale),))


@converts("Trilu", since=14)
def convert_trilu(node: NodeView) -> Converted:
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
