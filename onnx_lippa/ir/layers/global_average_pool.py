"""GlobalAveragePool."""

from __future__ import annotations

import numpy as np

from onnx_lippa.arrays import size
from onnx_lippa.ir.layers.node import Converted, NodeView
from onnx_lippa.ir.layers.pooling import images_of
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.scale_shift import ScaleShift
from onnx_lippa.ir.layers.summed import Summed


@converts("GlobalAveragePool")
def convert(node: NodeView) -> Converted:
    """The mean of every channel."""
    x = node.computed()
    images = images_of(x, x.rank - 2)
    summed = Summed(images.source, range(1, len(images.source)))
    mean = ScaleShift(summed.shape, np.array(1.0 / size(images.extents)), None)
    return images.converted(summed, mean)
