"""The Python interface: load a model, attack it, prove what holds, audit it, replay a run."""

from onnx_lippa.api.attack import attack
from onnx_lippa.api.audit import audit
from onnx_lippa.api.distortion import Distortions, distortion
from onnx_lippa.api.property import falsify, verify
from onnx_lippa.api.prove import prove
from onnx_lippa.api.replay import file_sha256, replay
from onnx_lippa.api.result import (
    AttackResult,
    attack_inputs,
    method_named,
    mip_solver,
    proof_method_named,
    run_inputs,
)

__all__ = [
    "AttackResult",
    "Distortions",
    "attack",
    "attack_inputs",
    "audit",
    "distortion",
    "falsify",
    "file_sha256",
    "method_named",
    "mip_solver",
    "proof_method_named",
    "prove",
    "replay",
    "run_inputs",
    "verify",
]
