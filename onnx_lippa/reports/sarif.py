"""SARIF 2.1.0, the format of code scanning: a result for each input that is not robust.

Where there are gates, an input is an error if a failed gate counts it and a note otherwise; without
gates every broken input is an error. Each failed gate is an error of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias
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
Rules: TypeAlias = Mapping[str, tuple[str, str]]
"""Name and meaning of each rule."""
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
    return write_log([_make_run(run, place, check) for place, run in enumerate(runs)])


def _make_run(run: FinishedRun, place: int, check: Check) -> dict[str, Any]:
    location = locate(Path(str(run.figures["model"])))
    results = [
        _make_result(run, row, place, check, location)
        for row, record in enumerate(run.records)
        if record.verdict is not Verdict.ROBUST
    ]
    results += [make_gate(one, location) for one in check.failures if one.place == place]
    eps = run.identity.features.eps
    return {
        "tool": make_tool(_RULES),
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


def make_tool(rules: Rules) -> dict[str, Any]:
    """The tool and its rules; what is unknown is no error."""
    described = [
        {
            "id": name,
            "name": title,
            "shortDescription": {"text": text},
            "defaultConfiguration": {"level": "none" if name == "unknown" else "error"},
        }
        for name, (title, text) in rules.items()
    ]
    return {"driver": {"name": "onnx-lippa", "version": __version__, "rules": described}}


def write_log(runs: list[dict[str, Any]]) -> bytes:
    """The file with some runs of the tool."""
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": runs}
    return (json.dumps(log, indent=1, ensure_ascii=False) + "\n").encode()


def _make_result(
    run: FinishedRun, row: int, place: int, check: Check, location: Mapping[str, str]
) -> dict[str, Any]:
    record = run.records[row]
    made = make_point(
        _RULES,
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
        "broken_by": printable(record.broken_by) or None,
        "ending": record.ending.value,
    }
    made["properties"] = {name: value for name, value in known.items() if value is not None}
    return made


def make_gate(
    outcome: GateOutcome, location: Mapping[str, str], rules: Rules = _RULES
) -> dict[str, Any]:
    """A failed gate as a result."""
    made = make_point(rules, "gate", outcome.sentence, location) | {
        "kind": "fail",
        "level": "error",
    }
    digest = hashlib.sha256(outcome.condition.encode()).hexdigest()
    return made | {"partialFingerprints": {"gate/v1": digest}}


def make_point(rules: Rules, rule: str, text: str, location: Mapping[str, str]) -> dict[str, Any]:
    """A result of a rule, at a model."""
    # Code scanning wants a line, also of a file that has none.
    place = {"artifactLocation": dict(location), "region": {"startLine": 1}}
    return {
        "ruleId": rule,
        "ruleIndex": list(rules).index(rule),
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


def locate(path: Path) -> dict[str, str]:
    """The model, relative to the current folder where it lies in it."""
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(path.as_posix())}
