"""Runs: many inputs, worker processes, files that outlive an interrupt, and their replay."""

from onnx_lippa.runs.audit import AuditEvent, AuditSettings, AuditStage, audit
from onnx_lippa.runs.counterexample import counterexample_text, write_counterexample
from onnx_lippa.runs.curve import carried, lock_curve, order_of, write_curve
from onnx_lippa.runs.falsify import check_fits, falsify, load_for
from onnx_lippa.runs.finding import Answer, Finding
from onnx_lippa.runs.folder import RunFolder
from onnx_lippa.runs.instances import (
    Instance,
    InstanceResult,
    answers,
    read_instances,
    read_results,
)
from onnx_lippa.runs.list_folder import ListFolder, list_file
from onnx_lippa.runs.pool import outcomes
from onnx_lippa.runs.replay import Replayed, replay
from onnx_lippa.runs.specification import RunSpecification, Targets
from onnx_lippa.runs.summary import Summary, summarise
from onnx_lippa.runs.tasks import events
from onnx_lippa.runs.verify import verify

__all__ = [
    "Answer",
    "AuditEvent",
    "AuditSettings",
    "AuditStage",
    "Finding",
    "Instance",
    "InstanceResult",
    "ListFolder",
    "Replayed",
    "RunFolder",
    "RunSpecification",
    "Summary",
    "Targets",
    "answers",
    "audit",
    "carried",
    "check_fits",
    "counterexample_text",
    "events",
    "falsify",
    "list_file",
    "load_for",
    "lock_curve",
    "order_of",
    "outcomes",
    "read_instances",
    "read_results",
    "replay",
    "summarise",
    "verify",
    "write_counterexample",
    "write_curve",
]
