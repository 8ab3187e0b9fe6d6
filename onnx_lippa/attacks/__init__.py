"""Attacks: values whose schedules of stages report to the state of each input.

A stage offers candidates; the state of the input checks them and decides. Methods are in
:mod:`onnx_lippa.attacks.methods`, and :mod:`onnx_lippa.attacks.schedule` orders their stages.
"""

from onnx_lippa.attacks.base import AttackMethod, LpMethod
from onnx_lippa.attacks.methods import ATTACK_METHODS, Lippa, LippaMip, Pgd, make_attack
from onnx_lippa.attacks.random_search import BoxSample, sample_boxes

__all__ = [
    "ATTACK_METHODS",
    "AttackMethod",
    "BoxSample",
    "Lippa",
    "LippaMip",
    "LpMethod",
    "Pgd",
    "make_attack",
    "sample_boxes",
]
