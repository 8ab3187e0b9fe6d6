"""Gradient methods: one file each."""

from onnx_lippa.attacks.methods.base import GradientMethod, Schedule
from onnx_lippa.attacks.methods.bim import Bim
from onnx_lippa.attacks.methods.pgd import MomentumPgd

__all__ = ["Bim", "GradientMethod", "MomentumPgd", "Schedule"]
