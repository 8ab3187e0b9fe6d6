"""Minimal distances of attacks beside those of foolbox, torchattacks and ART, at the same steps.

It needs PyTorch, and for the rows of others foolbox (with numba), torchattacks and
adversarial-robustness-toolbox. Whoever's the attack, its points are replayed by ONNX Runtime, and
distances are computed in float64; a point that is not adversarial counts as not found.
"""

from __future__ import annotations

import importlib
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_lippa import attack
from onnx_lippa.api.options import NormName
from onnx_lippa.attacks import AttackMethod, make_attack
from onnx_lippa.onnx_io import Model, load
from tools.bench.common import header, labelled, row

Array = NDArray[np.float32]
Labels = NDArray[np.int64]
Peer = Callable[[Path, str, Array, Labels, AttackMethod], Array]

_ORDERS = {"linf": np.inf, "l2": 2, "l1": 1}
_FAB_RADII = {"linf": 0.3, "l2": 1.0, "l1": 5.0}
"""The radii from which torchattacks takes its random starts by default."""


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the table."""
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("data", type=Path, metavar="DATA.npz")
    parser.add_argument("--norms", nargs="*", default=["linf", "l2", "l1"])
    parser.add_argument("--first", type=int, default=50)
    parser.add_argument("--methods", nargs="*", default=["lippa", "deepfool", "fab"])
    parser.add_argument("--option", action="append", default=[], help="METHOD.NAME=VALUE")
    parser.add_argument("--no-peers", action="store_true")


def run(options: Namespace) -> None:
    """Prints a row for each attack and norm."""
    model = load(options.model)
    inputs, labels = labelled(model, options.data)
    x, y = np.asarray(inputs[: options.first]), np.asarray(labels[: options.first])
    right = model.runtime.forward(x).argmax(axis=1) == y
    x, y = x[right], y[right]
    header("norm", "attack", "by", "found", "median", "mean", "nearest", "s")
    for norm in options.norms:
        rows: list[tuple[str, str, NDArray[np.float64], float]] = []
        for name in options.methods:
            own = [one[len(name) + 1 :] for one in options.option if one.startswith(f"{name}.")]
            method = make_attack(name, own)
            rows.append((name, "onnx-lippa", *_ours(model, norm, x, y, method)))
            peer = None if options.no_peers else PEERS.get(name)
            if peer is not None:
                package, attack_with = peer
                started = time.perf_counter()
                try:
                    found = attack_with(options.model, norm, x, y, method)
                except LookupError:
                    continue  # there is no such norm there
                seconds = time.perf_counter() - started
                rows.append((name, package, _measure(model, norm, x, y, found), seconds))
        _print(norm, rows)


def _print(norm: str, rows: list[tuple[str, str, NDArray[np.float64], float]]) -> None:
    """The rows of a norm; nearest is the share of inputs within 1 % of the best row."""
    best = np.min([distances for _, _, distances, _ in rows], axis=0)
    for name, package, distances, seconds in rows:
        found = np.isfinite(distances)
        mean = float(distances[found].mean()) if found.any() else np.inf
        row(
            norm, name, package, f"{found.sum()}/{len(found)}", f"{np.median(distances):.5g}",
            f"{mean:.5g}", f"{100 * np.mean(distances <= 1.01 * best):.0f} %", f"{seconds:.1f}",
        )  # fmt: skip


def _ours(
    model: Model, norm: NormName, x: Array, y: Labels, method: AttackMethod
) -> tuple[NDArray[np.float64], float]:
    started = time.perf_counter()
    results = attack(model, x, y, norm=norm, method=method, workers=1)
    return np.asarray(results.distances), time.perf_counter() - started


def _measure(model: Model, norm: str, x: Array, y: Labels, found: Array) -> NDArray[np.float64]:
    """Distances of the points that are adversarial in ONNX Runtime and in the unit box."""
    flat = np.clip(found.reshape(len(x), -1), 0, 1).astype(np.float32)
    wrong = model.runtime.forward(flat).argmax(axis=1) != y
    shift = flat.astype(np.float64) - x.reshape(len(x), -1)
    return np.where(wrong, np.linalg.norm(shift, _ORDERS[norm], axis=1), np.inf)


# --- The attacks of others --------------------------------------------------------------------


def _torch(path: Path, x: Array, y: Labels) -> tuple[Any, Any, Any]:
    """The network, inputs in its shape and labels, in PyTorch, which runs on one thread."""
    torch = importlib.import_module("torch")
    networks = importlib.import_module("tools.bench.torch_networks")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shape = networks.input_shape(path)
    points = torch.from_numpy(x.reshape(len(x), *shape))
    return networks.torch_module(path), points, torch.from_numpy(y.astype(np.int64))


def _foolbox(names: dict[str, str], settings: Callable[[Any, str], dict[str, Any]]) -> Peer:
    """An attack of foolbox: its name for each norm, and its settings for a method of ours."""

    def attack_with(path: Path, norm: str, x: Array, y: Labels, method: AttackMethod) -> Array:
        module, points, labels = _torch(path, x, y)
        foolbox = importlib.import_module("foolbox")
        one = getattr(foolbox.attacks, names[norm])(**settings(method, norm))
        network = foolbox.PyTorchModel(module, bounds=(0, 1))
        _, found, _ = one(network, points, labels, epsilons=[None])
        return np.asarray(found[0].detach().numpy())

    return attack_with


def _torchattacks_fab(path: Path, norm: str, x: Array, y: Labels, method: AttackMethod) -> Array:
    """FAB of torchattacks, run by run: its own loop would stop at its radius."""
    module, points, labels = _torch(path, x, y)
    ours: Any = method
    name = {"linf": "Linf", "l2": "L2", "l1": "L1"}[norm]
    fab = importlib.import_module("torchattacks").FAB(
        module, norm=name, eps=_FAB_RADII[norm], steps=ours.gradient_steps,
        alpha_max=ours.alpha_max, eta=ours.eta, beta=ours.beta, multi_targeted=ours.targeted,
    )  # fmt: skip
    importlib.import_module("torch").random.manual_seed(0)
    best, least = x.copy(), np.full(len(x), np.inf)
    for target in range(2, ours.classes + 2) if ours.targeted else [0]:
        for restart in range(ours.restarts + 1):
            fab.target_class = target
            one = fab.attack_single_run_targeted if ours.targeted else fab.attack_single_run
            found = one(points, labels, use_rand_start=restart > 0).detach()
            wrong = (module(found).argmax(dim=1) != labels).numpy()
            flat = found.numpy().reshape(len(x), -1)
            shift = flat.astype(np.float64) - x.reshape(len(x), -1)
            lengths = np.linalg.norm(shift, _ORDERS[norm], axis=1)
            nearer = wrong & (lengths < least)
            best.reshape(len(x), -1)[nearer], least[nearer] = flat[nearer], lengths[nearer]
    return best


PEERS: dict[str, tuple[str, Peer]] = {
    "deepfool": (
        "foolbox",
        _foolbox(
            {"linf": "LinfDeepFoolAttack", "l2": "L2DeepFoolAttack"},
            lambda ours, _: {
                "steps": ours.gradient_steps,
                "candidates": ours.classes + 1,
                "overshoot": ours.overshoot,
            },
        ),
    ),
    "fab": ("torchattacks", _torchattacks_fab),
    "cw": (
        "foolbox",
        _foolbox(
            {"l2": "L2CarliniWagnerAttack"},
            lambda ours, _: {
                "binary_search_steps": ours.searches,
                "steps": ours.gradient_steps,
                "stepsize": ours.learning_rate or 0.01,
                "confidence": ours.confidence,
                "initial_const": ours.initial_constant or 1e-3,
                "abort_early": ours.abort_early,
            },
        ),
    ),
    "bb": (
        "foolbox",
        _foolbox(
            {
                "linf": "LinfinityBrendelBethgeAttack",
                "l2": "L2BrendelBethgeAttack",
                "l1": "L1BrendelBethgeAttack",
            },
            lambda ours, _: {
                "steps": ours.gradient_steps,
                "overshoot": ours.overshoot,
                "lr_num_decay": ours.rate_decays,
                "momentum": ours.momentum,
                "binary_search_steps": ours.searches,
            },
        ),
    ),
}
"""The same attack in another package, by the name of ours."""
