"""The robust error against the radius, both ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes

from onnx_lippa.arrays import Float64
from onnx_lippa.reports.page.pictures import SERIES, Picture, draw, finish
from onnx_lippa.reports.page.reported import ReportedRun
from onnx_lippa.witness import Verdict

_Line: TypeAlias = tuple[str, str, str, str]


def draw_curve(runs: Sequence[ReportedRun]) -> Picture | None:
    """A band for each model over its radii; None where no model has several.

    A run that minimises the distance is a curve of its own: at each radius, the inputs whose
    witness is nearer are broken, and those with a larger lower bound are robust.
    """
    lines = [group for group in _group(runs) if len(group) > 1]
    minimised = [run for run in runs if run.minimizes and run.eps is None and run.broken]
    if not lines and not minimised:
        return None
    with draw(3.3) as (canvas, axes):
        colours = iter(SERIES * (len(lines) + len(minimised)))
        for group in lines:
            radii: Sequence[float] = [run.eps or 0.0 for run in group]
            ends = 100 * np.array([run.interval for run in group])
            colour = next(colours)
            _draw_band(axes, radii, ends, group[0].model, colour)
            axes.plot(radii, ends, ls="", marker="o", ms=4, color=colour)
        for run in minimised:
            radii, ends = _minimised(run)
            upper = ends if run.bounds_distances else ends[:, :1]
            _draw_band(axes, radii, 100 * upper, run.name, next(colours))
        norm = (lines[0][0] if lines else minimised[0]).norm
        axes.set_xlabel(f"eps, radius in {norm}")
        axes.set_ylabel("robust error, percent")
        axes.set_ylim(-2, 102)
        axes.set_xlim(left=0)
        axes.legend(loc="best")
        return finish(
            canvas, "curve", "Robust error against eps",
            "The lower line counts the inputs that are broken at a radius, the upper one those "
            "that are not proven robust there; the robust error lies between them. Between radii "
            "the lines are what follows from their neighbours. A single line is a lower end.",
        )  # fmt: skip


def _group(runs: Sequence[ReportedRun]) -> Iterable[list[ReportedRun]]:
    """Runs that differ in their radius alone, by radius."""
    found: dict[_Line, list[ReportedRun]] = {}
    for run in runs:
        identity = run.run.identity
        if run.eps is not None:
            key = (identity.model_sha256, identity.inputs_sha256, identity.norm,
                   str(identity.features.scale))  # fmt: skip
            found.setdefault(key, []).append(run)
    for group in found.values():
        radii = {run.eps for run in group}
        if len(radii) == len(group):
            yield sorted(group, key=lambda run: run.eps or 0.0)


def _minimised(run: ReportedRun) -> tuple[Sequence[float], Float64]:
    """Radii at which something changes, and the shares (n, 2) of broken and of open inputs."""
    wrong = len(run.by_verdict[Verdict.MISCLASSIFIED])
    uppers = np.sort([one.distance or 0.0 for one in run.broken])
    open_at = np.sort([
        np.inf if one.distance_bound is None else one.distance_bound
        for one in run.records
        if one.verdict is not Verdict.MISCLASSIFIED
    ])  # fmt: skip
    finite = open_at[np.isfinite(open_at)]
    last = float(max(uppers[-1], finite[-1] if len(finite) else 0.0)) * 1.05
    radii = np.unique([0.0, *uppers, *finite, last])
    # Up to a radius: an input whose lower bound is smaller may be broken below it.
    ends = [
        (wrong + np.sum(uppers <= radius), wrong + np.sum(open_at < radius)) for radius in radii
    ]
    return radii.tolist(), np.array(ends, dtype=np.float64) / max(1, len(run.records))


def _draw_band(axes: Axes, radii: Sequence[float], ends: Float64, name: str, colour: str) -> None:
    """The bounds at some radii, and those that follow in between: a larger ball breaks no less."""
    axes.plot(radii, ends[:, 0], drawstyle="steps-post", color=colour, label=name)
    if ends.shape[1] == 1:
        return
    axes.plot(radii, ends[:, 1], drawstyle="steps-pre", color=colour, ls="--")
    between = np.repeat(radii, 2)[1:-1]
    lower, upper = np.repeat(ends[:-1, 0], 2), np.repeat(ends[1:, 1], 2)
    axes.fill_between(between, lower, upper, color=colour, alpha=0.18, lw=0)
