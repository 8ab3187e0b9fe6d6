"""Which class an input of each class turns into."""

from __future__ import annotations

from collections import Counter

from matplotlib.patches import Rectangle

from onnx_lippa.reports.page.figures.interval import shorten
from onnx_lippa.reports.page.pictures import ACCENT, INK, MUTED, PAPER, Picture, draw, finish
from onnx_lippa.reports.page.reported import ReportedRun
from onnx_lippa.witness import Verdict

_MOST = 20
"""Most classes on each side."""
_LONGEST = 12
"""Most characters of the name of a class."""


def draw_confusion(run: ReportedRun) -> Picture | None:
    """Counts of true and adversarial class; None where nothing is broken."""
    pairs = count_confusions(run)
    if not pairs:
        return None
    weights = Counter[int]()
    for (label, other), count in pairs.items():
        weights[label] += count
        weights[other] += count
    classes = sorted(label for label, _ in weights.most_common(_MOST))
    places = {label: place for place, label in enumerate(classes)}
    size = len(classes)
    most = max(pairs.values())
    side = min(5.4, 1.1 + 0.36 * size)
    with draw(side, side + 0.6) as (canvas, axes):
        for (label, other), count in pairs.items():
            if label in places and other in places:
                column, row = places[other], places[label]
                share = count / most
                axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, lw=0, color=ACCENT,
                                         alpha=0.12 + 0.88 * share))  # fmt: skip
                axes.text(column, row, str(count), ha="center", va="center",
                          color=PAPER if share > 0.5 else INK)  # fmt: skip
        for place in range(size):
            axes.text(place, place, "·", ha="center", va="center", color=MUTED)
        names = [shorten(run.class_name(label), _LONGEST) for label in classes]
        axes.set_xticks(range(size), names, rotation=45 if max(map(len, names)) > 3 else 0)
        axes.set_yticks(range(size), names)
        axes.set_xlim(-0.5, size - 0.5)
        axes.set_ylim(size - 0.5, -0.5)
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.set_aspect("equal")
        axes.set_xlabel("class of the adversarial example")
        axes.set_ylabel("true class")
        (label, other), count = max(pairs.items(), key=lambda one: (one[1], -one[0][0]))
        often = "once" if count == 1 else f"{count} times"
        caption = (
            f"Most often, {often}, {run.class_name(label)} becomes {run.class_name(other)}. "
            "Misclassified inputs count with the class that the model gives them."
        )
        if len(weights) > _MOST:
            caption += f" The {_MOST} classes that occur most often of {len(weights)}."
        return finish(canvas, f"confusion-{run.key}", "True and adversarial class", caption)


def count_confusions(run: ReportedRun) -> Counter[tuple[int, int]]:
    """How often an input of some class is given another one."""
    counted = Counter[tuple[int, int]]()
    for record in run.by_verdict[Verdict.ADVERSARIAL]:
        if record.target is not None:
            counted[record.label, record.target] += 1
    for record in run.by_verdict[Verdict.MISCLASSIFIED]:
        counted[record.label, record.prediction] += 1
    return counted
