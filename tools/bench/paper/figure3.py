"""Figure 3: the path of a LiPPA run, one whose LPSteps win where PGD has failed if there is one."""

from __future__ import annotations

from typing import NamedTuple

from onnx_lippa import Pgd, Trace, Verdict, attack, trace
from onnx_lippa.arrays import Floats, Integers
from onnx_lippa.attacks import StepKind
from onnx_lippa.onnx_io import Model
from onnx_lippa.reports.trace.figure import draw_trace
from tools.bench.paper.setting import Network, Setting

FAMILY = ("NOR_MLP_B", "ADV_MLP_B_0.1", "MMR_MLP_C")
"""Networks whose regions can be seen."""
MOST_UNITS = 1100
LP_STEPS = 60
TRIED = 12
"""Inputs of a network that are traced at most, the ones nearest to unsafe first."""


class Chosen(NamedTuple):
    """The path that is drawn.

    Attributes:
        trace: the path.
        pgd: the least margin that PGD with restarts reached; None where PGD breaks the input too.
    """

    trace: Trace
    pgd: float | None


def make(setting: Setting) -> None:
    """Draws one path for each of a few networks, and lists the paths."""
    table = setting.begin(
        "figure3", "network", "eps", "image", "verdict", "found by", "least margin of PGD",
        "least margin", "distance", "LPSteps", "GSSteps", "restarts", "regions", "seconds",
    )  # fmt: skip
    for network in choose_networks(setting):
        model = network.load()
        x, y = setting.images(network, model, setting.few(100, 10))
        chosen = choose_path(model, network.eps, x, y)
        if chosen is None:
            continue
        found = chosen.trace
        for form in ("png", "svg"):
            picture = setting.out / f"figure3_{network.name}.{form}"
            picture.write_bytes(draw_trace(found, model, form))
        witness = found.result.witness
        table.add(
            network.name, network.eps, found.result.index, found.result.verdict.value,
            found.result.found_by.value, chosen.pgd, found.points[found.best].margin,
            None if witness is None else witness.distance, found.counts[StepKind.LPSTEP],
            found.counts[StepKind.GSSTEP], found.counts[StepKind.RESTART], found.regions,
            found.result.effort.seconds,
        )  # fmt: skip


def choose_networks(setting: Setting) -> list[Network]:
    """The networks of the family, or else those that are small."""
    networks = setting.networks()
    family = [one for one in networks if one.name in FAMILY]
    small = family or [one for one in networks if one.load().network.units <= MOST_UNITS]
    return small[: setting.few(3, 1)]


def choose_path(model: Model, eps: float, x: Floats, y: Integers) -> Chosen | None:
    """A path whose LPSteps win where PGD fails; else the longest one that wins, else any."""
    by_pgd = attack(model, x, y, eps=eps, method=Pgd())
    unknown = [one for one in by_pgd if one.verdict is Verdict.UNKNOWN]
    hard = sorted(unknown, key=lambda one: one.best_margin)[:TRIED]
    failed = None
    for one in hard:
        found = follow(model, x, y, eps, one.index)
        if found.result.verdict is Verdict.ADVERSARIAL:
            return Chosen(found, one.best_margin)
        failed = failed or Chosen(found, one.best_margin)
    broken = [one.index for one in by_pgd if one.verdict is Verdict.ADVERSARIAL]
    paths = [follow(model, x, y, eps, index) for index in broken[:TRIED]]
    won = [found for found in paths if found.result.verdict is Verdict.ADVERSARIAL]
    if won:
        return Chosen(max(won, key=lambda found: len(found.points)), None)
    return failed


def follow(model: Model, x: Floats, y: Integers, eps: float, index: int) -> Trace:
    """The path of the paper's Algorithm 1 on one image."""
    return trace(model, x, y, eps=eps, index=index, lp_steps=LP_STEPS)
