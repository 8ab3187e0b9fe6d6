"""Reductions over axes: ReduceSum, ReduceMean, ReduceL1, ReduceMax, ReduceMin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import Shape, size
from onnx_lippa.errors import Unsupported
from onnx_lippa.ir.layers.activation import Abs
from onnx_lippa.ir.layers.base import Layer
from onnx_lippa.ir.layers.elementwise import ScaleShift
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.layers.reduce_sum import ReduceSum
from onnx_lippa.ir.layers.reshape import Reshape, Transpose
from onnx_lippa.onnx_io.frame import Frame, frame_axes
from onnx_lippa.onnx_io.node import Conversion, NodeView
from onnx_lippa.onnx_io.operators.registry import converts


@dataclass(frozen=True)
class Reduction:
    """A reduction of the first operand.

    Attributes:
        frame: the operand, and the axes that are reduced.
        keep: whether these stay, with extent 1.
    """

    frame: Frame
    keep: bool

    @property
    def count(self) -> int:
        """How many entries are taken together."""
        return size(tuple(self.frame.source[axis] for axis in self.frame.axes))

    @property
    def shape(self) -> Shape:
        """Shape of the result."""
        axes, source = self.frame.axes, self.frame.source
        if self.keep:
            return tuple(1 if i in axes else extent for i, extent in enumerate(source))
        return tuple(extent for i, extent in enumerate(source) if i not in axes)

    def convert(self, *layers: Layer) -> Conversion:
        """The node as layers on the frame's source, and one that gives the result its shape."""
        shape = layers[-1].shape if layers else self.frame.source
        return self.frame.convert(*layers, Reshape(shape, self.shape))

    def sum(self) -> tuple[Layer, ...]:
        """The sum over the axes, which keep the extent 1."""
        return () if self.count == 1 else (ReduceSum(self.frame.source, self.frame.axes),)

    def max(self, sign: float = 1.0) -> tuple[Layer, ...]:
        """The largest entry over the axes; for sign -1 the smallest."""
        source, axes = self.frame.source, sorted(self.frame.axes)
        if self.count == 1:
            return ()
        if self.count == 0:
            raise Unsupported(f"it is over no entries of a tensor of shape {source}")
        layers: list[Layer] = []
        first, behind = axes[0], axes[-1] + 1
        if behind - first != len(axes):  # brings them together
            kept = [axis for axis in range(len(source)) if axis not in axes]
            layers.append(Transpose(source, (*kept, *axes)))
            source = layers[-1].shape
            first, behind = len(kept), len(source)
        flat = (*source[:first], self.count, *source[behind:])
        layers += [Reshape(source, flat), ReduceMax(flat, first)]
        if sign == 1.0:
            return tuple(layers)
        shape = layers[-1].shape
        minus = np.array(-1.0)
        return (
            ScaleShift(self.frame.source, minus, None),
            *layers,
            ScaleShift(shape, minus, None),
        )


def _by_attribute(node: NodeView) -> Reduction:
    """A reduction whose axes are an attribute; all axes where it is left out."""
    return _over(node, node.integers("axes", ()))


def _by_input(node: NodeView) -> Reduction:
    """A reduction whose axes are an input; all or none where it is left out or empty."""
    axes = node.optional(1, "axes")
    chosen = () if axes is None else axes.integers
    if not chosen and node.integer("noop_with_empty_axes", 0) != 0:
        x = node.computed()
        return Reduction(Frame((), x.shape, (), x.batched), True)
    return _over(node, chosen)


def _over(node: NodeView, axes: Sequence[int]) -> Reduction:
    x = node.computed()
    frame = frame_axes(x, axes or range(x.rank))
    return Reduction(frame, node.integer("keepdims", 1) != 0)


@converts("ReduceSum")
def convert_reduce_sum_of_attribute(node: NodeView) -> Conversion:
    """The sum over the axes of an attribute."""
    return _summed(_by_attribute(node))


@converts("ReduceSum", since=13)
def convert_reduce_sum(node: NodeView) -> Conversion:
    """The sum over constant axes."""
    return _summed(_by_input(node))


def _summed(reduction: Reduction) -> Conversion:
    return reduction.convert(*reduction.sum())


@converts("ReduceMean")
def convert_reduce_mean_of_attribute(node: NodeView) -> Conversion:
    """The mean over the axes of an attribute."""
    return _mean(_by_attribute(node))


@converts("ReduceMean", since=18)
def convert_reduce_mean(node: NodeView) -> Conversion:
    """The mean over constant axes."""
    return _mean(_by_input(node))


def _mean(reduction: Reduction) -> Conversion:
    if reduction.count == 1:
        return reduction.convert()
    summed = reduction.sum()
    scale = np.array(1.0 / reduction.count)
    return reduction.convert(*summed, ScaleShift(summed[-1].shape, scale, None))


@converts("ReduceL1")
def convert_reduce_l1_of_attribute(node: NodeView) -> Conversion:
    """The sum of the absolute values over the axes of an attribute."""
    return _l1(_by_attribute(node))


@converts("ReduceL1", since=18)
def convert_reduce_l1(node: NodeView) -> Conversion:
    """The sum of the absolute values over constant axes."""
    return _l1(_by_input(node))


def _l1(reduction: Reduction) -> Conversion:
    return reduction.convert(Abs(reduction.frame.source), *reduction.sum())


@converts("ReduceMax")
def convert_reduce_max_of_attribute(node: NodeView) -> Conversion:
    """The largest entry over the axes of an attribute."""
    return _largest(_by_attribute(node))


@converts("ReduceMax", since=18)
def convert_reduce_max(node: NodeView) -> Conversion:
    """The largest entry over constant axes."""
    return _largest(_by_input(node))


def _largest(reduction: Reduction) -> Conversion:
    return reduction.convert(*reduction.max())


@converts("ReduceMin")
def convert_reduce_min_of_attribute(node: NodeView) -> Conversion:
    """The smallest entry over the axes of an attribute."""
    return _smallest(_by_attribute(node))


@converts("ReduceMin", since=18)
def convert_reduce_min(node: NodeView) -> Conversion:
    """The smallest entry over constant axes."""
    return _smallest(_by_input(node))


def _smallest(reduction: Reduction) -> Conversion:
    return reduction.convert(*reduction.max(sign=-1.0))
