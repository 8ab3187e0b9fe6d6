"""ReduceMean."""

from __future__ import annotations

import numpy as np

from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.reduced import Reduction, by_attribute, by_input
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.scale_shift import ScaleShift


@converts("ReduceMean")
def convert_attribute(node: NodeView) -> Converted:
    """The mean over the axes of an attribute."""
    return _mean(by_attribute(node))


@converts("ReduceMean", since=18)
def convert(node: NodeView) -> Converted:
    """The mean over constant axes."""
    return _mean(by_input(node))


def _mean(reduction: Reduction) -> Converted:
    if reduction.count == 1:
        return reduction.converted()
    summed = reduction.summed()
    scale = np.array(1.0 / reduction.count)
    return reduction.converted(*summed, ScaleShift(summed[-1].shape, scale, None))
