"""Proofs: bounds, a mixed-integer program, branch and bound. Nothing here knows of attacks.

Only a positive lower bound of every margin over all allowed inputs makes an input robust.
"""

from onnx_lippa.proofs.branch_and_bound import BranchAndBound
from onnx_lippa.proofs.distance import DistanceBounds, bound_distance
from onnx_lippa.proofs.driver import (
    PROOF_METHODS,
    CertifySettings,
    certify_batch,
    proof_method_named,
)
from onnx_lippa.proofs.methods import Intervals, LinearBounds, Mip, ProofMethod

__all__ = [
    "PROOF_METHODS",
    "BranchAndBound",
    "CertifySettings",
    "DistanceBounds",
    "Intervals",
    "LinearBounds",
    "Mip",
    "ProofMethod",
    "bound_distance",
    "certify_batch",
    "proof_method_named",
]
