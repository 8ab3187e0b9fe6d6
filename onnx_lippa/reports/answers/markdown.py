"""A summary of answers in Markdown, for the job pages of CI systems and for comments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from onnx_lippa.gates.outcome import Check
from onnx_lippa.reports.answers.wording import describe_answer, describe_answers, replay_hint
from onnx_lippa.reports.markdown import escape, list_gates, write_code, write_table
from onnx_lippa.runs.properties.answers import ANSWERS, Answers

_LISTED: Final = 20
_ORDER: Final = ("sat", "error", "timeout", "unknown", "unsat")


def render(answers: Answers, check: Check) -> bytes:
    """The file: gates first, then the counts and the instances."""
    lines = [f"## onnx-lippa: {escape(describe_answers(answers))}", ""]
    if check.outcomes:
        lines += list_gates(check)
    lines += _describe(answers)
    return ("\n".join(lines).rstrip() + "\n").encode()


def _describe(answers: Answers) -> Iterator[str]:
    rows = [(name, str(answers.counts[name])) for name in ANSWERS]
    if answers.missing:
        rows.append(("not answered yet", str(answers.missing)))
    rows.append(("time of all answers", f"{answers.seconds:.1f} s"))
    yield from write_table(("answer", "instances"), rows)
    ordered = sorted(answers.results.values(), key=lambda one: _ORDER.index(one.answer))
    yield "<details open><summary>"
    more = "" if len(ordered) <= _LISTED else f", the first {_LISTED}, counterexamples first"
    yield f"{len(ordered)} instance{'' if len(ordered) == 1 else 's'}{more}"
    yield "</summary>"
    yield ""
    yield from write_table(
        ("model", "property", "answer", "seconds"),
        (
            (one.instance.onnx, one.instance.vnnlib, describe_answer(one), f"{one.seconds:.2f}")
            for one in ordered[:_LISTED]
        ),
    )
    yield "</details>"
    yield ""
    listing = answers.listing
    known = [
        ("options", listing.options),
        ("output", listing.output or ""),
        ("preprocessing", str(listing.preprocess or "")),
        ("versions", ", ".join(f"{k} {v}" for k, v in listing.versions.items())),
    ]
    for name, value in known:
        if value:
            yield escape(f"{name}: {value}")
            yield ""
    if replay_hint(answers):
        yield f"Check every counterexample: {write_code(replay_hint(answers))}"
        yield ""
