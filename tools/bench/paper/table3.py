"""Table 3: how long LiPPA searches that fail and that succeed, and how soon successes come."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import numpy as np

from onnx_lippa.attacks import ATTACK_METHODS
from onnx_lippa.witness import Verdict
from tools.bench.paper.attacks import run_attack
from tools.bench.paper.setting import Setting

SHARES = (0.5, 0.9, 0.99, 1.0)


def make(setting: Setting) -> None:
    """Writes the times, and draws the share of successes by time.

    A time is an input's share of the work done for it and others together.
    """
    figure, axes = plt.subplots(figsize=(6.5, 4), layout="constrained")
    table = setting.begin(
        "table3", "network", "successes", "failures", "seconds of a success",
        "seconds of a failure", *(f"{share:.0%} of successes within, s" for share in SHARES),
    )  # fmt: skip
    for network in setting.networks()[: setting.few(10, 2)]:
        model = network.load()
        x, y = setting.images(network, model, setting.few(1000, 50))
        done = run_attack(model, x, y, ATTACK_METHODS["lippa"], network.eps, math.inf)
        seconds = {
            verdict: np.sort([r.effort.seconds for r in done.results if r.verdict is verdict])
            for verdict in (Verdict.ADVERSARIAL, Verdict.UNKNOWN)
        }
        found, failed = seconds[Verdict.ADVERSARIAL], seconds[Verdict.UNKNOWN]
        quantiles = [float(np.quantile(found, share)) if len(found) else None for share in SHARES]
        best = found.sum() / max(1, len(found))
        table.add(network.name, len(found), len(failed), float(best),
                  float(failed.mean()) if len(failed) else None, *quantiles)  # fmt: skip
        if len(found):
            axes.step(found, np.arange(1, len(found) + 1) / len(found), label=network.name)
    axes.set(xscale="log", xlabel="seconds of one input", ylabel="share of all successes")
    axes.axhline(1.0, color="lightgrey", linewidth=0.8)
    axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    setting.draw("table3", figure)
