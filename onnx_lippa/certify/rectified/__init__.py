"""A question with everything folded that its input box decides: affine maps and unstable ReLUs."""

from onnx_lippa.certify.rectified.system import RectifiedSystem

__all__ = ["RectifiedSystem"]
