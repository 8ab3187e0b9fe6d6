"""Which method settled what."""

from __future__ import annotations

from matplotlib.ticker import MaxNLocator

from onnx_lippa.reports.page.pictures import COLOURS, NARROW, Picture, draw, finish
from onnx_lippa.reports.page.reported import ReportedRun
from onnx_lippa.runs.summary import FOUND_BY, PROVED_BY, name_attack
from onnx_lippa.witness import Verdict


def draw_methods(run: ReportedRun) -> Picture | None:
    """A bar for each method that found a witness or a proof, of a portfolio each attack."""
    figures = run.figures
    bars = [
        (name_attack(str(attack), minimize=run.minimizes), count, Verdict.ADVERSARIAL)
        for attack, count in figures.get("broken_by", {}).items()
    ] or [
        (title, figures["found_by"][by.value], Verdict.ADVERSARIAL)
        for by, title in FOUND_BY.items()
    ]
    bars += [
        (f"proven {title}", figures["proved_by"][by.value], Verdict.ROBUST)
        for by, title in PROVED_BY.items()
    ]
    bars += [
        (f"{verdict.value}, {why}", figures["counts"][verdict.value], verdict)
        for verdict, why in (
            (Verdict.MISCLASSIFIED, "nothing to find"),
            (Verdict.UNKNOWN, "settled by none"),
        )
    ]
    bars = [bar for bar in bars if bar[1]]
    if not bars:
        return None
    with draw(0.7 + 0.3 * len(bars), NARROW) as (canvas, axes):
        places = range(len(bars))[::-1]
        drawn = axes.barh(
            places, [count for _, count, _ in bars], 0.62,
            color=[COLOURS[verdict] for *_, verdict in bars],
        )  # fmt: skip
        axes.bar_label(drawn, padding=3)
        axes.set_yticks(places, [title for title, *_ in bars])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("inputs")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.margins(x=0.08)
        axes.grid(visible=False, axis="y")
        return finish(
            canvas, f"methods-{run.key}", "Which method settled what",
            "A witness counts whoever found it, since a replay decides. What a proof rests on "
            "differs by method.",
        )  # fmt: skip
