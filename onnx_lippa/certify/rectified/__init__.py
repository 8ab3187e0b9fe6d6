"""A question with everything folded that its input box decides: affine maps and unstable ReLUs."""

from onnx_lippa.certify.rectified.build import rectified
from onnx_lippa.certify.rectified.conditions import shared_conditions
from onnx_lippa.certify.rectified.folding import NoInputsError, Tightening, TooLargeError
from onnx_lippa.certify.rectified.pieces import NoRelaxationError
from onnx_lippa.certify.rectified.reach import Reach
from onnx_lippa.certify.rectified.system import RectifiedSystem

__all__ = [
    "NoInputsError",
    "NoRelaxationError",
    "Reach",
    "RectifiedSystem",
    "Tightening",
    "TooLargeError",
    "rectified",
    "shared_conditions",
]
