"""How long it took to settle an input."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from onnx_lippa.reports.page.pictures import COLOURS, NARROW, Picture, draw, finish
from onnx_lippa.reports.page.reported import ReportedRun
from onnx_lippa.witness import Verdict

_LEAST = 1e-4
"""Least seconds that are shown."""
_LINES = {Verdict.ADVERSARIAL: "broken", Verdict.ROBUST: "proven robust"}


def draw_times(run: ReportedRun) -> Picture | None:
    """The share of inputs that were settled within some time; None where none was."""
    settled = {verdict: run.by_verdict[verdict] for verdict in _LINES if run.by_verdict[verdict]}
    if not settled:
        return None
    with draw(2.5, NARROW) as (canvas, axes):
        total, sentences, ends = max(1, len(run.records)), [], []
        for verdict, records in settled.items():
            seconds = np.sort([max(_LEAST, one.effort.seconds) for one in records])
            ends += [float(seconds[0]), float(seconds[-1])]
            shares = 100 * np.arange(1, len(seconds) + 1) / total
            axes.plot([seconds[0], *seconds], [0, *shares], drawstyle="steps-post", lw=1.8,
                      color=COLOURS[verdict], label=_LINES[verdict])  # fmt: skip
            sentences.append(
                f"half of the {len(seconds)} {_LINES[verdict]} within {np.median(seconds):.3g} s, "
                f"the last after {seconds[-1]:.3g} s"
            )
        axes.set_xscale("log")
        if max(ends) < 50 * min(ends):
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(min(ends) / 2, max(ends) * 2)
        axes.set_ylim(0)
        axes.set_xlabel("seconds spent on the input")
        axes.set_ylabel("percent of the inputs")
        axes.legend(loc="best")
        caption = "; ".join(sentences)
        return finish(
            canvas, f"times-{run.key}", "Time to success", caption[0].upper() + caption[1:] + "."
        )
