"""SARIF 2.1.0, the format of code scanning: a result for each input that is not robust.

Where there are gates, an input is an error if a failed gate counts it and a note otherwise; without
gates every broken input is an error. Each failed gate is an error of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from onnx_lippa.gates.outcome import Check, GateOutcome
from onnx_lippa.reports.wording import BROKEN, describe_error, describe_record, is_failure
from onnx_lippa.runs.finished import FinishedRun
from onnx_lippa.text import printable
from onnx_lippa.version import __version__
from onnx_lippa.witness import Verdict

_SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_RULES: Final = {
    "adversarial": (
        "AdversarialExample",
        "An allowed change of the input changes its class, as ONNX Runtime evaluates it.",
    ),
    "misclassified": ("MisclassifiedInput", "The clean input is misclassified."),
    "unknown": ("UnknownInput", "The input was neither broken nor proven robust."),
    "gate": ("FailedGate", "The run does not meet a condition that it was held against."),
}


def render(runs: Sequence[FinishedRun], check: Check) -> bytes:
    """The file; one run of the tool for each run."""
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [_make_run(run, place, check) for place, run in enumerate(runs)],
    }
    return (json.dumps(log, indent=1, ensure_ascii=False) + "\n").encode()


def _make_run(run: FinishedRun, place: int, check: Check) -> dict[str, Any]:
    location = _locate(run)
    results = [
        _make_result(run, row, place, check, location)
        for row, record in enumerate(run.records)
        if record.verdict is not Verdict.ROBUST
    ]
    results += [_make_gate(one, location) for one in check.failures if one.place == place]
    rules = [
        {
            "id": name,
            "name": title,
            "shortDescription": {"text": text},
            "defaultConfiguration": {"level": "none" if name == "unknown" else "error"},
        }
        for name, (title, text) in _RULES.items()
    ]
    driver = {"name": "onnx-lippa", "version": __version__, "rules": rules}
    eps = run.identity.features.eps
    return {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"onnx-lippa/{'distance' if eps is None else f'eps-{eps:g}'}/"},
        "artifacts": [
            {"location": location, "hashes": {"sha-256": str(run.figures["model_sha256"])}}
        ],
        "invocations": [{"executionSuccessful": len(run.records) == run.figures["requested"]}],
        "results": results,
        "properties": {
            "clean_error": run.figures["clean_error"],
            "robust_error": describe_error(run),
            "norm": run.identity.norm,
            "eps": eps,
            "method": printable(run.figures["method"]),
            "inputs": len(run.records),
        },
    }


def _make_result(
    run: FinishedRun, row: int, place: int, check: Check, location: Mapping[str, str]
) -> dict[str, Any]:
    record = run.records[row]
    made = _point(
        record.verdict.value,
        f"input {record.index} is {describe_record(record, run.classes)}",
        location,
    )
    if is_failure(record, place, check):
        made |= {"kind": "fail", "level": "error"}
    elif record.verdict in BROKEN:
        made |= {"kind": "fail", "level": "note"}
    else:
        made |= {"kind": "open", "level": "none"}
    name = {"name": f"input {record.index}", "kind": "member"}
    made["locations"][0]["logicalLocations"] = [name]
    made["partialFingerprints"] = {"input/v1": _fingerprint(run, row)}
    known = {
        "index": record.index,
        "label": record.label,
        "prediction": record.prediction,
        "target": record.target,
        "distance": record.distance,
        "found_by": record.found_by.value,
        "ending": record.ending.value,
    }
    made["properties"] = {name: value for name, value in known.items() if value is not None}
    return made


def _make_gate(outcome: GateOutcome, location: Mapping[str, str]) -> dict[str, Any]:
    made = _point("gate", outcome.sentence, location) | {"kind": "fail", "level": "error"}
    digest = hashlib.sha256(outcome.condition.encode()).hexdigest()
    return made | {"partialFingerprints": {"gate/v1": digest}}


def _point(rule: str, text: str, location: Mapping[str, str]) -> dict[str, Any]:
    # Code scanning wants a line, also of a file that has none.
    place = {"artifactLocation": dict(location), "region": {"startLine": 1}}
    return {
        "ruleId": rule,
        "ruleIndex": list(_RULES).index(rule),
        "message": {"text": printable(text)},
        "locations": [{"physicalLocation": place}],
    }


def _fingerprint(run: FinishedRun, row: int) -> str:
    """Equal for the same input in later runs, wherever it stands in the data."""
    record = run.records[row]
    digest = hashlib.sha256(f"{record.verdict.value} {record.label} ".encode())
    if run.clean is None:
        digest.update(str(record.index).encode())
    else:
        digest.update(run.clean[row].tobytes())
    return digest.hexdigest()


def _locate(run: FinishedRun) -> dict[str, str]:
    """The model, relative to the current folder where it lies in it."""
    path = Path(str(run.figures["model"]))
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(path.as_posix())}
