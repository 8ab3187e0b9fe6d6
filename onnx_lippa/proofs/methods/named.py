"""The methods by name; the one list a new one is added to."""

from __future__ import annotations

from typing import Final

from onnx_lippa.proofs.methods.base import Proving
from onnx_lippa.proofs.methods.complete import Complete
from onnx_lippa.proofs.methods.interval import ByIntervals
from onnx_lippa.proofs.methods.linear import ByLinearBounds
from onnx_lippa.proofs.methods.mip import ByMip
from onnx_lippa.proofs.settings import ProofMethod

_METHODS: Final[dict[ProofMethod, tuple[type[Proving], ...]]] = {
    ProofMethod.AUTO: (Complete,),
    ProofMethod.INTERVAL: (ByIntervals,),
    ProofMethod.LINEAR: (ByLinearBounds,),
    ProofMethod.MIP: (ByMip,),
    ProofMethod.COMPLETE: (Complete,),
}


def methods_for(method: ProofMethod) -> tuple[Proving, ...]:
    """What is tried on each case, in this order, until one settles it."""
    return tuple(kind() for kind in _METHODS[method])
