"""Tile."""

from __future__ import annotations

from onnx_lippa.ir.layers.frame import framed
from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.rearrange import Rearranged
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.summed import Repeated


@converts("Tile", since=6)
def convert(node: NodeView) -> Converted:
    """The tensor repeated a constant number of times along each axis."""
    x = node.computed()
    repeats = node.known(1, "repeats").integers
    if len(repeats) != x.rank or min(repeats, default=1) < 1:
        raise Unsupported(f"its repeats {list(repeats)} do not fit a tensor of rank {x.rank}")
    repeated = [axis for axis, times in enumerate(repeats) if times > 1]
    frame = framed(x, repeated)
    times = dict(zip(frame.axes, (repeats[axis] for axis in repeated), strict=True))
    # Every axis that is repeated gets one of extent 1 in front, which is then widened.
    narrow: list[int] = []
    wide: list[int] = []
    shape: list[int] = []
    for axis, extent in enumerate(frame.source):
        if axis in times:
            narrow.append(1)
            wide.append(times[axis])
        narrow.append(extent)
        wide.append(extent)
        shape.append(times.get(axis, 1) * extent)
    layers = (
        Rearranged(frame.source, tuple(narrow)),
        Repeated(tuple(narrow), tuple(wide)),
        Rearranged(tuple(wide), tuple(shape)),
    )
    return frame.converted(*(layers if times else ()))
