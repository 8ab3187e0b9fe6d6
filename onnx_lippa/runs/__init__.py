"""Runs: many inputs, worker processes, files that outlive an interrupt, and their replay."""

from onnx_lippa.runs.counterexample import counterexample_text, write_counterexample
from onnx_lippa.runs.falsify import check_fits, falsify, load_for
from onnx_lippa.runs.finding import Answer, Finding
from onnx_lippa.runs.folder import RunFolder
from onnx_lippa.runs.instances import (
    Instance,
    InstanceResult,
    answers,
    read_instances,
    read_results,
    write_results,
)
from onnx_lippa.runs.pool import outcomes
from onnx_lippa.runs.replay import Replayed, replay
from onnx_lippa.runs.specification import RunSpecification, Targets
from onnx_lippa.runs.summary import Summary, summarise

__all__ = [
    "Answer",
    "Finding",
    "Instance",
    "InstanceResult",
    "Replayed",
    "RunFolder",
    "RunSpecification",
    "Summary",
    "Targets",
    "answers",
    "check_fits",
    "counterexample_text",
    "falsify",
    "load_for",
    "outcomes",
    "read_instances",
    "read_results",
    "replay",
    "summarise",
    "write_counterexample",
    "write_results",
]
