"""The Python interface: load a model, attack it, prove what holds, audit it, replay a run."""

from onnx_lippa.api.attack import attack
from onnx_lippa.api.audit import audit
from onnx_lippa.api.certify import certify
from onnx_lippa.api.minimal_distortion import Distortions, minimal_distortion
from onnx_lippa.api.property import falsify, verify
from onnx_lippa.api.result import (
    AttackResult,
    attack_inputs,
    method_named,
    mip_solver,
    run_inputs,
)
from onnx_lippa.runs.replay import replay

__all__ = [
    "AttackResult",
    "Distortions",
    "attack",
    "attack_inputs",
    "audit",
    "certify",
    "falsify",
    "method_named",
    "minimal_distortion",
    "mip_solver",
    "replay",
    "run_inputs",
    "verify",
]
