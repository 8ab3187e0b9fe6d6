"""The methods by name; the one list a new one is added to."""

from __future__ import annotations

from onnx_lippa.certify.methods.base import Proving
from onnx_lippa.certify.methods.complete import Complete
from onnx_lippa.certify.settings import ProofMethod


def methods_for(method: ProofMethod) -> tuple[Proving, ...]:
    """What is tried on each case, in this order, until one settles it."""
    if method is ProofMethod.COMPLETE:
        return (Complete(),)
    return (Complete(),)
