"""Which function converts which operator, and why the others have none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

from onnx_lippa.onnx_io.node import Conversion, NodeView

Converter: TypeAlias = Callable[[NodeView], Conversion | tuple[Conversion, ...]]
"""Gives what a node becomes, one entry for each output where there are several."""
C = TypeVar("C", bound=Converter)
_CONVERTERS: Final[dict[str, dict[int, Converter]]] = {}
"""For every operator its converters, by the opset each holds from."""
_REFUSALS: Final = {
    "it is a curve, not piecewise linear: train and export with Relu, LeakyRelu, Clip, "
    "HardSigmoid or similar operators instead": (
        "Acos Acosh Asin Asinh Atan Atanh Celu Cos Cosh Elu Erf Exp Gelu Log Mish Pow Reciprocal "
        "Selu Sin Sinh Softplus Softsign Sqrt Swish Tan Tanh"
    ),
    "it is quadratic between its kinks, not piecewise linear: train and export with HardSigmoid, "
    "Clip or Relu instead": "HardSwish",
    "it divides by a root or a sum of its input, which is not piecewise linear: train and "
    "export with BatchNormalization instead": (
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
        "ArgMax ArgMin Ceil Equal Floor Hardmax IsInf IsNaN Mod NonZero OneHot Round Sign "
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
"""Why operators have no converter: each reason with its operators."""


def converts(op: str, since: int = 1) -> Callable[[C], C]:
    """Registers a converter for an operator as it is defined from one opset on."""

    def register(converter: C) -> C:
        _CONVERTERS.setdefault(op, {})[since] = converter
        return converter

    return register


def converter_for(op: str, opset: int) -> Converter | None:
    """The converter of an operator in an opset, None where there is none."""
    versions = _CONVERTERS.get(op, {})
    return versions.get(max((since for since in versions if since <= opset), default=0))


def converters() -> dict[str, dict[int, Converter]]:
    """For every operator, sorted, its converters by the opset each holds from."""
    return {op: dict(sorted(versions.items())) for op, versions in sorted(_CONVERTERS.items())}


def why_refused(op: str) -> str:
    """Why an operator without a converter is not supported, and what to do about it."""
    reasons = (reason for reason, ops in refusals().items() if op in ops)
    return next(reasons, "this operator is not supported: export the model without it")


def refusals() -> dict[str, tuple[str, ...]]:
    """The reasons, each with its operators."""
    return {reason: tuple(ops.split()) for reason, ops in _REFUSALS.items()}
