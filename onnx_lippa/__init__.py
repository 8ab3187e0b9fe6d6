"""onnx-lippa: attack any exported piecewise-linear network with linear programs.

>>> import onnx_lippa
>>> model = onnx_lippa.load("models/digits_mlp.onnx")           # doctest: +SKIP
>>> result = onnx_lippa.attack(model, x, y, eps=0.05)           # doctest: +SKIP
>>> result.robust_error                                         # doctest: +SKIP
(0.31, 1.0)
"""

from onnx_lippa.api import (
    AttackResult,
    Distortions,
    attack,
    audit,
    distortion,
    falsify,
    prove,
    replay,
    verify,
)
from onnx_lippa.errors import (
    ContradictionError,
    FalseClaimError,
    InputError,
    LippaError,
    ModelError,
    ModelMismatchError,
    UnsupportedModelError,
)
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.question import Property
from onnx_lippa.runs import Answer, Finding
from onnx_lippa.witness import Verdict

__all__ = [
    "Answer",
    "AttackResult",
    "ContradictionError",
    "Distortions",
    "FalseClaimError",
    "Finding",
    "InputError",
    "LippaError",
    "Model",
    "ModelError",
    "ModelMismatchError",
    "Property",
    "UnsupportedModelError",
    "Verdict",
    "attack",
    "audit",
    "distortion",
    "falsify",
    "load",
    "prove",
    "replay",
    "verify",
]
