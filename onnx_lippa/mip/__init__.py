"""Mixed-integer programs of a system: the paper's (7), whole or with signs given, and proofs."""

from onnx_lippa.mip.decision import Accepts, decide
from onnx_lippa.mip.distortion import Distortion, least_distortion
from onnx_lippa.mip.formulation import (
    FREE,
    BigM,
    Formulation,
    all_free,
    distance_program,
    margin_program,
    partial_program,
)
from onnx_lippa.mip.inputs import NoProgramError
from onnx_lippa.mip.settings import MipAnswer, MipSettings, MipStatus

__all__ = [
    "FREE",
    "Accepts",
    "BigM",
    "Distortion",
    "Formulation",
    "MipAnswer",
    "MipSettings",
    "MipStatus",
    "NoProgramError",
    "all_free",
    "decide",
    "distance_program",
    "least_distortion",
    "margin_program",
    "partial_program",
]
