"""The path of an attack on a plane through the input space, over the linear regions there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Rectangle

from onnx_lippa.arrays import Float64
from onnx_lippa.attacks import StepKind, Trace
from onnx_lippa.errors import InputError
from onnx_lippa.ir.plane import Plane, cut_plane
from onnx_lippa.onnx_io import Model
from onnx_lippa.reports.page.pictures import INK, MUTED, PAPER
from onnx_lippa.spec import InputSet

Looks: TypeAlias = Mapping[StepKind, tuple[str, str, str]]
"""Marker, filling and edge of each kind of point."""
_BORDER: Final = 0.2
"""What is drawn around the path, as a share of its extent."""
_IN_PLANE: Final = 1e-6
"""Share of the path's extent up to which a point counts as one of the plane."""
_GRID: Final = 160
"""Points of each axis at which the distance is evaluated, for the outline of the ball."""
_NUMBERED: Final = 14
"""Steps that are numbered where there are no more."""
_MOST_UNITS: Final = 1500
"""Networks with more units are drawn without regions, which would take minutes."""
_ASIDE: Final = 0.55
"""Opacity of points that are not in the plane."""


def draw_plane(axes: Axes, trace: Trace, model: Model, looks: Looks) -> None:
    """Draws the search that came farthest, and the regions behind it.

    The plane goes through the clean input, the best point of that search and the one of its points
    that is farthest from the line between these two. Other points are projected onto it, and pale.
    """
    best = trace.best
    search = next(one for one in trace.searches if best in one)
    places = list(range(search.start, best + 1))
    x = np.array([trace.points[i].x for i in places])
    plane = _choose_plane(trace, x)
    center = trace.problem.inputs.center
    if plane is None:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no plane to show: the path is on a line", ha="center", color=MUTED)
        return
    marks = plane.coordinates(x)
    clean = plane.coordinates(center[None])[0]
    shown = np.vstack([marks, clean])
    extent = np.ptp(shown, axis=0).max()
    middle = (shown.min(axis=0) + shown.max(axis=0)) / 2
    half = (0.5 + _BORDER) * extent
    lower, upper = middle - half, middle + half
    title = _draw_regions(axes, model, plane, lower, upper)
    if _draw_ball(axes, trace.problem.inputs, plane, lower, upper):
        title += "; dashed: the ball"
    off = np.linalg.norm(x - plane.points(marks), axis=1) > _IN_PLANE * extent
    axes.plot(*marks.T, color=INK, lw=1.0, zorder=4)
    for place, mark, aside in zip(places, marks, off, strict=True):
        marker, face, edge = looks[trace.points[place].kind]
        axes.plot(*mark, marker, ms=6, mfc=face, mec=edge, mew=1.2, zorder=5,
                  alpha=_ASIDE if aside else 1.0)  # fmt: skip
    if search.start > 0:
        marker, face, edge = looks[StepKind.START]
        axes.plot(*clean, marker, ms=6, mfc=face, mec=edge, zorder=5)
    axes.set(xlim=(lower[0], upper[0]), ylim=(lower[1], upper[1]), aspect="equal")
    if len(places) <= _NUMBERED:
        _number(axes, places, marks, extent)
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
    steps = f"steps {places[0]} to {places[-1]}"
    where = f"{steps} in the plane of the clean input, step {best} and a third point"
    axes.set_title(f"{where}\n{title}", fontsize=9, loc="left")


def _number(axes: Axes, places: list[int], marks: Float64, extent: float) -> None:
    """The number of each step beside it; one label for steps at the same place."""
    labels: dict[int, list[int]] = {}
    for position in range(len(places)):
        near = np.linalg.norm(marks - marks[position], axis=1) < 0.03 * extent
        labels.setdefault(int(np.argmax(near)), []).append(places[position])
    middle = float(axes.get_xlim()[0] + axes.get_xlim()[1]) / 2
    for position, steps in labels.items():
        is_right, is_last = marks[position, 0] > middle, places[-1] in steps
        axes.annotate(
            _name_steps(steps), marks[position], textcoords="offset points", fontsize=8,
            color=INK, zorder=6, ha="right" if is_right and not is_last else "left",
            va="top" if is_last else "bottom", xytext=(-6 if is_right and not is_last else 6,
                                                       -5 if is_last else 4),
        )  # fmt: skip


