"""The figures of a run."""

from __future__ import annotations

import math
import platform
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from importlib import metadata
from typing import Any, Final, TypeVar

from onnx_lippa.runs.record import effort_as_json
from onnx_lippa.spec import InputSpecification, PerFeature
from onnx_lippa.text import printable
from onnx_lippa.version import __version__
from onnx_lippa.witness import Effort, FoundBy, ProvedBy, Result, Verdict, total_effort

SCHEMA_VERSION: Final = 1
Kind = TypeVar("Kind", FoundBy, ProvedBy)
_OLD_DEFAULTS: Final = {
    "fixed": 0,
    "grid": 0.0,
    "nodes": 0,
    "seconds_per_proven": None,
    "proved_by": {"interval": 0, "linear": 0, "mip": 0, "complete": 0},
    "median_distance_bound": None,
    "proven_distances": 0,
}
"""Values of fields that old summaries lack."""
COUNTED: Final = frozenset({"fixed", "only_up", "only_down", "one_hot", "equations"})
"""Lists of features; the file has their lengths."""
ROBUST_ERROR: Final = "robust error"
CURVE_COLUMNS: Final = (
    "eps", "clean error", "robust error", "adversarial", "robust", "unknown", "seconds",
)  # fmt: skip
NORMS: Final = {"linf": "ℓ∞", "l1": "ℓ1", "l2": "ℓ2"}
"""Symbols of the norms."""
FOUND_BY: Final = {
    FoundBy.GRADIENT: "found by PGD",
    FoundBy.LP: "found by LPSteps",
    FoundBy.GRID: "found by grid search",
    FoundBy.MIP: "found by MIPs",
    FoundBy.SEARCH: "found by branch and bound",
    FoundBy.SAMPLING: "found by random search",
}
PROVED_BY: Final = {
    ProvedBy.INTERVAL: "by interval bounds",
    ProvedBy.LINEAR: "by linear bounds",
    ProvedBy.MIP: "by MIPs",
    ProvedBy.COMPLETE: "by branch and bound",
}
_PACKAGES: Final = ("onnx", "onnxruntime", "ortools", "numpy", "scipy", "clarabel")


@dataclass(frozen=True)
class Interval:
    """Bounds of a fraction of 1."""

    lower: float
    upper: float


@dataclass(frozen=True)
class Counts:
    """Numbers of inputs with each verdict."""

    misclassified: int
    adversarial: int
    robust: int
    unknown: int


@dataclass(frozen=True)
class RunFacts:
    """The options of a run, as its summary repeats them.

    Attributes:
        model: path of the model.
        model_sha256: digest of its file.
        data: path of the data, or how the inputs were drawn.
        norm: name of the norm.
        features: radius, scale, domain, fixed features and grid; the file has the range of values
            that differ among features.
        targets: which wrong classes count.
        method: title of the method.
        minimize: whether the distance is minimised.
        requested: number of inputs of the run; more than ``inputs`` after an interrupt.
        seed: random seed.
        workers: number of worker processes.
        preprocess: the preprocessing in front of the model; empty, and not in the file, where
            there is none.
    """

    model: str
    model_sha256: str
    data: str
    norm: str
    features: InputSpecification
    targets: str
    method: str
    minimize: bool
    requested: int
    seed: int
    workers: int
    preprocess: str = ""


@dataclass(frozen=True)
class Summary:
    """The content of ``summary.json``; errors are fractions of 1, times in seconds.

    Attributes:
        facts: the options; their fields stand beside the others in the file.
        inputs: number of inputs with a result.
        clean_error: share of inputs that are misclassified.
        robust_error: bounds of the share of inputs that can be broken.
        counts: number of inputs with each verdict.
        found_by: number of adversarial inputs that each method found.
        broken_by: number of adversarial inputs whose witness is from each attack of a portfolio,
            the largest first; not in the file where there is none.
        proved_by: number of robust inputs that each method proved.
        median_distance: median distance of adversarial inputs; None without any.
        seconds: wall time of the run.
        seconds_per_broken: mean time of an adversarial input; None without any.
        seconds_per_unbroken: mean time of an unknown input; None without any.
        seconds_per_proven: mean time of a robust input; None without any.
        effort: the work on all inputs, summed over workers; its fields but for the seconds stand
            beside the others in the file.
        median_distance_bound: median lower bound of the minimal distortion of adversarial inputs;
            None without any.
        proven_distances: number of adversarial inputs whose lower bound is proven.
        versions: versions of Python and packages.
    """

    facts: RunFacts
    inputs: int
    clean_error: float
    robust_error: Interval
    counts: Counts
    found_by: Mapping[FoundBy, int]
    broken_by: Mapping[str, int]
    proved_by: Mapping[ProvedBy, int]
    median_distance: float | None
    seconds: float
    seconds_per_broken: float | None
    seconds_per_unbroken: float | None
    seconds_per_proven: float | None
    effort: Effort
    median_distance_bound: float | None
    proven_distances: int
    versions: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """The summary as plain JSON values, the options first; null is an infinity.

        A ball of radius 1 in the scale of each feature has that scale as its eps.
        """
        figures = asdict(self) | {
            "found_by": {by.value: count for by, count in self.found_by.items()},
            "proved_by": {by.value: count for by, count in self.proved_by.items()},
        }
        facts = figures.pop("facts")
        del figures["effort"]
        if not self.broken_by:
            del figures["broken_by"]
        figures = effort_as_json(self.effort) | figures
        del facts["features"]
        if not self.facts.preprocess:
            del facts["preprocess"]
        for name, value in self.facts.features.as_json().items():
            facts[name] = len(value) if name in COUNTED else _brief(value)
        return {"schema_version": SCHEMA_VERSION} | facts | figures


