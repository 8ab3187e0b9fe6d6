"""Scaler of the machine-learning domain, as pipelines of scikit-learn begin with."""

from __future__ import annotations

import numpy as np

from onnx_lippa.ir.layers.node import Converted, NodeView, Unsupported
from onnx_lippa.ir.layers.registry import converts
from onnx_lippa.ir.layers.scale_shift import ScaleShift


@converts("ai.onnx.ml.Scaler")
def convert(node: NodeView) -> Converted:
    """``(x - offset) * scale``, each one number or one for each feature."""
    x = node.sample()
    offset, scale = (
        np.array(node.numbers(name, default)) for name, default in (("offset", 0.0), ("scale", 1.0))
    )
    for name, values in (("offset", offset), ("scale", scale)):
        if len(x.shape) != 1 or values.size not in (1, *x.shape):
            raise Unsupported(
                f"its {name} of {values.size} numbers does not fit samples of shape {x.shape}"
            )
    return Converted((ScaleShift(x.shape, scale, -offset * scale),))