def _name_steps(steps: list[int]) -> str:
    """The numbers of some steps, those in a row by their ends."""
    in_a_row = len(steps) > 2 and steps[-1] - steps[0] == len(steps) - 1
    return f"{steps[0]} to {steps[-1]}" if in_a_row else ", ".join(map(str, steps))


def _choose_plane(trace: Trace, x: Float64) -> Plane | None:
    """The plane of the clean input, the last point (the best), and the farthest from their line."""
    center = trace.problem.inputs.center
    u = x[-1] - center
    if not np.any(u):
        return None  # the clean input itself is the best point
    for others in _candidates(trace, x):
        w = others - center
        rest = w - np.outer(w @ u / (u @ u), u)
        third = others[int(np.linalg.norm(rest, axis=1).argmax())]
        try:
            return Plane.through(np.array([center, x[-1], third]))
        except InputError:
            continue
    return None


def _candidates(trace: Trace, x: Float64) -> Iterator[Float64]:
    """Points to choose the third one from: the search's, all of the path, random ones."""
    yield x
    yield np.array([point.x for point in trace.points])
    inputs = trace.problem.inputs
    ball = inputs.with_eps(inputs.distance(x[-1]))
    yield ball.sample(inputs.generator(trace.seed, "plane of a trace"), 1)


def _draw_regions(axes: Axes, model: Model, plane: Plane, lower: Float64, upper: Float64) -> str:
    """The regions in the colours of their classes; returns a sentence about them."""
    if model.network.units > _MOST_UNITS:
        return "regions of a network with so many units are not drawn"
    try:
        regions = cut_plane(model.network, plane, lower, upper)
    except InputError:
        return "regions of a network with maxima are not drawn"
    parts = [(label, part) for one in regions for label, part in one.classes.items()]
    labels = sorted({label for label, _ in parts})
    colours = _colours(labels)
    axes.add_collection(
        PolyCollection(
            [part for _, part in parts], facecolors=[colours[label] for label, _ in parts],
            edgecolors=[colours[label] for label, _ in parts], linewidths=0.3, zorder=0,
        )
    )  # fmt: skip
    many = len(regions) > 400
    axes.add_collection(
        PolyCollection([one.vertices for one in regions], facecolors="none", edgecolors=PAPER,
                       linewidths=0.35 if many else 0.8, zorder=1)
    )  # fmt: skip
    handles = [Rectangle((0, 0), 1, 1, color=colours[label]) for label in labels]
    axes.legend(
        handles, [f"class {label}" for label in labels], loc="upper left",
        bbox_to_anchor=(0.0, -0.01), ncols=5, fontsize=8.5, handlelength=1.0, handletextpad=0.4,
        borderaxespad=0.2,
    )  # fmt: skip
    return f"{len(regions)} linear regions of the network in this part of it"


def _colours(labels: list[int]) -> dict[int, tuple[float, float, float, float]]:
    """A pale colour for each class; the same class has the same one in every picture."""
    pale = colormaps["Set3"]
    return {label: pale(label % pale.N) for label in labels}


def _draw_ball(axes: Axes, inputs: InputSet, plane: Plane, lower: Float64, upper: Float64) -> bool:
    """The outline of the ball in the plane; False where there is none to be seen."""
    if not np.isfinite(inputs.eps):
        return False
    a, b = (np.linspace(lower[i], upper[i], _GRID) for i in (0, 1))
    lengths = np.empty((_GRID, _GRID))
    for row, height in enumerate(b):
        points = plane.points(np.column_stack([a, np.full(_GRID, height)]))
        lengths[row] = inputs.norm.lengths(points - inputs.center)
    if not lengths.min() < inputs.eps < lengths.max():
        return False
    axes.contour(a, b, lengths, levels=[inputs.eps], colors=[INK], linestyles="--",
                 linewidths=1.0, zorder=3)  # fmt: skip
    return True
