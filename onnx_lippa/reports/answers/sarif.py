"""SARIF 2.1.0 of answers: a result for each instance that is not unsat."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

from onnx_lippa.gates.outcome import Check
from onnx_lippa.reports.answers.wording import describe_answer, is_failure
from onnx_lippa.reports.sarif import locate, make_gate, make_point, make_tool, write_log
from onnx_lippa.runs.properties.answers import Answers
from onnx_lippa.runs.properties.instances import InstanceResult
from onnx_lippa.text import printable

_RULES: Final = {
    "sat": (
        "Counterexample",
        "An input meets the property, as ONNX Runtime evaluates it and in exact arithmetic.",
    ),
    "unknown": ("OpenProperty", "Neither a counterexample was found nor a proof."),
    "error": ("FailedInstance", "The instance could not be answered."),
    "gate": ("FailedGate", "The answers do not meet a condition that they were held against."),
}


def render(answers: Answers, check: Check) -> bytes:
    """The file, with one run of the tool."""
    results = [
        _make_result(answers, place, one, check)
        for place, one in answers.results.items()
        if one.answer != "unsat"
    ]
    first = _locate(answers, answers.listing.instances[0].onnx)
    results += [make_gate(one, first, _RULES) for one in check.failures]
    models = {one.instance.onnx: one.model_sha256 for one in answers.results.values()}
    run = {
        "tool": make_tool(_RULES),
        "automationDetails": {"id": "onnx-lippa/properties/"},
        "artifacts": [
            {"location": _locate(answers, name)} | ({"hashes": {"sha-256": sha}} if sha else {})
            for name, sha in models.items()
        ],
        "invocations": [{"executionSuccessful": not answers.missing}],
        "results": results,
        "properties": {**answers.counts, "options": printable(answers.listing.options)},
    }
    return write_log([run])


def _make_result(answers: Answers, place: int, one: InstanceResult, check: Check) -> dict[str, Any]:
    rule = "unknown" if one.answer == "timeout" else one.answer
    text = f"{one.instance.name} is {describe_answer(one)}"
    made = make_point(_RULES, rule, text, _locate(answers, one.instance.onnx))
    if is_failure(place, one, check):
        made |= {"kind": "fail", "level": "error"}
    elif one.answer == "sat":
        made |= {"kind": "fail", "level": "note"}
    elif one.answer == "error":
        made |= {"kind": "fail", "level": "warning"}
    else:
        made |= {"kind": "open", "level": "none"}
    named = {"name": printable(one.instance.vnnlib), "kind": "member"}
    made["locations"][0]["logicalLocations"] = [named]
    stable = f"{rule} {Path(one.instance.onnx).name} {one.property_sha256 or one.instance.vnnlib}"
    made["partialFingerprints"] = {"instance/v1": hashlib.sha256(stable.encode()).hexdigest()}
    made["properties"] = {
        "answer": one.answer, "seconds": one.seconds, "found_by": one.found_by,
        "counterexample": one.counterexample,
    }  # fmt: skip
    return made


def _locate(answers: Answers, onnx: str) -> dict[str, str]:
    return locate(Path(answers.listing.base.path) / onnx)
