"""Proof methods: one file each."""

from onnx_lippa.certify.methods.base import Proving
from onnx_lippa.certify.methods.named import methods_for

__all__ = ["Proving", "methods_for"]
