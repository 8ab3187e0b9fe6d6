"""Attacks: plans made of stages, run by one driver.

A stage works on what the ledger says is unsettled; the ledger owns best-so-far, time, counts and
the judge. A new attack is a new stage, and a line in :mod:`onnx_lippa.attacks.plan`.
"""

from onnx_lippa.attacks.driver import attack_batch
from onnx_lippa.attacks.glance import Glimpse, glance
from onnx_lippa.attacks.outcome import FoundBy, Outcome, Verdict
from onnx_lippa.attacks.problem import Problem
from onnx_lippa.attacks.settings import Method, Settings

__all__ = [
    "FoundBy",
    "Glimpse",
    "Method",
    "Outcome",
    "Problem",
    "Settings",
    "Verdict",
    "attack_batch",
    "glance",
]
