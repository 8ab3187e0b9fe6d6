"""Attacks: schedules of stages that report to the state of each input.

A stage offers candidates; the state of the input checks them and decides. A new attack is a new
stage, and a line in :mod:`onnx_lippa.attacks.schedule`.
"""

from onnx_lippa.attacks.random_search import BoxSample, sample_boxes
from onnx_lippa.attacks.settings import Method, Settings, attack_batch

__all__ = [
    "BoxSample",
    "Method",
    "Settings",
    "attack_batch",
    "sample_boxes",
]