def summarise(facts: RunFacts, results: Sequence[Result], seconds: float) -> Summary:
    """Computes the summary of a run, finished or not."""
    by_verdict: dict[Verdict, list[Result]] = {verdict: [] for verdict in Verdict}
    for result in results:
        by_verdict[result.verdict].append(result)
    broken, robust = by_verdict[Verdict.ADVERSARIAL], by_verdict[Verdict.ROBUST]
    unknown, wrong = by_verdict[Verdict.UNKNOWN], len(by_verdict[Verdict.MISCLASSIFIED])
    total = max(1, len(results))
    return Summary(
        facts=facts,
        inputs=len(results),
        clean_error=wrong / total,
        robust_error=Interval((wrong + len(broken)) / total, (total - len(robust)) / total),
        counts=Counts(wrong, len(broken), len(robust), len(unknown)),
        found_by=_count(FOUND_BY, (result.found_by for result in broken)),
        broken_by=_count_attacks(result.broken_by for result in broken),
        proved_by=_count(PROVED_BY, (result.proved_by for result in robust)),
        median_distance=_median(r.witness.distance for r in broken if r.witness is not None),
        seconds=seconds,
        seconds_per_broken=_mean_seconds(broken),
        seconds_per_unbroken=_mean_seconds(unknown),
        seconds_per_proven=_mean_seconds(robust),
        effort=total_effort(result.effort for result in results),
        median_distance_bound=_median(r.distance_bound for r in broken if r.distance_bound > 0),
        proven_distances=sum(r.distance_proved_by is ProvedBy.COMPLETE for r in broken),
        versions=versions(),
    )


def complete(values: dict[str, Any]) -> dict[str, Any]:
    """The values of a summary file, with those that old files lack.

    Raises:
        KeyError, TypeError: they are no summary.
    """
    full = _OLD_DEFAULTS | values
    found_by = {"grid": 0, "mip": 0, "search": 0} | full["found_by"]
    if "sampling" not in found_by:  # not counted in old files; it found the rest
        found_by["sampling"] = full["counts"]["adversarial"] - sum(found_by.values())
    return full | {"found_by": found_by}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version(), "onnx-lippa": __version__} | {
        name: metadata.version(name) for name in _PACKAGES
    }


def _brief(value: PerFeature | None) -> float | dict[str, float | None] | None:
    """A number, or the range of one number per feature; None for an infinity."""
    if isinstance(value, tuple):
        return {"lower": _finite(min(value)), "upper": _finite(max(value))}
    return None if value is None else _finite(value)


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value


def _count(kinds: Iterable[Kind], values: Iterable[Kind]) -> dict[Kind, int]:
    counted = Counter(values)
    return {kind: counted[kind] for kind in kinds}


def _count_attacks(names: Iterable[str]) -> dict[str, int]:
    """How often each name that is not empty occurs, the most frequent first."""
    return dict(sorted(Counter(filter(None, names)).items(), key=lambda one: (-one[1], one[0])))


def _median(values: Iterable[float]) -> float | None:
    known = list(values)
    return statistics.median(known) if known else None


def _mean_seconds(results: Sequence[Result]) -> float | None:
    return statistics.fmean(r.effort.seconds for r in results) if results else None


def summary_title(facts: RunFacts) -> str:
    """The title of the table: the method, its aim and its ball."""
    method, eps = facts.method, facts.features.eps
    if method == "audit":
        what = "audit: robust error"
    elif method == "distance":
        what = "minimal distortion"
    elif method.startswith("certify "):
        what = f"certification ({method.removeprefix('certify ')}): robustness"
    elif facts.minimize:
        what = f"attack ({method}): nearest adversarial examples"
    else:
        what = f"attack ({method}): adversarial examples"
    norm, scale = NORMS[facts.norm], facts.features.scale
    where = f"in {norm} distance" if eps is None else f"within {norm} distance {eps:g}"
    scaled = "" if scale is None else f", scaled by {min(scale):g} to {max(scale):g}"
    return f"{what} {where}{scaled}"


def name_attack(attack: str, *, minimize: bool) -> str:
    """What an attack of a portfolio did to the inputs that count as its own."""
    return f"{'nearest by' if minimize else 'first broken by'} {printable(attack)}"


