"""JUnit XML of answers: a test case for each instance.

A counterexample is a failure, what is open is skipped, and what could not be answered is an error.
Where there are gates, these decide what fails, as for runs.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from onnx_lippa.gates.outcome import Check
from onnx_lippa.reports.answers.wording import (
    describe_answer,
    describe_answers,
    is_failure,
    is_open,
    list_counts,
    replay_hint,
)
from onnx_lippa.reports.junit import (
    add_case,
    add_failure,
    add_gates,
    add_suite,
    close_suite,
    finish,
)
from onnx_lippa.runs.properties.answers import ERROR, Answers
from onnx_lippa.text import printable
from onnx_lippa.version import __version__


def render(answers: Answers, check: Check) -> bytes:
    """The file; a test suite for the answers, and one for the gates."""
    root = ElementTree.Element("testsuites")
    listing = answers.listing
    properties = {
        "options": listing.options,
        "output": listing.output or "",
        "preprocess": str(listing.preprocess or ""),
        "answers": list_counts(answers),
        "onnx-lippa": __version__,
    }
    suite = add_suite(
        root, f"properties: {describe_answers(answers)}", answers.seconds,
        {name: value for name, value in properties.items() if value},
    )  # fmt: skip
    for place, one in answers.results.items():
        classname = f"onnx_lippa.{printable(Path(one.instance.onnx).stem)}"
        case = add_case(suite, printable(one.instance.name), classname, one.seconds)
        said = describe_answer(one)
        if is_failure(place, one, check):
            details = [f"{one.instance.name}: {said}", *one.counterexample.splitlines()]
            details += [f"gate: {g.sentence}" for g in check.failures if place in g.inputs]
            add_failure(case, said, one.answer, details)
        elif one.answer == ERROR:
            add_failure(case, said, ERROR, [f"{one.instance.name}: {said}"], "error")
        elif one.answer == "sat":
            ElementTree.SubElement(case, "skipped", {"message": f"{said}; within the gates"})
        elif is_open(one):
            ElementTree.SubElement(case, "skipped", {"message": said})
    close_suite(suite, replay_hint(answers))
    add_gates(root, check)
    return finish(root)
