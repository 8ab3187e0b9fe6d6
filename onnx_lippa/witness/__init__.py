"""Witnesses: the only evidence that counts as adversarial."""

from onnx_lippa.witness.judge import Judge, Witness

__all__ = ["Judge", "Witness"]
