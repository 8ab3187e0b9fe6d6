"""Proofs without rounding: small networks, single points, ties, inputs without bounds."""

from onnx_lippa.search.exact.margins import constant_margin, margins_at
from onnx_lippa.search.exact.search import ExactSearch, Refuted
from onnx_lippa.search.exact.system import NotExactError, exact_system

__all__ = [
    "ExactSearch",
    "NotExactError",
    "Refuted",
    "constant_margin",
    "exact_system",
    "margins_at",
]
