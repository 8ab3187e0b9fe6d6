"""Why operators have no converter, kind by kind."""

from __future__ import annotations

from typing import Final

_KINDS: Final = {
    "it is a curve, not piecewise linear: train and export with Relu, LeakyRelu, Clip, "
    "HardSigmoid or their like in its place": (
        "Acos Acosh Asin Asinh Atan Atanh Celu Cos Cosh Elu Erf Exp Gelu Log Mish Pow Reciprocal "
        "Selu Sin Sinh Softplus Softsign Sqrt Swish Tan Tanh"
    ),
    "it is quadratic between its kinks, not piecewise linear: train and export with HardSigmoid, "
    "Clip or Relu in its place": "HardSwish",
    "it divides by a root or a sum of what it is given, which is not piecewise linear: train and "
    "export with BatchNormalization in its place": (
        "GroupNormalization InstanceNormalization LRN LayerNormalization LpNormalization "
        "MeanVarianceNormalization RMSNormalization"
    ),
    "it multiplies computed tensors with each other, which is not piecewise linear: export the "
    "model without it": (
        "Attention CumProd Det GridSample LinearAttention ReduceProd ReduceSumSquare "
        "RotaryEmbedding SwiGLU"
    ),
    "it takes logarithms or roots, which is not piecewise linear: export the model without it": (
        "NegativeLogLikelihoodLoss ReduceL2 ReduceLogSum ReduceLogSumExp SoftmaxCrossEntropyLoss"
    ),
    "it jumps from one value to another, where attacks have no slope to follow: export the model "
    "without it": (
        "ArgMax ArgMin Ceil Equal Floor Hardmax IsInf IsNaN Mod NonZero OneHot Round Shrink Sign "
        "ThresholdedRelu TopK Unique"
    ),
    "it joins several conditions, where one comparison is supported: write it as a Where inside "
    "another": "And Or Xor",
    "the model is quantised and rounds to whole numbers, where attacks have no slope to follow: "
    "export the float model from before that": (
        "ConvInteger DequantizeLinear DynamicQuantizeLinear MatMulInteger QLinearConv "
        "QLinearMatMul QuantizeLinear"
    ),
    "its gates are sigmoids and hyperbolic tangents, which are not piecewise linear: export a "
    "model without recurrence": "GRU LSTM RNN",
    "optional values are not supported: export the model with tensors alone": (
        "Optional OptionalGetElement OptionalHasElement"
    ),
    "it draws random numbers: export the model without it": (
        "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike"
    ),
}
"""Reasons, and the operators for which each is the one."""

_REASONS: Final = {op: reason for reason, ops in _KINDS.items() for op in ops.split()}


def refusal_of(op: str) -> str:
    """Why an operator without a converter is not supported, and what to do about it."""
    return _REASONS.get(op, "this operator is not supported: export the model without it")


def refusals() -> dict[str, tuple[str, ...]]:
    """The reasons, each with its operators."""
    return {reason: tuple(ops.split()) for reason, ops in _KINDS.items()}


def refused_ops() -> tuple[str, ...]:
    """Operators that are known and refused for a reason of their kind, sorted."""
    return tuple(sorted(_REASONS))
