"""Proofs: bounds, a mixed-integer program, branch and bound. Nothing here knows of attacks.

Only a positive lower bound of every margin over all allowed inputs makes an input robust.
"""

from onnx_lippa.proofs.branch_and_bound import BranchAndBound
from onnx_lippa.proofs.distance import DistanceBounds, bound_distance
from onnx_lippa.proofs.methods import Intervals, LinearBounds, Mip, ProofMethod
from onnx_lippa.proofs.table import PROOF_METHODS, make_proof

__all__ = [
    "PROOF_METHODS",
    "BranchAndBound",
    "DistanceBounds",
    "Intervals",
    "LinearBounds",
    "Mip",
    "ProofMethod",
    "bound_distance",
    "make_proof",
]
