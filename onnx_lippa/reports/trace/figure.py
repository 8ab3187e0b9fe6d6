"""The picture of a trace: margin, distance and regions at each step, and the path in a plane."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from onnx_lippa.attacks import StepKind, Trace
from onnx_lippa.onnx_io import Model
from onnx_lippa.reports.page.pictures import ACCENT, INK, MUTED, PAPER, open_canvas
from onnx_lippa.reports.trace.plane import draw_plane
from onnx_lippa.runs.summary import NORMS

_SIZE: Final = (6.2, 12.0)
"""Height and width, in inches."""
_RED: Final = "#cf4a1f"
LOOKS: Final = {
    StepKind.START: ("D", INK, INK),
    StepKind.RESTART: ("D", PAPER, MUTED),
    StepKind.GSSTEP: ("o", PAPER, "#b8860b"),
    StepKind.LPSTEP: ("s", ACCENT, ACCENT),
    StepKind.SEARCH: ("^", PAPER, "#8e44ad"),
}
"""Marker, filling and edge of each kind of point."""
NAMES: Final = {
    StepKind.START: "clean input",
    StepKind.RESTART: "restart",
    StepKind.GSSTEP: "GSStep",
    StepKind.LPSTEP: "LPStep",
    StepKind.SEARCH: "other search",
}


def draw_trace(trace: Trace, model: Model, form: str) -> bytes:
    """The picture as the bytes of a file.

    Args:
        trace: the path of an attack.
        model: the model that was attacked.
        form: ``png`` or ``svg``.
    """
    with open_canvas(*_SIZE) as canvas:
        fill_figure(canvas, trace, model)
        file = io.BytesIO()
        metadata = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
        canvas.savefig(file, format=form, dpi=160, facecolor=PAPER, metadata=metadata)
        return file.getvalue()


def fill_figure(canvas: Figure, trace: Trace, model: Model) -> None:
    """Draws all parts on an empty figure."""
    grid = canvas.add_gridspec(3, 2, width_ratios=(1.0, 1.15), height_ratios=(1.35, 1.0, 1.0))
    margin = canvas.add_subplot(grid[0, 0])
    distance = canvas.add_subplot(grid[1, 0], sharex=margin)
    region = canvas.add_subplot(grid[2, 0], sharex=margin)
    plane = canvas.add_subplot(grid[:, 1])
    points = trace.points
    _draw_steps(margin, trace, [point.margin for point in points])
    margin.axhline(0.0, color=_RED, lw=1.2, ls="--", zorder=1)
    margin.set_ylabel("margin")
    values = [0.0, *(point.margin for point in points)]
    room = 0.16 * (max(values) - min(values)) or 1.0
    margin.set_ylim(min(values) - room, max(values) + room / 2)
    _label_line(margin, 0.0, "adversarial below 0", _RED, is_below=True)
    _draw_steps(distance, trace, [point.distance for point in points])
    distance.set_ylabel("distance")
    eps = trace.problem.inputs.eps
    if np.isfinite(eps):
        distance.axhline(eps, color=MUTED, lw=1.0, ls=":", zorder=1)
        _label_line(distance, eps, "eps", MUTED)
        distance.set_ylim(-0.08 * eps, 1.25 * eps)
    _draw_steps(region, trace, [float(point.region) for point in points])
    region.set_ylabel("linear region")
    region.set_xlabel("step")
    region.yaxis.set_major_locator(MaxNLocator(integer=True))
    region.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (margin, distance):
        axes.tick_params(labelbottom=False)
    canvas.align_ylabels([margin, distance, region])
    draw_plane(plane, trace, model, LOOKS)
    kinds = [kind for kind in LOOKS if trace.counts[kind]]
    canvas.legend(
        [_handle(kind) for kind in kinds], [NAMES[kind] for kind in kinds],
        loc="outside lower left", ncols=len(kinds), fontsize=8.5, handletextpad=0.2,
    )  # fmt: skip
    canvas.suptitle(_title(trace, model), x=0.01, ha="left", fontsize=10.5)


def _title(trace: Trace, model: Model) -> str:
    inputs, result = trace.problem.inputs, trace.result
    norm = NORMS[inputs.norm.name]
    where = f"{norm} radius {inputs.eps:g}" if np.isfinite(inputs.eps) else f"{norm} distance"
    witness = result.witness
    ending = f"{result.verdict.value}, {trace.regions} linear regions"
    if witness is not None:
        ending += f", class {result.target} at distance {witness.distance:.4g}"
    name = f"{trace.method.name} on {model.file.path.name}, input {result.index}"
    return f"{name}, {where}: {ending}"


def _draw_steps(axes: Axes, trace: Trace, values: Sequence[float]) -> None:
    """Values against steps: a line for each search, and a marker for each point."""
    for search in trace.searches:
        axes.plot(list(search), [values[i] for i in search], color=MUTED, lw=0.9, zorder=2)
        if search.start > 0:
            axes.axvline(search.start - 0.5, color=MUTED, lw=0.7, ls=":", zorder=1)
    size = _marker_size(len(values))
    for kind, (marker, face, edge) in LOOKS.items():
        places = [i for i, point in enumerate(trace.points) if point.kind is kind]
        axes.plot(places, [values[i] for i in places], marker, ms=size, mfc=face, mec=edge,
                  mew=1.1, ls="", zorder=3)  # fmt: skip


def _label_line(axes: Axes, height: float, text: str, colour: str, is_below: bool = False) -> None:
    """Writes what a horizontal line means, at its left end, where paths are elsewhere."""
    axes.annotate(
        text, (0, height), xycoords=("axes fraction", "data"), xytext=(3, -2 if is_below else 2),
        textcoords="offset points", ha="left", va="top" if is_below else "bottom", fontsize=8,
        color=colour,
    )  # fmt: skip


def _marker_size(count: int) -> float:
    return 5.0 if count <= 40 else 3.5 if count <= 120 else 2.2


def _handle(kind: StepKind) -> Line2D:
    marker, face, edge = LOOKS[kind]
    return Line2D([], [], marker=marker, mfc=face, mec=edge, mew=1.1, ms=5, ls="")
