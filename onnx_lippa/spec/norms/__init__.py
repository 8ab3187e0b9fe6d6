"""Norms: one file each."""

from onnx_lippa.spec.norms.base import Norm
from onnx_lippa.spec.norms.l1 import L1
from onnx_lippa.spec.norms.l2 import L2
from onnx_lippa.spec.norms.linf import LInf
from onnx_lippa.spec.norms.named import norm_named
from onnx_lippa.spec.norms.scaled import Scaled

__all__ = ["L1", "L2", "LInf", "Norm", "Scaled", "norm_named"]
