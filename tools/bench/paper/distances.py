"""Minimal distortion: the distances that every attack reaches in equal time, in three norms.

FMN and DDN are foolbox's, on the ONNX file through ``onnx_lippa.compat``; their rows are left out
where foolbox and PyTorch are missing. Their adversarial examples are replayed like all others. The
exact distance of an input is known where ``minimal_distortion`` closes its interval.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from onnx_lippa import minimal_distortion
from onnx_lippa.arrays import Float64, Floats, Integers
from onnx_lippa.attacks import Apgd, Bim
from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import get_norm
from tools.bench.paper.attacks import (
    WORKERS,
    can_minimize,
    chosen_attacks,
    make_tireless,
    run_attack,
)
from tools.bench.paper.setting import Cell, Setting

NETWORKS = ("NOR_MLP_B", "ADV_MLP_B_0.1", "ADV_CNN", "LPD_MLP_B_0.2", "MMR_MLP_C")
NORMS = ("linf", "l2", "l1")
SECONDS = 10.0
QUICK_SECONDS = 2.0
EXACT_SECONDS = 2.0
"""Seconds of ``minimal_distortion`` for an input."""
EXACT = 20
"""Inputs whose exact distance is sought."""
SAME = 1e-4
"""Distances that differ by no more than this share are both the least."""
FMN_STEPS = 1000


@dataclass(frozen=True)
class Distances:
    """The distances of one attack.

    Attributes:
        values: (n,) distances; infinite where nothing was found.
        seconds: wall time.
    """

    values: Float64
    seconds: float


def make(setting: Setting) -> None:
    """Writes a row for each network, norm and attack, and draws medians."""
    seconds = setting.seconds or (QUICK_SECONDS if setting.quick else SECONDS)
    networks = setting.some_networks(NETWORKS)
    table = setting.begin(
        "distances", "network", "norm", "attack", "seconds", "found", "median", "mean",
        "share with the least", "inputs with exact distance", "mean gap to it",
    )  # fmt: skip
    for network in networks[: setting.few(len(networks), 1)]:
        model = network.load()
        x, y = setting.images(network, model, setting.few(100, 10))
        count = setting.few(EXACT, 5)
        for norm in NORMS:
            found = measure(setting, model, x, y, norm, seconds)
            exact = find_exact(model, x[:count], y[:count], norm)
            least = np.min([one.values for one in found.values()], axis=0)
            for name, one in found.items():
                table.add(network.name, norm, name, one.seconds, *figures(one, least, exact))
    draw(setting, table.rows)


def measure(
    setting: Setting, model: Model, x: Floats, y: Integers, norm: str, seconds: float
) -> dict[str, Distances]:
    """The distances by every attack that minimises them in this norm."""
    found = {}
    for name, method in chosen_attacks(setting).items():
        if can_minimize(method, norm):
            # Those that bisect the radius would spend all restarts at the first one.
            tireless = method if isinstance(method, Bim | Apgd) else make_tireless(method)
            done = run_attack(model, x, y, tireless, None, seconds, norm)
            found[name] = Distances(done.results.distances, done.seconds)
    if setting.methods is None:
        found |= foolbox_distances(model, x, y, norm)
    return found


def figures(one: Distances, least: Float64, exact: Float64) -> tuple[Cell, ...]:
    """How many were found, median, mean, the share with the least, and the gap to the exact."""
    values = one.values
    reached = np.isfinite(values)
    is_least = reached & (values <= least * (1 + SAME))
    known = np.flatnonzero(np.isfinite(exact) & (exact > 0) & reached[: len(exact)])
    gap = values[known] / exact[known] - 1
    return (
        int(reached.sum()),
        float(np.median(values)) if reached.any() else None,
        float(values[reached].mean()) if reached.any() else None,
        float(is_least.mean()),
        len(known),
        float(gap.mean()) if len(known) else None,
    )


def find_exact(model: Model, x: Floats, y: Integers, norm: str) -> Float64:
    """(n,) exact distances; NaN where the interval is still open after the time."""
    results = minimal_distortion(
        model, x, y, norm=get_norm(norm), time_limit=EXACT_SECONDS, workers=WORKERS
    )
    upper, lower = results.distances, results.distance_bounds
    closed = np.isfinite(upper) & (upper - lower <= 1e-5 * np.maximum(upper, 1e-12))
    return np.where(closed, upper, np.nan)


def foolbox_distances(model: Model, x: Floats, y: Integers, norm: str) -> dict[str, Distances]:
    """FMN, and DDN in l2, by foolbox; nothing where it is not installed."""
    if not all(importlib.util.find_spec(name) for name in ("foolbox", "torch")):
        return {}
    foolbox: Any = importlib.import_module("foolbox")
    torch: Any = importlib.import_module("torch")
    from onnx_lippa import compat  # noqa: PLC0415 - it needs foolbox

    attacks: dict[str, Callable[..., Any]] = {
        "linf": {"fmn (foolbox)": foolbox.attacks.LInfFMNAttack(steps=FMN_STEPS)},
        "l1": {"fmn (foolbox)": foolbox.attacks.L1FMNAttack(steps=FMN_STEPS)},
        "l2": {
            "fmn (foolbox)": foolbox.attacks.L2FMNAttack(steps=FMN_STEPS),
            "ddn (foolbox)": foolbox.attacks.DDNAttack(steps=FMN_STEPS),
        },
    }[norm]
    torch.set_num_threads(1)  # the network is not PyTorch's, and its threads would only wait
    network = compat.foolbox_model(model)
    shaped = np.asarray(x).reshape(-1, *model.network.input_shape)
    images, labels = torch.from_numpy(shaped), torch.from_numpy(np.asarray(y))
    found = {}
    for name, method in attacks.items():
        started = time.perf_counter()
        raw, _, _ = method(network, images, labels, epsilons=None)
        witnesses = compat.check_adversarials(model, shaped, y, raw.numpy(), norm=get_norm(norm))
        clean = model.runtime.forward(x.reshape(len(x), -1)).argmax(axis=1) != y
        values = [np.inf if one is None else one.distance for one in witnesses]
        distances = np.where(clean, 0.0, np.array(values))
        found[name] = Distances(distances, time.perf_counter() - started)
    return found


def draw(setting: Setting, rows: list[tuple[Cell, ...]]) -> None:
    """Median distance of each attack over the least median, for each network and norm."""
    cases = list(dict.fromkeys((row[0], row[1]) for row in rows))
    names = list(dict.fromkeys(str(row[2]) for row in rows))
    figure, axes = plt.subplots(figsize=(8, 0.35 * len(cases) + 1.8), layout="constrained")
    colours = plt.get_cmap("tab20")
    for place, case in enumerate(cases):
        medians = {str(r[2]): float(str(r[5])) for r in rows if r[:2] == case and r[5] is not None}
        best = min((v for v in medians.values() if v > 0), default=1.0)
        for name, median in medians.items():
            ratio = median / best
            axes.plot(min(ratio, 3.0), place, "o", color=colours(names.index(name)), markersize=5)
    for place, name in enumerate(names):
        axes.plot([], [], "o", color=colours(place), label=name)
    axes.set_yticks(range(len(cases)), [f"{network}, {norm}" for network, norm in cases])
    axes.invert_yaxis()
    axes.set(xlabel="median distance over the least median (3: 3 or more)", xscale="log")
    axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    setting.draw("distances", figure)
