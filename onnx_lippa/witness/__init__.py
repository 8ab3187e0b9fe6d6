"""Witnesses, the only evidence that counts as adversarial, and what is said of an input."""

from onnx_lippa.witness.judge import Judge, Witness
from onnx_lippa.witness.outcome import FoundBy, Outcome, ProvedBy, Verdict

__all__ = ["FoundBy", "Judge", "Outcome", "ProvedBy", "Verdict", "Witness"]
