"""JUnit XML, as Jenkins, GitLab, Azure and others read it: a test case for each input.

The elements and attributes are those that the schema of Apache Ant requires and the one of Jenkins
allows. Broken inputs are failures and unknown ones are skipped. Where there are gates, these
decide: an input fails if a failed gate counts it, and one that is broken within the limits is
skipped, so that the file has failures exactly where the exit code is 4.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from onnx_lippa.gates.outcome import Check, GateOutcome
from onnx_lippa.reports.wording import (
    BROKEN,
    describe_error,
    describe_record,
    describe_run,
    is_failure,
    name_model,
    write_replay_command,
)
from onnx_lippa.runs.finished import FinishedRun
from onnx_lippa.runs.record import Record, name_class
from onnx_lippa.text import printable
from onnx_lippa.version import __version__
from onnx_lippa.witness import Verdict


def render(runs: Sequence[FinishedRun], check: Check) -> bytes:
    """The file; a test suite for each run, and one for the gates."""
    root = ElementTree.Element("testsuites")
    for place, run in enumerate(runs):
        suite = add_suite(root, describe_run(run), float(run.figures["seconds"]), _properties(run))
        for record in run.records:
            _add_input(suite, run, record, place, check)
        close_suite(suite, write_replay_command(run))
    add_gates(root, check)
    return finish(root)


def add_suite(
    root: ElementTree.Element, name: str, seconds: float, properties: dict[str, str]
) -> ElementTree.Element:
    """A test suite with its properties."""
    attributes = {
        "name": name,
        "package": "onnx-lippa",
        "id": str(len(root)),
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()),
        "hostname": "localhost",
        "time": f"{seconds:.3f}",
    }
    suite = ElementTree.SubElement(root, "testsuite", attributes)
    listing = ElementTree.SubElement(suite, "properties")
    for key, value in properties.items():
        ElementTree.SubElement(listing, "property", {"name": key, "value": printable(value)})
    return suite


def _properties(run: FinishedRun) -> dict[str, str]:
    figures = run.figures
    named = ("model", "model_sha256", "data", "norm", "targets", "method", "seed")
    known = {name: str(figures[name]) for name in named}
    eps = run.identity.features.eps
    return known | {
        "eps": "none" if eps is None else repr(eps),
        "clean_error": f"{figures['clean_error']:.6g}",
        "robust_error": describe_error(run),
        "onnx-lippa": __version__,
    }


def _add_input(
    suite: ElementTree.Element, run: FinishedRun, record: Record, place: int, check: Check
) -> None:
    name = f"input {record.index} (class {name_class(run.classes, record.label)})"
    case = add_case(suite, name, f"onnx_lippa.{Path(name_model(run)).stem}", record.effort.seconds)
    said = describe_record(record, run.classes)
    if is_failure(record, place, check):
        details = [f"input {record.index}: {said}"]
        details += [
            f"gate: {one.sentence}"
            for one in check.failures
            if one.place == place and record.index in one.inputs
        ]
        add_failure(case, said, record.verdict.value, details)
    elif record.verdict in BROKEN:
        ElementTree.SubElement(case, "skipped", {"message": f"{said}; within the gates"})
    elif record.verdict is Verdict.UNKNOWN:
        ElementTree.SubElement(case, "skipped", {"message": said})


def add_gates(root: ElementTree.Element, check: Check) -> None:
    """A test suite with a test case for each gate, where there is one."""
    if check.outcomes:
        suite = add_suite(root, "gates", 0.0, {})
        for outcome in check.outcomes:
            _add_gate(suite, outcome)
        close_suite(suite, "")


def finish(root: ElementTree.Element) -> bytes:
    """The file of the suites."""
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _add_gate(suite: ElementTree.Element, outcome: GateOutcome) -> None:
    case = add_case(suite, printable(outcome.condition), "onnx_lippa.gates", 0.0)
    if not outcome.passed:
        add_failure(case, printable(outcome.sentence), "gate", [printable(outcome.sentence)])


def add_case(
    suite: ElementTree.Element, name: str, classname: str, seconds: float
) -> ElementTree.Element:
    """A test case; with nothing added it has passed."""
    words = {"name": name, "classname": classname, "time": f"{seconds:.3f}"}
    return ElementTree.SubElement(suite, "testcase", words)


def add_failure(
    case: ElementTree.Element, said: str, kind: str, details: list[str], tag: str = "failure"
) -> None:
    """Makes a test case one that failed, or with the tag ``error`` one that could not run."""
    failure = ElementTree.SubElement(case, tag, {"message": said, "type": kind})
    failure.text = "\n".join(map(printable, details))


def close_suite(suite: ElementTree.Element, said: str) -> None:
    """Counts the cases, and adds what the schema wants at the end."""
    cases = suite.findall("testcase")
    for name, tag in (("failures", "failure"), ("skipped", "skipped"), ("errors", "error")):
        suite.set(name, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("tests", str(len(cases)))
    ElementTree.SubElement(suite, "system-out").text = said
    ElementTree.SubElement(suite, "system-err")
