"""onnx-lippa: attack any exported piecewise-linear network with linear programs.

>>> import onnx_lippa
>>> model = onnx_lippa.load("models/digits_mlp.onnx")           # doctest: +SKIP
>>> result = onnx_lippa.attack(model, x, y, eps=0.05)           # doctest: +SKIP
>>> result.robust_error                                         # doctest: +SKIP
(0.31, 1.0)
"""

from onnx_lippa.api import AttackResult, attack, replay
from onnx_lippa.attacks import Verdict
from onnx_lippa.errors import (
    FalseClaimError,
    InputError,
    LippaError,
    ModelError,
    ModelMismatchError,
    UnsupportedModelError,
)
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.question import Property

__all__ = [
    "AttackResult",
    "FalseClaimError",
    "InputError",
    "LippaError",
    "Model",
    "ModelError",
    "ModelMismatchError",
    "Property",
    "UnsupportedModelError",
    "Verdict",
    "attack",
    "load",
    "replay",
]
