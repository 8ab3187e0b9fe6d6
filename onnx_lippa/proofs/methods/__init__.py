"""Proof methods: one file each."""

from onnx_lippa.proofs.methods.base import Proving
from onnx_lippa.proofs.methods.named import methods_for

__all__ = ["Proving", "methods_for"]
