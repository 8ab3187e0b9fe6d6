"""The verdict of a run in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from onnx_lippa.reports.page.reported import ReportedRun
from onnx_lippa.reports.wording import count_inputs
from onnx_lippa.witness import Verdict


@final
@dataclass(frozen=True)
class Sentences:
    """What a run says.

    Attributes:
        verdict: the verdict, one sentence.
        counts: what it is made of, one sentence.
    """

    verdict: str
    counts: str


def state_verdict(run: ReportedRun) -> Sentences:
    """The verdict of a run, and the counts that make it up."""
    counts = run.figures["counts"]
    parts = [
        f"{count_inputs(counts['misclassified'])} misclassified without any change",
        f"{counts['adversarial']} broken by a witness that was replayed",
        f"{counts['robust']} proven robust",
        f"{counts['unknown']} unknown",
    ]
    return Sentences(_state(run), ", ".join(parts) + ".")


def _state(run: ReportedRun) -> str:
    number, (lower, upper) = run.figures["inputs"], run.interval
    on = f"{run.model} on {number} input{'' if number == 1 else 's'}"
    if run.figures["inputs"] < run.figures["requested"]:
        on += f" (of {run.figures['requested']}, unfinished)"
    if run.eps is None:
        return _state_distances(run, on)
    if lower == upper:
        return f"Within {run.ball}, the robust error of {on} is {lower:.2%}."
    if not run.by_verdict[Verdict.ROBUST]:
        return (
            f"Within {run.ball}, the robust error of {on} is at least {lower:.2%}; nothing is "
            "proven, so it may be as high as 100%."
        )
    return f"Within {run.ball}, the robust error of {on} lies between {lower:.2%} and {upper:.2%}."


def _state_distances(run: ReportedRun, on: str) -> str:
    if not run.broken:
        return f"No adversarial example was found for {on}, at any {run.norm} distance."
    uppers = [one.distance or 0.0 for one in run.broken]
    nearest, median = min(uppers), float(np.median(uppers))
    if run.bounds_distances:
        bounds = [one.distance_bound for one in run.broken if one.distance_bound is not None]
        least = float(np.median(bounds)) if bounds else 0.0
        return (
            f"The minimal {run.norm} distortion of {on} has a median between {least:.4g} and "
            f"{median:.4g}; the nearest adversarial example lies at {nearest:.4g}."
        )
    return (
        f"Half of the adversarial examples of {on} lie within {run.norm} distance {median:.4g}, "
        f"the nearest at {nearest:.4g}; nearer ones may exist."
    )
