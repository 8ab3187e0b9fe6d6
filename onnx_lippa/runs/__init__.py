"""Runs: many inputs, worker processes, files that outlive an interrupt, and their replay."""

from onnx_lippa.runs.falsify import Answer, Finding, check_fits, falsify
from onnx_lippa.runs.folder import RunFolder
from onnx_lippa.runs.pool import outcomes
from onnx_lippa.runs.replay import Replayed, replay
from onnx_lippa.runs.specification import RunSpecification, Targets
from onnx_lippa.runs.summary import Summary, summarise

__all__ = [
    "Answer",
    "Finding",
    "Replayed",
    "RunFolder",
    "RunSpecification",
    "Summary",
    "Targets",
    "check_fits",
    "falsify",
    "outcomes",
    "replay",
    "summarise",
]
