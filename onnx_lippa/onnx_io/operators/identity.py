"""Operators that pass their input on: Identity, Dropout, Cast, CastLike."""

from __future__ import annotations

from typing import Final

import numpy as np

from onnx_lippa.errors import Unsupported
from onnx_lippa.onnx_io.interface import element_type
from onnx_lippa.onnx_io.node import Constant, Conversion, NodeView
from onnx_lippa.onnx_io.operators.registry import converts

_HALF_PRECISION: Final = frozenset({"float16", "bfloat16"})


@converts("Identity")
def convert_identity(node: NodeView) -> Conversion:
    """Passes its input on."""
    node.computed()
    return Conversion(())


@converts("Dropout")
def convert_dropout(node: NodeView) -> Conversion:
    """The identity, unless the training flag of opset 12 is set."""
    node.computed()
    training = node.operand(2)
    if training is not None and not (isinstance(training, Constant) and not training.value.any()):
        raise Unsupported("it is in training mode: export the model in evaluation mode")
    return Conversion(())


@converts("Cast", since=6)
def convert_cast(node: NodeView) -> Conversion:
    """Between floating-point types: the identity."""
    target = element_type(node.integer("to", 0))
    if target in _HALF_PRECISION:
        raise Unsupported(_rounds(target))
    if node.computed().holds is None and target not in ("float", "double"):
        raise Unsupported(f"a cast to {target} rounds, which makes the model jump")
    return Conversion(())


def _rounds(name: str) -> str:
    """Why a cast to a short floating-point type is not supported."""
    return (
        f"a cast to {name} rounds to two to three digits, which is not piecewise linear: export "
        "the model in float32"
    )


@converts("CastLike", since=15)
def convert_cast_like(node: NodeView) -> Conversion:
    """To the type of a computed tensor or of a floating-point constant: the identity."""
    node.computed()
    like = node.operand(1)
    if isinstance(like, Constant) and like.value.dtype.kind in "biu":
        raise Unsupported(f"a cast to {like.value.dtype} rounds, which makes the model jump")
    if isinstance(like, Constant) and like.value.dtype not in (np.float32, np.float64):
        raise Unsupported(_rounds(str(like.value.dtype)))
    return Conversion(())
