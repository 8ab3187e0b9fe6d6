"""Proofs: bounds, MIP and branch and bound. Nothing here knows of attacks.

Only a lower bound of every margin that is positive over all inputs allowed makes an input robust.
"""

from onnx_lippa.proofs.driver import certify_batch
from onnx_lippa.proofs.nearest import Nearest, nearest
from onnx_lippa.proofs.settings import CertifySettings, ProofMethod

__all__ = ["CertifySettings", "Nearest", "ProofMethod", "certify_batch", "nearest"]
