"""Table 2: the robust error of each network by every attack in equal time, and proven bounds.

Each attack has the same wall time for a network (``--seconds``, 10 by default): a limit for each
image, on two workers. Those with restarts repeat until it is used up. All are checked by the same
replay. The proven upper bound is that of ``audit`` within three times that time.
"""

from __future__ import annotations

import matplotlib.pyplot as plt

from onnx_lippa import InputError, audit
from tools.bench.common import measure_error
from tools.bench.paper.attacks import (
    WORKERS,
    Attacked,
    chosen_attacks,
    make_tireless,
    run_attack,
)
from tools.bench.paper.setting import Cell, Setting

SECONDS = 10.0
QUICK_SECONDS = 1.0
PROOF = 3
"""The time of the audit, as a multiple of that of an attack."""


def make(setting: Setting) -> None:
    """Writes the table with a row for each network, and one with a row for each attack."""
    seconds = setting.seconds or (QUICK_SECONDS if setting.quick else SECONDS)
    attacks = chosen_attacks(setting)
    each = setting.begin(
        "table2_attacks", "network", "eps", "attack", "seconds given", "seconds",
        "robust error, %", "gradients", "LPSteps",
    )  # fmt: skip
    last: list[tuple[Cell, ...]] = []
    for network in setting.networks()[: setting.few(10, 2)]:
        model = network.load()
        x, y = setting.images(network, model, setting.few(1000, 50))
        found: dict[str, Attacked] = {}
        for name, method in attacks.items():
            try:
                done = run_attack(model, x, y, make_tireless(method), network.eps, seconds)
            except InputError as error:
                print(f"{network.name}: {name} cannot attack it: {error}")
                continue
            found[name] = done
            each.add(network.name, network.eps, name, seconds, done.seconds, done.percent,
                     done.gradients, done.lp_steps)  # fmt: skip
        proven = audit(model, x, y, eps=network.eps, budget=PROOF * seconds, workers=WORKERS)
        lower, upper = (100 * end for end in proven.robust_error)
        own = network.published
        last.append((
            network.name, network.eps,
            None if setting.whole is None else measure_error(model, setting.whole),
            100 * proven.clean_error, *(
                (None, None, None, None) if own is None
                else (own.test_error, own.earlier, own.lippa, own.upper)
            ),
            *(found[name].percent if name in found else None for name in attacks),
            lower, upper,
        ))  # fmt: skip
    print()
    table = setting.begin(
        "table2", "network", "eps", "test error, whole", "clean error", "published: test error",
        "published: earlier lower", "published: LiPPA", "published: upper", *attacks,
        "audit: lower", "audit: upper",
    )  # fmt: skip
    for cells in last:
        table.add(*cells)
    draw(setting, table.rows, list(attacks), seconds)


def draw(
    setting: Setting, table: list[tuple[Cell, ...]], attacks: list[str], seconds: float
) -> None:
    """Lower bounds by attack, and the proven interval, for each network."""
    names = [str(cells[0]) for cells in table]
    figure, axes = plt.subplots(figsize=(8.5, 0.55 * len(names) + 1.6), layout="constrained")
    colours = plt.get_cmap("tab20")
    for row, cells in enumerate(table):
        lower, upper = (float(str(cell)) for cell in cells[-2:])
        axes.plot([lower, upper], [row, row], color="lightgrey", linewidth=9, solid_capstyle="butt")
        published = cells[6]
        if published is not None:
            axes.plot(float(str(published)), row, "k|", markersize=16)
        for place, cell in enumerate(cells[8:-2]):
            if cell is not None:
                offset = 0.32 * (place / max(1, len(attacks) - 1) - 0.5)
                axes.plot(float(str(cell)), row + offset, "o", color=colours(place), markersize=4)
    for place, name in enumerate(attacks):
        axes.plot([], [], "o", color=colours(place), markersize=4, label=name)
    axes.plot([], [], "k|", markersize=10, label="LiPPA, published")
    axes.plot([], [], color="lightgrey", linewidth=6, label="audit: between its bounds")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlabel=f"robust error, percent: lower bounds after {seconds:g} s", xlim=(0, 101))
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1), fontsize=7)
    setting.draw("table2", figure)
