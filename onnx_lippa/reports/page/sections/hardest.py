"""The inputs that deserve a look: hardest, and nearest misses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

from onnx_lippa.reports.page.reported import ReportedRun
from onnx_lippa.runs.record import Record
from onnx_lippa.witness import Verdict

_MOST: Final = 8


@final
@dataclass(frozen=True)
class Ranking:
    """Some inputs in an order.

    Attributes:
        title: what they have in common.
        why: what the order means.
        column: name of the figure that orders them.
        rows: for each its record and that figure.
    """

    title: str
    why: str
    column: str
    rows: tuple[tuple[Record, str], ...]


def rank_inputs(run: ReportedRun) -> tuple[Ranking, ...]:
    """The rankings of a run that hold an input."""
    broken, unknown = run.broken, run.by_verdict[Verdict.UNKNOWN]
    robust = run.by_verdict[Verdict.ROBUST]
    rankings = [
        _rank("Nearest adversarial examples", "The least change that was found to break an input.",
              "distance", broken, lambda one: one.distance, "{:.6g}")
        if run.minimizes else
        _rank("Broken most clearly", "The lower the margin, the surer the wrong answer.",
              "least margin found", broken, lambda one: one.best_margin, "{:.4g}"),
        _rank("Nearest misses", "Unknown inputs that an attack came closest to breaking: a margin "
              "of 0 is a tie with another class.",
              "least margin found", unknown, lambda one: one.best_margin, "{:.4g}"),
        _rank("Nearly proven", "Unknown inputs whose proven lower bound of the margin is largest: "
              "above 0 they would be robust.",
              "proven bound", unknown, lambda one: _negated(one.bound), "{:.4g}", sign=-1),
        _rank("Least proven margins", "Robust inputs that have the least to spare. The bound is "
              "proven, the margin itself may be larger.",
              "proven bound", robust, lambda one: one.bound, "{:.4g}"),
        _rank("Hardest to break", "Adversarial inputs that took the longest.",
              "seconds", broken, lambda one: -one.effort.seconds, "{:.3g}", sign=-1),
        _rank("Hardest to prove", "Robust inputs that took the longest.",
              "seconds", robust, lambda one: -one.effort.seconds, "{:.3g}", sign=-1),
    ]  # fmt: skip
    return tuple(ranking for ranking in rankings if ranking.rows)


def _rank(
    title: str,
    why: str,
    column: str,
    records: Sequence[Record],
    key: Callable[[Record], float | None],
    form: str,
    sign: int = 1,
) -> Ranking:
    """The records of the least keys; the figure that is shown is ``sign`` times the key."""
    keyed = [(value, one.index, one) for one in records if (value := key(one)) is not None]
    chosen = sorted(keyed, key=lambda one: one[:2])[:_MOST]
    rows = tuple((record, form.format(sign * value)) for value, _, record in chosen)
    return Ranking(title, why, column, rows)


def _negated(value: float | None) -> float | None:
    return None if value is None else -value
