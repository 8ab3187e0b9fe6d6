"""Attacks: plans made of stages, run by one driver.

A stage works on what the ledger says is unsettled; the ledger owns best-so-far, time, counts and
the judge. A new attack is a new stage, and a line in :mod:`onnx_lippa.attacks.plan`.
"""

from onnx_lippa.attacks.driver import attack_batch
from onnx_lippa.attacks.glance import Glimpse, glance
from onnx_lippa.attacks.settings import Method, Settings

__all__ = [
    "Glimpse",
    "Method",
    "Settings",
    "attack_batch",
    "glance",
]
