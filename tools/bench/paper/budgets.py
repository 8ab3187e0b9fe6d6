"""Every attack at the same wall times: what 10, 60 and 300 s for 1000 images find, and together.

An image has the time that these totals leave it on two workers: 20, 120 and 600 ms. Each attack
runs once, with the longest, on the first images; an image counts at a shorter one where its share
of the work was done by then. A portfolio's gain is what all attacks break together.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from onnx_lippa import InputError
from onnx_lippa.arrays import AnyArray, Float64
from onnx_lippa.attacks import ATTACK_METHODS
from onnx_lippa.witness import Verdict
from tools.bench.paper.attacks import (
    WORKERS,
    Attacked,
    chosen_attacks,
    make_tireless,
    run_attack,
)
from tools.bench.paper.distances import NETWORKS
from tools.bench.paper.setting import Setting

TOTALS = (10.0, 60.0, 300.0)
"""Wall seconds for a thousand images."""
THOUSAND = 1000
SOONEST = 1e-4
"""Where the axis of seconds begins."""
TOGETHER = "all together"
SINGLE = ("fgsm", "bim", "pgd", "apgd", "deepfool", "fab", "cw", "bb", "square", "linear-regions",
          "lippa-paper")  # fmt: skip
"""Attacks that are no mixture of others."""


def make(setting: Setting) -> None:
    """Writes a row for each network and attack, and draws bounds by time."""
    totals = TOTALS[: setting.few(len(TOTALS), 1)]
    table = setting.begin(
        "budgets", "network", "eps", "attack", "images",
        *(f"{total:g} s: robust error, %" for total in totals),
        "broken by no other single one", "seconds", "gradients", "LPSteps",
    )  # fmt: skip
    networks = setting.some_networks(NETWORKS)
    networks = networks[: setting.few(len(networks), 1)]
    figure, panels = plt.subplots(
        1, len(networks), figsize=(2.6 * len(networks) + 1.6, 3.4), layout="constrained",
        squeeze=False,
    )  # fmt: skip
    for network, axes in zip(networks, panels[0], strict=True):
        model = network.load()
        x, y = setting.images(network, model, setting.few(100, 20))
        found: dict[str, Attacked] = {}
        for name, method in chosen_attacks(setting).items():
            seconds = totals[-1] * len(x) / THOUSAND
            tireless = make_tireless(method)
            try:
                found[name] = run_attack(model, x, y, tireless, network.eps, seconds)
            except InputError as error:
                print(f"{network.name}: {name} cannot attack it: {error}")
        times = {name: broken_after(one) for name, one in found.items()}
        limits = [total * WORKERS / THOUSAND for total in totals]
        single = {name: np.isfinite(t) for name, t in times.items() if name in SINGLE}
        for name, one in found.items():
            alone = only_by(name, single)
            table.add(network.name, network.eps, name, len(x), *bounds(times[name], limits),
                      alone, one.seconds, one.gradients, one.lp_steps)  # fmt: skip
            draw_curve(axes, times[name], limits[-1], name)
        together = np.min(list(times.values()), axis=0)
        table.add(network.name, network.eps, TOGETHER, len(x), *bounds(together, limits),
                  None, None, None, None)  # fmt: skip
        axes.set(title=network.name, xscale="log", xlabel="seconds of an image")
        axes.set_ylim(0, None)
    panels[0][0].set_ylabel("robust error, percent")
    panels[0][-1].legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    setting.draw("budgets", figure)


def draw_curve(axes: Axes, times: Float64, limit: float, name: str) -> None:
    """The share of images that an attack has broken by a time, up to the longest."""
    found = np.sort(times[np.isfinite(times)])
    seconds = np.concatenate([[SOONEST], np.clip(found, SOONEST, limit), [limit]])
    percent = 100 * np.concatenate([[0], np.arange(1, len(found) + 1), [len(found)]]) / len(times)
    colour = plt.get_cmap("tab20")(list(ATTACK_METHODS).index(name))
    axes.step(seconds, percent, where="post", label=name, lw=1.2, color=colour)


def broken_after(one: Attacked) -> Float64:
    """(n,) seconds until each image was broken: 0 where misclassified, infinite where not."""
    return np.array([
        0.0 if result.verdict is Verdict.MISCLASSIFIED
        else result.effort.seconds if result.verdict is Verdict.ADVERSARIAL
        else np.inf
        for result in one.results
    ])  # fmt: skip


def bounds(times: Float64, limits: list[float]) -> list[float]:
    """Robust errors within each limit, in percent; what the longest run found counts for it."""
    within = [float(100 * np.mean(times <= limit)) for limit in limits[:-1]]
    return [*within, float(100 * np.mean(np.isfinite(times)))]


def only_by(name: str, broken: dict[str, AnyArray]) -> int | None:
    """Images that no other single attack breaks; None for a mixture."""
    if name not in broken:
        return None
    others = [one for other, one in broken.items() if other != name]
    return int(np.sum(broken[name] & ~np.any(others, axis=0))) if others else None
