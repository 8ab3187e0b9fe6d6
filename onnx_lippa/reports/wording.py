"""What reports say of runs and inputs, whatever their format."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from onnx_lippa.gates.outcome import Check
from onnx_lippa.runs.finished import FinishedRun
from onnx_lippa.runs.record import Record, name_class
from onnx_lippa.runs.summary import FOUND_BY, NORMS, PROVED_BY
from onnx_lippa.text import printable
from onnx_lippa.witness import Verdict

BROKEN = (Verdict.MISCLASSIFIED, Verdict.ADVERSARIAL)
"""The verdicts of inputs that count as errors."""


def name_model(run: FinishedRun) -> str:
    """The name of the model's file."""
    return printable(Path(str(run.figures["model"])).name)


def name_method(run: FinishedRun) -> str:
    """What was done, in one word or two: ``audit``, ``attack (lippa)``."""
    method = printable(run.figures["method"])
    if method in ("audit", "distance"):
        return method
    kind, _, rest = method.partition(" ")
    return f"certify ({rest})" if kind == "certify" else f"attack ({method})"


def name_ball(run: FinishedRun) -> str:
    """The ball: ``ℓ∞ distance 0.05``."""
    eps = run.identity.features.eps
    norm = NORMS.get(run.identity.norm, run.identity.norm)
    scaled = "" if run.identity.features.scale is None else ", scaled by feature"
    return f"{norm} distance{'' if eps is None else f' {eps:g}'}{scaled}"


def describe_run(run: FinishedRun) -> str:
    """What was done to which model, on one line."""
    where = "in" if run.identity.features.eps is None else "within"
    return f"{name_method(run)} of {name_model(run)} {where} {name_ball(run)}"


def describe_error(run: FinishedRun) -> str:
    """The robust error as an interval."""
    error = run.figures["robust_error"]
    lower, upper = error["lower"], error["upper"]
    return f"{lower:.2%}" if lower == upper else f"{lower:.2%} to {upper:.2%}"


def describe_record(record: Record, classes: Sequence[str] | None = None) -> str:
    """What is known of an input, as a sentence without its index.

    Args:
        record: its record.
        classes: names of the classes, by number; None without names.
    """
    label = name_class(classes, record.label)
    if record.verdict is Verdict.ADVERSARIAL:
        distance = "" if record.distance is None else f" at distance {record.distance:.6g}"
        return (
            f"adversarial: class {label} becomes {name_class(classes, record.target)}{distance}, "
            f"{describe_finder(record)}, replayed"
        )
    if record.verdict is Verdict.MISCLASSIFIED:
        return (
            f"misclassified: class {label} is predicted as {name_class(classes, record.prediction)}"
        )
    if record.verdict is Verdict.ROBUST:
        return f"robust: proven {PROVED_BY.get(record.proved_by, '')}".rstrip()
    reason = f" ({printable(record.reason)})" if record.reason else ""
    return f"unknown: neither broken nor proven{reason}"


def count_inputs(count: int) -> str:
    """A number of inputs as a subject: ``1 input is``, ``2 inputs are``."""
    return "1 input is" if count == 1 else f"{count} inputs are"


def write_number(value: float | None, digits: int = 4) -> str:
    """A number for a table; a dash for none."""
    return "–" if value is None else f"{value:.{digits}g}"


def describe_finder(record: Record) -> str:
    """What found an adversarial input; of a portfolio, the attack too: ``found by PGD (fab)``."""
    found_by = FOUND_BY.get(record.found_by, "found")
    return f"{found_by} ({printable(record.broken_by)})" if record.broken_by else found_by


def is_failure(record: Record, place: int, check: Check) -> bool:
    """Whether an input fails: gates decide where there are any, else its verdict."""
    if not check.outcomes:
        return record.verdict in BROKEN
    return any(one.place == place and record.index in one.inputs for one in check.failures)


def write_replay_command(run: FinishedRun) -> str:
    """The command that checks every claim; empty for results in memory."""
    return shlex.join(["onnx-lippa", "replay", printable(run.name)]) if run.name else ""
