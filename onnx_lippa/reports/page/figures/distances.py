"""How far the witnesses are."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator

from onnx_lippa.reports.page.pictures import COLOURS, MUTED, NARROW, Picture, draw, finish
from onnx_lippa.reports.page.reported import ReportedRun
from onnx_lippa.witness import Verdict

_BINS = 24


def draw_distances(run: ReportedRun) -> Picture | None:
    """A histogram of the distances of the witnesses; None without any."""
    distances = np.array([one.distance or 0.0 for one in run.broken])
    if not distances.size:
        return None
    name = f"distances-{run.key}"
    with draw(2.5, NARROW) as (canvas, axes):
        most = max(float(distances.max()), run.eps or 0.0) or 1.0
        edges = np.linspace(0.0, most * (1 + 1e-9), _BINS + 1)
        axes.hist(distances, bins=edges.tolist(), color=COLOURS[Verdict.ADVERSARIAL])
        if run.eps is not None:
            axes.axvline(run.eps, color=MUTED, ls="--", lw=1)
            axes.annotate(f"eps {run.eps:g} ", (run.eps, 1), xycoords=("data", "axes fraction"),
                          ha="right", va="top", color=MUTED)  # fmt: skip
        axes.set_xlabel(f"{run.norm} distance of the witness")
        axes.set_ylabel("inputs")
        axes.set_xlim(left=0)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.grid(visible=False, axis="x")
        nearest, median = distances[0], float(np.median(distances))
        caption = (
            f"{_count(len(distances))}: the nearest at {nearest:.4g}, the median at {median:.4g}. "
        )
        caption += (
            "Distances were minimised: no nearer witness was found."
            if run.minimizes
            else "Distances were not minimised: the attack may use all of the ball, so nearer ones "
            "may exist."
        )
        return finish(canvas, name, "Distances of the adversarial examples", caption)


def _count(number: int) -> str:
    return "1 witness" if number == 1 else f"{number} witnesses"
