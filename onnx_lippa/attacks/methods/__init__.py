"""Gradient methods: one file each."""

from onnx_lippa.attacks.methods.base import GradientMethod, Walk
from onnx_lippa.attacks.methods.bim import Bim
from onnx_lippa.attacks.methods.pgd import MomentumPgd

__all__ = ["Bim", "GradientMethod", "MomentumPgd", "Walk"]
