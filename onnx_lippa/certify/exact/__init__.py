"""Proofs without rounding: small networks, single points, ties, inputs without bounds."""

from onnx_lippa.certify.exact.margins import constant_margin, margins_at
from onnx_lippa.certify.exact.search import ExactSearch, Refuted
from onnx_lippa.certify.exact.system import NotExactError, exact_system

__all__ = [
    "ExactSearch",
    "NotExactError",
    "Refuted",
    "constant_margin",
    "exact_system",
    "margins_at",
]
