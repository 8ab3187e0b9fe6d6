"""The page of answers to properties: one HTML file that loads nothing from elsewhere."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.errors import InputError, LippaError
from onnx_lippa.gates.outcome import Check
from onnx_lippa.onnx_io import read_model
from onnx_lippa.onnx_io.metadata import read_feature_names
from onnx_lippa.reports.answers.wording import describe_answer, describe_answers, list_counts
from onnx_lippa.reports.writing import require_report_extra
from onnx_lippa.runs.configuration import CONFIG
from onnx_lippa.runs.properties.answers import ANSWERS, Answers
from onnx_lippa.runs.properties.finding import parse_counterexample
from onnx_lippa.runs.properties.instances import InstanceResult
from onnx_lippa.runs.properties.rerun import parse_decider
from onnx_lippa.spec import Property, vnnlib

_WITNESSES: Final = 20
"""Counterexamples whose numbers the page shows; the folder has all."""
_FEATURES: Final = 200
"""Inputs of a counterexample that the page shows."""


@final
@dataclass(frozen=True)
class Feature:
    """One input of a counterexample, in the units of the property.

    Attributes:
        name: its name in the property, and that of the model's metadata if there is one.
        value: its value.
        lower: the least value in any case of the property; None where it is not known.
        upper: the largest value.
    """

    name: str
    value: float
    lower: float | None
    upper: float | None


@final
@dataclass(frozen=True)
class Counterexample:
    """A counterexample as the page shows it.

    Attributes:
        name: the instance.
        features: its inputs, as many as are shown.
        left_out: number of inputs that are not shown.
        outputs: (k,) outputs of ONNX Runtime.
    """

    name: str
    features: tuple[Feature, ...]
    left_out: int
    outputs: tuple[float, ...]


def render(answers: Answers, check: Check) -> bytes:
    """The page.

    Raises:
        InputError: a library of the extra is missing.
    """
    require_report_extra("a report")
    # The template library is of the extra.
    from onnx_lippa.reports.page.build import open_templates  # noqa: PLC0415

    environment, style, script = open_templates()
    rows = [(place, one, describe_answer(one)) for place, one in answers.results.items()]
    html = environment.get_template("answers.html").render(
        title=f"Answers: {describe_answers(answers)}",
        sentence=_state(answers),
        counts=list_counts(answers),
        check=check,
        cautions=list(_find_cautions(answers)),
        rows=rows,
        models=sorted({one.instance.onnx for one in answers.results.values()}),
        kinds=ANSWERS,
        effort=_sum_effort(answers),
        examples=[one for _, one in zip(range(_WITNESSES), _show(answers), strict=False)],
        found=answers.counts["sat"],
        settings=list(_list_settings(answers)),
        digests=list(_list_digests(answers)),
        versions=list(answers.listing.versions.items()),
        commands=list(_list_commands(answers)),
        style=style,
        script=script,
    )
    return html.encode()


def _state(answers: Answers) -> str:
    if answers.requested == 1:
        found = [describe_answer(one) for one in answers.results.values()]
        return found[0] if found else "not answered yet"
    counts = answers.counts
    return (
        f"Of {answers.requested} properties, {_count(counts['sat'])} met by some input, "
        f"{counts['unsat']} by none, as is proven, and {_count(answers.open)} open."
    )


def _count(number: int, what: str = "", verbs: tuple[str, str] = ("is", "are")) -> str:
    """A number with its noun and its verb: ``1 instance is``, ``2 instances are``."""
    verb = verbs[number != 1]
    return f"{number} {what}{'s' * (number != 1)} {verb}" if what else f"{number} {verb}"


def _find_cautions(answers: Answers) -> Iterator[str]:
    """What could make the answers mean less."""
    counts = answers.counts
    if answers.missing:
        verb = "has" if answers.missing == 1 else "have"
        yield f"{answers.missing} of {answers.requested} instances {verb} no answer yet."
    if counts["error"]:
        said = _count(counts["error"], "instance", ("was", "were"))
        yield f"{said} not answered because of an error; the table says why."
    for name, found in (("timeout", "without an answer in its time"), ("unknown", "unknown")):
        if counts[name]:
            what = "property" if counts[name] == 1 else "properties"
            yield f"{_count(counts[name], 'instance')} {found}, which says nothing of the {what}."
    if _has_no_proof(answers):
        yield "Nothing was tried to be proven: attack only searches; certify and audit prove."
    if answers.listing.preprocess is not None:
        yield (
            f"The properties are about inputs before the preprocessing "
            f"({answers.listing.preprocess})."
        )


def _has_no_proof(answers: Answers) -> bool:
    """Whether nothing was tried to be proven, as far as the options say it."""
    try:
        return parse_decider(answers.listing).proof is None
    except InputError:  # of another version, or not known
        return False


def _sum_effort(answers: Answers) -> list[tuple[str, str]]:
    known = list(answers.results.values())
    names = ("gradients", "lp_steps", "lps", "mips", "nodes")
    sums = [(name, f"{sum(getattr(one, name) for one in known):,}") for name in names]
    proven = f"{sum(one.proven_cases for one in known)} of {sum(one.cases for one in known)}"
    return [
        ("seconds", f"{answers.seconds:.2f}"),
        ("of these loading models", f"{sum(one.load_seconds for one in known):.2f}"),
        *((name.replace("lp_steps", "LPSteps").replace("lps", "LPs"), n) for name, n in sums),
        ("cases proven", proven),
    ]


def _show(answers: Answers) -> Iterator[Counterexample]:
    for one in answers.results.values():
        x, y = parse_counterexample(one.counterexample)
        if x is None or y is None:
            continue
        names, lower, upper = _look_up(answers, one, x.size)
        features = tuple(
            Feature(
                f"X_{i} ({names[i]})" if names else f"X_{i}",
                float(x[i]),
                None if lower is None else float(lower[i]),
                None if upper is None else float(upper[i]),
            )
            for i in range(min(x.size, _FEATURES))
        )
        yield Counterexample(
            one.instance.name, features, x.size - len(features), tuple(map(float, y))
        )


def _look_up(
    answers: Answers, one: InstanceResult, size: int
) -> tuple[tuple[str, ...], Float64 | None, Float64 | None]:
    """Names and ranges (d,) of the inputs, as far as the files are still there."""
    names: tuple[str, ...] = ()
    folder = answers.folder or Path()
    for base in answers.listing.base.candidates(folder):
        try:
            if not names:
                file = read_model(base / one.instance.onnx)
                names = read_feature_names(file, size) if file.sha256 == one.model_sha256 else ()
            path = base / one.instance.vnnlib
            if vnnlib.digest(path) == one.property_sha256:
                cases = Property.from_vnnlib(path).cases
                lower = np.min([case.lower for case in cases], axis=0)
                return names, lower, np.max([case.upper for case in cases], axis=0)
        except (LippaError, ValueError):  # also a name that no file can have
            continue
    return names, None, None


def _list_settings(answers: Answers) -> Iterator[tuple[str, str]]:
    listing = answers.listing
    timeouts = sorted({one.timeout for one in listing.instances})
    yield "method", listing.options
    yield "timeout", ", ".join("none" if np.isinf(t) else f"{t:g} s" for t in timeouts[:10])
    if listing.output is not None:
        yield "output", listing.output
    if listing.preprocess is not None:
        yield "preprocessing", str(listing.preprocess)
    yield "paths begin at", listing.base.path


def _list_digests(answers: Answers) -> Iterator[tuple[str, str]]:
    seen: dict[str, str] = {}
    for one in answers.results.values():
        seen.setdefault(one.instance.onnx, one.model_sha256)
        seen.setdefault(one.instance.vnnlib, one.property_sha256)
    return ((name, digest) for name, digest in seen.items() if digest)


def _list_commands(answers: Answers) -> Iterator[str]:
    """What repeats the answers, and what checks them; nothing for answers in memory."""
    folder = answers.folder
    if folder is None:
        return
    yield shlex.join(["onnx-lippa", "rerun", str(folder)])
    config = folder / CONFIG
    if config.exists():
        tables = [
            line for line in config.read_text(encoding="utf-8").splitlines() if line[:1] == "["
        ]
        if tables:
            verb = tables[0].strip("[] ")
            yield shlex.join(["onnx-lippa", verb, "--config", str(config), "--out", "again"])
            yield shlex.join(["onnx-lippa", "diff", str(folder), "again"])
    yield shlex.join(["onnx-lippa", "replay", str(folder)])
