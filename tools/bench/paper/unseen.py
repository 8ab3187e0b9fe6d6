"""Unseen networks: three trained now by recipes that nothing was tuned on, beside AutoAttack.

They are trained on MNIST's test images from the 1000th on, and attacked on the first ones: by
``attack`` with its defaults, and by AutoAttack with the published settings, run on the ONNX file
(``tools/bench/autoattack.py``; it needs PyTorch and torchattacks). All findings are replayed by
ONNX Runtime.
"""

from __future__ import annotations

import importlib
import math
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onnx_lippa import load
from onnx_lippa.attacks import ATTACK_METHODS
from onnx_lippa.data import open_data
from tools.bench.paper.attacks import run_attack
from tools.bench.paper.setting import Setting

HELD_OUT = 1000
BATCH = 100
SEED = 3
ADVERSARIAL_STEPS = 5


@dataclass(frozen=True)
class Recipe:
    """How a network is made.

    Attributes:
        name: its name.
        what: what sets it apart.
        eps: the radius at which it is attacked, and trained where ``is_adversarial``.
        build: makes the untrained module from ``torch.nn``.
        epochs: passes over the training images.
        decay: weight decay.
        is_adversarial: whether it is trained on adversarial images (PGD).
    """

    name: str
    what: str
    eps: float
    build: Callable[[Any], Any]
    epochs: int
    decay: float = 0.0
    is_adversarial: bool = False


def build_batch_norm(nn: Any) -> Any:
    """Convolutions with batch normalisation and maximum pooling."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(784, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


def build_residual(nn: Any) -> Any:
    """A convolution with stride 4, two residual blocks of leaky ReLUs, and a mean over places."""

    class Block(nn.Module):  # type: ignore[misc] # a class of PyTorch
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.LeakyReLU(0.1),
                                       nn.Conv2d(16, 16, 3, padding=1))  # fmt: skip
            self.last = nn.LeakyReLU(0.1)

        def forward(self, x: Any) -> Any:
            return self.last(x + self.inner(x))

    return nn.Sequential(
        nn.Conv2d(1, 16, 7, stride=4, padding=3), nn.LeakyReLU(0.1), Block(), Block(),
        nn.Flatten(), nn.Linear(784, 10),
    )  # fmt: skip


def build_dense(nn: Any) -> Any:
    """Dense layers with ReLUs that are capped at 6."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 200), nn.ReLU6(), nn.Linear(200, 100),
                         nn.ReLU6(), nn.Linear(100, 50), nn.ReLU6(), nn.Linear(50, 10))  # fmt: skip


RECIPES = (
    Recipe("batch_norm", "convolutions, batch normalisation, maximum pools; plain", 0.05,
           build_batch_norm, 6),
    Recipe("residual_adv", "residual blocks of leaky ReLUs; adversarially trained", 0.1,
           build_residual, 10, is_adversarial=True),
    Recipe("dense_decay", "dense, ReLU6; weight decay", 0.03, build_dense, 10, decay=1e-3),
)  # fmt: skip


def make(setting: Setting) -> None:
    """Trains, attacks by both, and writes the table."""
    torch: Any = importlib.import_module("torch")
    autoattack: Any = importlib.import_module("tools.bench.autoattack")
    images, labels = read_images(setting)
    held = setting.few(300, 50)
    data = setting.out / "unseen.npz"
    pixels = np.rint(images[:HELD_OUT] * 255).astype(np.uint8)
    np.savez(data, images=pixels[:, 0], labels=labels[:HELD_OUT])
    table = setting.begin(
        "unseen", "network", "recipe", "eps", "images", "clean error, %", "lippa, %", "lippa, s",
        "AutoAttack, %", "AutoAttack, s",
    )  # fmt: skip
    for recipe in RECIPES:
        path = setting.out / f"unseen_{recipe.name}.onnx"
        train(torch, recipe, images[HELD_OUT:], labels[HELD_OUT:], path, setting.few(1, 0))
        model = load(path)
        x, y = images[:held], labels[:held]
        ours = run_attack(model, x, y, ATTACK_METHODS["lippa"], recipe.eps, math.inf)
        theirs = autoattack.autoattack(
            path, data, eps=recipe.eps, first=held, settings="standard", threads=2
        )
        table.add(recipe.name, recipe.what, recipe.eps, held, 100 * ours.results.clean_error,
                  ours.percent, ours.seconds, theirs.robust_error_percent,
                  theirs.attack_seconds)  # fmt: skip


def read_images(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """MNIST's test images, which lie beside the data."""
    whole = setting.whole
    if whole is None:
        sys.exit("unseen needs MNIST's test images, t10k-images-idx3-ubyte.gz, beside DATA.npz")
    read = open_data(whole, (1, 28, 28), np.dtype(np.float32))
    if read.labels is None:
        sys.exit(f"{whole} has no labels beside it")
    return np.asarray(read.inputs[:]).reshape(-1, 1, 28, 28), read.labels


def train(
    torch: Any,
    recipe: Recipe,
    images: np.ndarray,
    labels: np.ndarray,
    path: Path,
    full: int,
) -> None:
    """Trains a network and exports it."""
    torch.manual_seed(SEED)
    torch.set_num_threads(2)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    network = recipe.build(torch.nn)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=recipe.decay)
    loss_of = torch.nn.functional.cross_entropy
    for _ in range(recipe.epochs if full else 1):
        for chosen in torch.randperm(len(x)).split(BATCH):
            batch = x[chosen]
            if recipe.is_adversarial:
                batch = perturb(torch, network, batch, y[chosen], recipe.eps)
            optimiser.zero_grad()
            loss_of(network(batch), y[chosen]).backward()
            optimiser.step()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter talks about itself
        torch.onnx.export(
            network.eval(), (x[:1],), str(path), input_names=["input"], output_names=["logits"],
            dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}}, opset_version=17,
            dynamo=False,
        )  # fmt: skip


def perturb(torch: Any, network: Any, x: Any, y: Any, eps: float) -> Any:
    """Images after some steps of PGD on the cross-entropy from a random start."""
    moved = (x + eps * (2 * torch.rand_like(x) - 1)).clamp(0, 1)
    for _ in range(ADVERSARIAL_STEPS):
        moved = moved.detach().requires_grad_()
        loss = torch.nn.functional.cross_entropy(network(moved), y)
        (gradient,) = torch.autograd.grad(loss, moved)
        moved = moved + 2.5 * eps / ADVERSARIAL_STEPS * gradient.sign()
        moved = torch.minimum(torch.maximum(moved, x - eps), x + eps).clamp(0, 1)
    return moved.detach()
