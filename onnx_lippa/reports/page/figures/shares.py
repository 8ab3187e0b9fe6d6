"""The verdicts of each class, or of each group of inputs."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_lippa.reports.page.figures.interval import shorten
from onnx_lippa.reports.page.pictures import COLOURS, NARROW, PAPER, Picture, draw, finish
from onnx_lippa.reports.page.sections.shares import Share
from onnx_lippa.witness import Verdict

_MOST = 30
"""Most bars; those of the largest robust error."""


def draw_shares(shares: Sequence[Share], name: str, title: str) -> Picture | None:
    """A bar of verdicts for each part of the inputs; None for a single part."""
    if len(shares) < 2:
        return None
    shown = sorted(sorted(shares, key=lambda one: -one.lower)[:_MOST], key=shares.index)
    with draw(0.95 + 0.24 * len(shown), NARROW) as (canvas, axes):
        places = range(len(shown))[::-1]
        for place, share in zip(places, shown, strict=True):
            left = 0.0
            for verdict in (Verdict.MISCLASSIFIED, Verdict.ADVERSARIAL, Verdict.UNKNOWN,
                            Verdict.ROBUST):  # fmt: skip
                width = 100 * share.counts[verdict] / share.inputs
                axes.barh(
                    place, width, 0.72, left, color=COLOURS[verdict], edgecolor=PAPER,
                    hatch="///" if verdict is Verdict.UNKNOWN else None,
                    label=verdict.value if share is shown[0] else None,
                )  # fmt: skip
                left += width
        axes.set_yticks(places, [f"{shorten(one.name)} ({one.inputs})" for one in shown])
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, 100)
        axes.set_ylim(-0.6, len(shown) - 0.4)
        axes.set_xlabel("percent of the inputs")
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        canvas.legend(loc="outside upper left", ncols=4, handlelength=1.2, columnspacing=1.2)
        worst = max(shown, key=lambda one: one.lower)
        caption = (
            f"The most fragile is {worst.name}: {worst.lower:.1%} of {worst.inputs} inputs are "
            "broken. In brackets the number of inputs."
        )
        if len(shares) > _MOST:
            caption += f" The {_MOST} most fragile of {len(shares)}."
        return finish(canvas, name, title, caption)
