"""Small networks in rational arithmetic: proofs without rounding, over inputs without bounds."""

from onnx_lippa.certify.exact.search import ExactSearch, Refuted
from onnx_lippa.certify.exact.system import NotExactError, exact_system

__all__ = ["ExactSearch", "NotExactError", "Refuted", "exact_system"]
