"""Split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onnx_lippa.ir.layers.frame import framed
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.taken import taken


@converts("Split")
def convert_attribute(node: NodeView) -> tuple[Converted, ...]:
    """Lengths stated by an attribute, as before opset 13, or equal ones."""
    lengths = node.integers("split", ())
    if node.operand(1) is not None:  # opset 1 has an input as well
        lengths = node.known(1, "lengths").integers
    return _split(node, lengths)


@converts("Split", since=13)
def convert(node: NodeView) -> tuple[Converted, ...]:
    """Constant lengths, or equal ones."""
    lengths = node.optional(1, "lengths")
    return _split(node, () if lengths is None else lengths.integers)


def _split(node: NodeView, lengths: Sequence[int]) -> tuple[Converted, ...]:
    x = node.computed()
    frame = framed(x, (node.axis("axis", 0, x.rank),))
    (axis,) = frame.axes
    extent, parts = frame.source[axis], len(node.used)
    lengths = lengths or _equal(extent, parts, node.opset)
    if len(lengths) != parts or min(lengths) < 0 or sum(lengths) != extent:
        raise Unsupported(f"its lengths {list(lengths)} do not cut {extent} into {parts} parts")
    if any(used and length == 0 for used, length in zip(node.used, lengths, strict=True)):
        raise Unsupported(f"its lengths {list(lengths)} leave a part empty that is used")
    ends = np.cumsum(lengths)
    return tuple(
        frame.converted(*taken(frame.source, {axis: np.arange(end - length, end)}))
        for length, end in zip(lengths, ends, strict=True)
    )


def _equal(extent: int, parts: int, opset: int) -> list[int]:
    """Equal lengths; from opset 18 on the last one may be shorter."""
    if extent % parts and opset < 18:
        raise Unsupported(f"its axis of extent {extent} does not split into {parts} equal parts")
    length = -(-extent // parts)
    return [*(length,) * (parts - 1), extent - length * (parts - 1)]
