"""What reports say of answers to properties, whatever their format."""

from __future__ import annotations

import shlex
from pathlib import Path

from onnx_lippa.gates.outcome import Check
from onnx_lippa.runs.properties.answers import OPEN, Answers
from onnx_lippa.runs.properties.instances import InstanceResult
from onnx_lippa.runs.summary import FOUND_BY
from onnx_lippa.text import printable
from onnx_lippa.witness import FoundBy


def describe_answer(one: InstanceResult) -> str:
    """What is known of an instance, as a sentence without its name."""
    note = f" ({printable(one.note)})" if one.note else ""
    if one.answer == "sat":
        found = FOUND_BY.get(FoundBy(one.found_by), "") if one.found_by else ""
        by = f", {found}" if found else ""
        return f"sat: an input meets the property{by}, replayed{note}"
    if one.answer == "unsat":
        proven = f" (margin at least {one.bound:.4g})" if one.bound is not None else note
        return f"unsat: no input meets the property, as is proven{proven}"
    if one.answer == "error":
        return f"error: it could not be answered{note}"
    what = "time ran out" if one.answer == "timeout" else "neither an input was found nor a proof"
    return f"{one.answer}: {what}{note}"


def describe_answers(answers: Answers) -> str:
    """What was asked, on one line."""
    names = {printable(Path(one.onnx).name) for one in answers.listing.instances}
    if answers.requested == 1:
        (one,) = answers.listing.instances
        return f"{printable(Path(one.vnnlib).name)} of {names.pop()}"
    models = names.pop() if len(names) == 1 else f"{len(names)} models"
    return f"{answers.requested} properties of {models}"


def list_counts(answers: Answers) -> str:
    """The counts of all answers that occur: ``2 sat, 1 unsat``."""
    found = [f"{count} {name}" for name, count in answers.counts.items() if count]
    if answers.missing:
        found.append(f"{answers.missing} not answered yet")
    return ", ".join(found) or "no answer yet"


def is_failure(place: int, one: InstanceResult, check: Check) -> bool:
    """Whether an instance fails: gates decide where there are any, else its answer."""
    if not check.outcomes:
        return one.answer == "sat"
    return any(place in outcome.inputs for outcome in check.failures)


def is_open(one: InstanceResult) -> bool:
    """Whether an answer says nothing of the property."""
    return one.answer in OPEN


def replay_hint(answers: Answers) -> str:
    """How to check the counterexamples; empty for answers in memory."""
    return shlex.join(["onnx-lippa", "replay", printable(answers.name)]) if answers.name else ""
