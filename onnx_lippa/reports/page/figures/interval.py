"""The robust error of each run between its two ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from onnx_lippa.reports.page.pictures import COLOURS, PAPER, Picture, draw, finish
from onnx_lippa.reports.page.reported import ReportedRun
from onnx_lippa.witness import Verdict

_ORDER: Final = (
    (Verdict.MISCLASSIFIED, "misclassified"),
    (Verdict.ADVERSARIAL, "broken, replayed"),
    (Verdict.UNKNOWN, "unknown"),
    (Verdict.ROBUST, "robust, proven"),
)
_LONGEST: Final = 32
"""Most characters of a name beside a bar."""


def draw_interval(runs: Sequence[ReportedRun]) -> Picture:
    """A bar for each run: what is broken from the left, what is proven from the right."""
    with draw(0.95 + 0.42 * len(runs), 6.0) as (canvas, axes):
        places = list(range(len(runs)))[::-1]
        for place, run in zip(places, runs, strict=True):
            counts, left = run.figures["counts"], 0.0
            total = max(1, run.figures["inputs"])
            for verdict, label in _ORDER:
                share = 100 * counts[verdict.value] / total
                axes.barh(
                    place, share, 0.62, left, color=COLOURS[verdict], edgecolor=PAPER,
                    hatch="///" if verdict is Verdict.UNKNOWN else None,
                    label=label if run is runs[0] else None,
                )  # fmt: skip
                left += share
        axes.set_xlim(0, 100)
        axes.set_ylim(-0.6, len(runs) - 0.4)
        axes.set_xlabel("percent of the inputs")
        axes.set_yticks(places, [shorten(_name(run)) for run in runs])
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        canvas.legend(loc="outside upper left", ncols=4, handlelength=1.2, columnspacing=1.2)
        return finish(
            canvas, "interval", "The robust error between its two ends",
            "From the left the inputs that are broken, from the right those that are proven "
            "robust. The robust error lies in the hatched part between them.",
        )  # fmt: skip


def _name(run: ReportedRun) -> str:
    """The name of a run, with its radius where the name does not say it."""
    return run.name if f"{run.eps:g}" in run.name else f"{run.name}, {run.norm} {run.eps:g}"


def shorten(text: str, longest: int = _LONGEST) -> str:
    """A text that fits beside an axis: both ends of it."""
    if len(text) <= longest:
        return text
    return text[: longest // 2] + "…" + text[-(longest // 2) + 1 :]
