"""Whether a witness and a proof can both hold."""

from __future__ import annotations

from typing import Final

import numpy as np

from onnx_lippa.arrays import Floats
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import UnsafeSet

_EXACT: Final = 1e-9
"""Rounding of float64, as a share of the margin's size plus 1."""
_SINGLE: Final = 1e-3
"""Most by which ONNX Runtime may differ from the network as it was read, likewise; loading a
model makes sure of less."""


def contradict(x: Floats, outputs: Floats, bound: float, unsafe: UnsafeSet, model: Model) -> bool:
    """Whether an unsafe input refutes a positive lower bound of all margins.

    A proof is about real numbers, a witness about what ONNX Runtime computes from them. Where a
    margin is within rounding of 0 both can be right; the proof is wrong only if the margin of the
    input, in float64, is below its bound, or ONNX Runtime computes another network than was read.

    Args:
        x: (d,) the input.
        outputs: (k,) what ONNX Runtime gives for it.
        bound: what was proven.
        unsafe: the outputs that are unsafe.
        model: the model.
    """
    read = model.network.forward(x[None].astype(np.float64))
    margin, ran = (float(unsafe.margins(logits).min()) for logits in (read, outputs[None]))
    size = 1 + float(np.abs(read).max())
    return margin < bound - _EXACT * size or abs(margin - ran) > _SINGLE * size
