"""Cast."""

from __future__ import annotations

from typing import Final

from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts

_FLOATS: Final = frozenset({1, 11})
"""ONNX's numbers for float32 and float64."""
_SHORT: Final = {10: "float16", 16: "bfloat16"}
_NAMES: Final = {
    2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string",
    9: "bool", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128",
}  # fmt: skip


@converts("Cast", since=6)
def convert(node: NodeView) -> Converted:
    """Between floating-point types, which is taken for the identity."""
    target = node.integer("to", 0)
    if target in _SHORT:
        raise Unsupported(rounds_to_short(_SHORT[target]))
    if node.computed().holds is None and target not in _FLOATS:
        name = _NAMES.get(target, f"number {target}")
        raise Unsupported(f"a cast to {name} rounds, which makes the model jump")
    return Converted(())


def rounds_to_short(name: str) -> str:
    """Why a cast to a short floating-point type is not supported."""
    return (
        f"a cast to {name} rounds to two to three digits, which is not piecewise linear: export "
        "the model in float32"
    )