def summary_rows(summary: Summary) -> Iterator[tuple[str, str]]:
    """The rows of the table of figures; one begins with :data:`ROBUST_ERROR`."""
    counts, facts = summary.counts, summary.facts
    yield "clean error", f"{summary.clean_error:.2%}"
    if facts.features.eps is not None:
        yield _robust_error_row(summary)
    if facts.preprocess:
        yield "preprocessing", facts.preprocess
    yield "inputs", f"{summary.inputs} of {facts.requested}"
    yield "  misclassified", str(counts.misclassified)
    yield from _adversarial_rows(summary)
    if counts.robust or facts.method.split()[0] in ("certify", "audit"):
        yield "  robust, proven", str(counts.robust)
    for proved_by, count in summary.proved_by.items():
        if count:
            yield f"    {PROVED_BY[proved_by]}", str(count)
    yield "  unknown", str(counts.unknown)
    yield from _distance_rows(summary)
    for verdict, seconds in (
        ("adversarial", summary.seconds_per_broken),
        ("robust", summary.seconds_per_proven),
        ("unknown", summary.seconds_per_unbroken),
    ):
        if seconds is not None:
            yield f"mean time per {verdict} input", f"{seconds:.3f} s"
    effort = summary.effort
    if effort.lp_steps:
        rate = effort.lp_steps / effort.lp_seconds if effort.lp_seconds > 0 else 0.0
        yield "LPSteps", f"{effort.lp_steps:,} ({rate:,.0f} per second of LP time)"
    for name, count in (
        ("queries of the outputs alone", effort.queries),
        ("linear programs of proofs", effort.lps),
        ("MIPs", effort.mips),
        ("branch-and-bound nodes", effort.nodes),
    ):
        if count:
            yield name, f"{count:,}"
    workers = "1 worker" if facts.workers == 1 else f"{facts.workers} workers"
    yield "total time", f"{summary.seconds:.1f} s, {workers}"


def _adversarial_rows(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "  adversarial, replayed", str(summary.counts.adversarial)
    for by, count in summary.found_by.items():
        if count:
            yield f"    {FOUND_BY[by]}", str(count)
    for attack, count in summary.broken_by.items():
        yield f"    {name_attack(attack, minimize=summary.facts.minimize)}", str(count)


def _distance_rows(summary: Summary) -> Iterator[tuple[str, str]]:
    if summary.median_distance is not None:
        if summary.facts.method == "distance":
            yield "median upper bound (adversarial)", f"{summary.median_distance:.6g}"
        else:
            yield "median distance (adversarial)", f"{summary.median_distance:.4g}"
    if summary.median_distance_bound is not None:
        yield "median lower bound (adversarial)", f"{summary.median_distance_bound:.6g}"
    if summary.facts.method == "distance":
        proven, found = summary.proven_distances, summary.counts.adversarial
        if found:
            yield "lower bounds proven (adversarial)", f"{proven} of {found}"


def _robust_error_row(summary: Summary) -> tuple[str, str]:
    error = summary.robust_error
    if not summary.counts.robust and error.lower < error.upper:
        return f"{ROBUST_ERROR} (lower bound)", f"{error.lower:.2%}"
    return ROBUST_ERROR, _robust_error(summary)


def curve_title(summaries: Sequence[Summary]) -> str:
    """The title of the table of a curve."""
    return f"robust error over the {NORMS[summaries[0].facts.norm]} radius"


def curve_rows(summaries: Sequence[Summary]) -> Iterator[tuple[str, ...]]:
    """The rows of the table of a curve, under :data:`CURVE_COLUMNS`."""
    for summary in summaries:
        counts = summary.counts
        yield (
            f"{summary.facts.features.eps:g}", f"{summary.clean_error:.2%}",
            _robust_error(summary), str(counts.adversarial), str(counts.robust),
            str(counts.unknown), f"{summary.seconds:.1f}",
        )  # fmt: skip


def _robust_error(summary: Summary) -> str:
    """A number, or an interval."""
    error = summary.robust_error
    if error.lower == error.upper:
        return f"{error.lower:.2%}"
    return f"{error.lower:.2%} to {error.upper:.2%}"


def summary_text(summary: Summary) -> str:
    """The figures of a run as plain text."""
    rows = list(summary_rows(summary))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [f"{name:<{widths[0]}}  {value:>{widths[1]}}" for name, value in rows]
    return "\n".join([summary_title(summary.facts), *lines])


def summary_html(summary: Summary) -> str:
    """The figures of a run as a table in HTML; names are padded by their depth."""
    rows = "".join(
        f'<tr><td style="text-align:left;padding-left:{len(name) - len(name.lstrip()) + 1}ch">'
        f'{escape(name.strip())}</td><td style="text-align:right">{escape(value)}</td></tr>'
        for name, value in summary_rows(summary)
    )
    return f"<table><caption>{escape(summary_title(summary.facts))}</caption>{rows}</table>"


def curve_text(summaries: Sequence[Summary]) -> str:
    """The figures of a curve as plain text."""
    rows = [CURVE_COLUMNS, *curve_rows(summaries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(CURVE_COLUMNS))]
    lines = ["  ".join(f"{c:>{w}}" for c, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([curve_title(summaries), *lines])
