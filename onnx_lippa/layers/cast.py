"""Cast."""

from __future__ import annotations

from typing import Final

from onnx_lippa.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.layers.registry import converts

_FLOATS: Final = frozenset({1, 10, 11, 16})
"""ONNX's numbers for float32, float16, float64 and bfloat16."""
_NAMES: Final = {
    2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string",
    9: "bool", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128",
}  # fmt: skip


@converts("Cast", since=6)
def convert(node: NodeView) -> Converted:
    """Between floating-point types, which is taken for the identity."""
    target = node.integer("to", 0)
    if node.computed().holds is None and target not in _FLOATS:
        name = _NAMES.get(target, f"number {target}")
        raise Unsupported(f"a cast to {name} rounds, which makes the model jump")
    return Converted(())
