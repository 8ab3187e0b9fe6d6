"""Gradient attacks in a ball beside those of torchattacks and foolbox, at the same loss and steps.

It needs PyTorch, torchattacks and foolbox. What others break is counted by ONNX Runtime on their
own arrays, if these lie in the ball up to the rounding of float32. Both run on one thread; ours
stop at the first witness of an input, theirs take all steps.
"""

from __future__ import annotations

import importlib
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_lippa import Apgd, Bim, Fgsm, Pgd, attack
from onnx_lippa.attacks import AttackMethod
from onnx_lippa.onnx_io import load
from tools.bench.common import header, labelled, row

Array = NDArray[np.float32]
Labels = NDArray[np.int64]

_STEPS = 100
_ORDERS = {"linf": np.inf, "l2": 2, "l1": 1}
_APGD_NORMS = {"linf": "Linf", "l2": "L2"}
_TOLERANCE = 1e-5
"""How far points of others may leave the ball, as a share of its radius, and a tenth of it more."""


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the table."""
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("data", type=Path, metavar="DATA.npz")
    parser.add_argument("--norm", choices=("linf", "l2", "l1"), default="linf")
    parser.add_argument("--eps", type=float, required=True, help="radius")
    parser.add_argument("--first", type=int, default=100, help="number of images")
    parser.add_argument("--seeds", type=int, default=3, help="runs with seeds from 0")
    parser.add_argument("--no-peers", action="store_true")


@dataclass(frozen=True)
class Setting:
    """One comparison.

    Attributes:
        name: what is compared.
        ours: the method here.
        peers: by package, a function of the packages' modules, the network and the options that
            makes the same attack there: images and labels to adversarial images.
        is_random: whether the seed matters.
    """

    name: str
    ours: AttackMethod
    peers: dict[str, Callable[[Any, Any, Namespace], Callable[[Any, Any], Any]]]
    is_random: bool = False


def run(options: Namespace) -> None:
    """Prints a row for each attack, package and seed."""
    model = load(options.model)
    inputs, labels = labelled(model, options.data)
    x, y = np.asarray(inputs[: options.first]), np.asarray(labels[: options.first])
    header("attack", "by", "broken, each seed", "s, median")
    for setting in make_settings(options.norm, options.eps):
        seeds = range(options.seeds if setting.is_random else 1)
        ours = []
        for seed in seeds:
            started = time.perf_counter()
            results = attack(
                model, x, y, eps=options.eps, norm=options.norm, method=setting.ours, seed=seed,
                workers=1,
            )  # fmt: skip
            seconds = time.perf_counter() - started
            ours.append((results.figures.counts.adversarial, seconds))
        _print(setting.name, "onnx-lippa", ours)
        for package, make in {} if options.no_peers else setting.peers.items():
            theirs = [_attack(package, make, options, x, y, seed) for seed in seeds]
            _print(setting.name, package, theirs)


def _print(name: str, package: str, runs: list[tuple[int, float]]) -> None:
    broken, seconds = zip(*runs, strict=True)
    counts = ", ".join(str(count) for count in broken)
    row(name, package, counts, f"{float(np.median(seconds)):.2f}")


def make_settings(norm: str, eps: float) -> list[Setting]:
    """What is compared in a norm."""
    share = 2.5 / _STEPS
    length = share * eps
    settings = [
        Setting("FGSM", Fgsm(), {"foolbox": _foolbox("FastGradientAttack", norm)}),
        Setting(
            f"BIM, {_STEPS} steps of {share} eps",
            Bim(gradient_steps=_STEPS, step_length=length),
            {"foolbox": _foolbox("BasicIterativeAttack", norm, steps=_STEPS, rel_stepsize=share)},
        ),
        Setting(
            f"PGD on the cross-entropy, random start, {_STEPS} steps of {share} eps",
            Bim(gradient_steps=_STEPS, step_length=length, random_start=True),
            {
                "foolbox": _foolbox(
                    "ProjectedGradientDescentAttack", norm, steps=_STEPS, rel_stepsize=share
                )
            },
            is_random=True,
        ),
        Setting(
            f"PGD on the cross-entropy, random start, {_STEPS} steps that become shorter",
            Pgd(0, _STEPS, targets="untargeted", loss="ce", random_start=True),
            {},
            is_random=True,
        ),
        Setting("PGD, all at their defaults", Pgd(), {}, is_random=True),
    ]
    if norm == "linf":
        settings[0].peers["torchattacks"] = _torchattacks("FGSM")
        settings[1].peers["torchattacks"] = _torchattacks("BIM", steps=_STEPS, alpha=length)
        settings.insert(
            2,
            Setting(
                f"MI-FGSM, {_STEPS} steps of {share} eps, decay 1",
                Bim(gradient_steps=_STEPS, step_length=length, momentum=1.0),
                {"torchattacks": _torchattacks("MIFGSM", steps=_STEPS, alpha=length, decay=1.0)},
            ),
        )
    for name, ours in (
        ("APGD-CE", Apgd(loss="ce")),
        ("APGD-DLR", Apgd(loss="dlr")),
        ("APGD-T (targeted DLR, 9 targets)", Apgd(loss="dlr", targets="all")),
        ("APGD-CE, 5 runs", Apgd(loss="ce", restarts=4)),
        ("APGD-DLR, 5 runs", Apgd(loss="dlr", restarts=4)),
    ):
        peers = {"torchattacks": _torchattacks_apgd(ours, norm)} if norm in _APGD_NORMS else {}
        settings.append(Setting(f"{name}, {_STEPS} steps", ours, peers, is_random=True))
    return settings


# --- The attacks of others --------------------------------------------------------------------


def _foolbox(
    name: str, norm: str, **settings: float
) -> Callable[[Any, Any, Namespace], Callable[[Any, Any], Any]]:
    """An attack of foolbox on the cross-entropy."""

    def make(foolbox: Any, network: Any, options: Namespace) -> Callable[[Any, Any], Any]:
        prefix = {"linf": "Linf", "l2": "L2", "l1": "L1"}[norm]
        names = {"FastGradientAttack": f"{prefix}FastGradientAttack"}
        one = getattr(foolbox.attacks, names.get(name, f"{prefix}{name}"))(**settings)
        wrapped = foolbox.PyTorchModel(network, bounds=(0, 1))
        return lambda images, labels: one(wrapped, images, labels, epsilons=options.eps)[1]

    return make


def _torchattacks(
    name: str, **settings: float
) -> Callable[[Any, Any, Namespace], Callable[[Any, Any], Any]]:
    """An ℓ∞ attack of torchattacks on the cross-entropy."""
    return lambda package, network, options: getattr(package, name)(
        network, eps=options.eps, **settings
    )


def _torchattacks_apgd(
    ours: Apgd, norm: str
) -> Callable[[Any, Any, Namespace], Callable[[Any, Any], Any]]:
    """APGD of torchattacks."""

    def make(package: Any, network: Any, options: Namespace) -> Callable[[Any, Any], Any]:
        common = {
            "norm": _APGD_NORMS[norm], "eps": options.eps, "steps": ours.gradient_steps,
            "n_restarts": ours.restarts + 1, "seed": options.seed,
        }  # fmt: skip
        if ours.targets == "all":
            return package.APGDT(network, n_classes=10, **common)
        return package.APGD(network, loss=ours.loss, **common)

    return make


def _attack(
    package: str,
    make: Callable[[Any, Any, Namespace], Callable[[Any, Any], Any]],
    options: Namespace,
    x: Array,
    y: Labels,
    seed: int,
) -> tuple[int, float]:
    """Images that an attack of others breaks, and its seconds."""
    torch, module = (importlib.import_module(one) for one in ("torch", package))
    networks = importlib.import_module("tools.bench.torch_networks")
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    network = networks.torch_module(options.model)
    shape = (len(x), *networks.input_shape(options.model))
    images, labels = torch.from_numpy(x.reshape(shape)), torch.from_numpy(y.astype(np.int64))
    one = make(module, network, Namespace(**vars(options), seed=seed))
    started = time.perf_counter()
    found = one(images, labels).detach().numpy()
    seconds = time.perf_counter() - started
    session = networks.onnxruntime_session(options.model, 1)
    wrong, clean = (
        networks.onnxruntime_logits(session, np.asarray(points, np.float32)).argmax(axis=1) != y
        for points in (found, images.numpy())
    )
    shift = found.astype(np.float64).reshape(len(x), -1) - x.reshape(len(x), -1)
    lengths = np.linalg.norm(shift, _ORDERS[options.norm], axis=1)
    inside = lengths <= options.eps * (1 + _TOLERANCE) + _TOLERANCE / 10
    return int((wrong & ~clean & inside).sum()), seconds
