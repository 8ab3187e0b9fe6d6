"""Reductions over axes: ReduceSum, ReduceMean, ReduceL1, ReduceMax, ReduceMin."""

from __future__ import annotations

from dataclasses import dataclass

from onnx_lippa.arrays import Shape, size
from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.layers.activation import Abs
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.elementwise import ScaleShift
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.layers.reshape import ReduceSum, Reshape, Transpose
from onnx_lippa.onnx_io.frame import Frame, frame_axes
from onnx_lippa.onnx_io.node import Conversion, NodeView
from onnx_lippa.onnx_io.operators.registry import converts


@dataclass(frozen=True)
class Reduction:
    """A reduction of the first operand.

    Attributes:
        frame: the operand, and the axes that are reduced.
        keep: whether these are kept with extent 1.
    """

    frame: Frame
    keep: bool

    @property
    def count(self) -> int:
        """How many entries each result is reduced from."""
        return size(tuple(self.frame.source[axis] for axis in self.frame.axes))

    @property
    def shape(self) -> Shape:
        """Shape of the result."""
        axes, source = self.frame.axes, self.frame.source
        if self.keep:
            return tuple(1 if i in axes else extent for i, extent in enumerate(source))
        return tuple(extent for i, extent in enumerate(source) if i not in axes)

    def convert(self, *layers: Layer) -> Conversion:
        """The node as layers on the frame's source, reshaped to the result's shape."""
        shape = layers[-1].shape if layers else self.frame.source
        return self.frame.convert(*layers, Reshape(shape, self.shape))

    def total(self) -> tuple[Layer, ...]:
        """The sum over the axes, kept with extent 1."""
        return () if self.count == 1 else (ReduceSum(self.frame.source, self.frame.axes),)

    def mean(self) -> tuple[Layer, ...]:
        """The mean over the axes, kept with extent 1."""
        summed = self.total()
        return (*summed, *(ScaleShift(layer.shape, 1.0 / self.count) for layer in summed))

    def largest(self) -> tuple[Layer, ...]:
        """The largest entry over the axes, these dropped."""
        source, axes = self.frame.source, sorted(self.frame.axes)
        if self.count == 1:
            return ()
        if self.count == 0:
            raise Unsupported(f"it is over no entries of a tensor of shape {source}")
        layers: list[Layer] = []
        first, behind = axes[0], axes[-1] + 1
        if behind - first != len(axes):  # the axes are made adjacent
            kept = [axis for axis in range(len(source)) if axis not in axes]
            layers.append(Transpose(source, (*kept, *axes)))
            source = layers[-1].shape
            first, behind = len(kept), len(source)
        flat = (*source[:first], self.count, *source[behind:])
        return (*layers, Reshape(source, flat), ReduceMax(flat, first))

    def smallest(self) -> tuple[Layer, ...]:
        """The smallest entry over the axes, these dropped: the negated maximum of -x."""
        layers = self.largest()
        if not layers:
            return ()
        return ScaleShift(self.frame.source, -1.0), *layers, ScaleShift(layers[-1].shape, -1.0)


def _read_reduction(node: NodeView) -> Reduction:
    """The reduction of a node, over all axes where none are given."""
    x, axes = node.computed(), node.constant_integers(1, "axes")
    if not axes and node.integer("noop_with_empty_axes", 0) != 0:
        return Reduction(Frame((), x.shape, (), x.batched), True)
    frame = frame_axes(x, axes or range(x.rank))
    return Reduction(frame, node.integer("keepdims", 1) != 0)


@converts("ReduceSum")
@converts("ReduceMean")
def convert_reduce_sum(node: NodeView) -> Conversion:
    """Over constant axes."""
    reduction = _read_reduction(node)
    return reduction.convert(*(reduction.total() if node.op == "ReduceSum" else reduction.mean()))


@converts("ReduceL1")
def convert_reduce_l1(node: NodeView) -> Conversion:
    """The sum of the absolute values over constant axes."""
    reduction = _read_reduction(node)
    return reduction.convert(Abs(reduction.frame.source), *reduction.total())


@converts("ReduceMax")
@converts("ReduceMin")
def convert_reduce_max(node: NodeView) -> Conversion:
    """Over constant axes."""
    reduction = _read_reduction(node)
    return reduction.convert(
        *(reduction.largest() if node.op == "ReduceMax" else reduction.smallest())
    )
