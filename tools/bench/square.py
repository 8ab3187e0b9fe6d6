"""Square beside the one of torchattacks, with the same queries on the same images.

It needs PyTorch and torchattacks, as the table ``autoattack`` does. What torchattacks breaks is
counted by ONNX Runtime on its own arrays.
"""

from __future__ import annotations

import importlib
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np

from onnx_lippa import Square, attack, load
from tools.bench.common import header, row


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the table."""
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("data", type=Path, metavar="DATA.npz", help="images (uint8) and labels")
    parser.add_argument("--norm", choices=("linf", "l2"), default="linf")
    parser.add_argument("--eps", type=float, required=True, help="radius")
    parser.add_argument("--first", type=int, default=100, help="number of images")
    parser.add_argument("--queries", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--seeds", type=int, default=3, help="runs with seeds from 0")


def run(options: Namespace) -> None:
    """Prints the table: broken images with each number of queries and each seed."""
    model = load(options.model)
    with np.load(options.data) as data:
        x, y = data["images"][: options.first], data["labels"][: options.first].astype(np.int64)
    header("queries", "seed", "broken, ours", "s", "broken, torchattacks", "s")
    for queries in options.queries:
        for seed in range(options.seeds):
            started = time.monotonic()
            method = Square(queries=queries)
            results = attack(
                model, x, y, eps=options.eps, norm=options.norm, method=method, seed=seed, workers=1
            )
            ours = results.figures.counts.adversarial, time.monotonic() - started
            theirs = _torchattacks(options, x, y, queries, seed)
            row(queries, seed, ours[0], f"{ours[1]:.1f}", theirs[0], f"{theirs[1]:.1f}")


def _torchattacks(
    options: Namespace, x: np.ndarray, y: np.ndarray, queries: int, seed: int
) -> tuple[int, float]:
    """Images that the Square of torchattacks breaks, and its seconds."""
    torch, torchattacks = (importlib.import_module(one) for one in ("torch", "torchattacks"))
    networks = importlib.import_module("tools.bench.torch_networks")
    torch.set_num_threads(1)
    network = networks.torch_module(options.model)
    images = torch.tensor(x.reshape(len(x), *networks.input_shape(options.model)) / 255.0).float()
    labels = torch.tensor(y)
    clean = network(images).argmax(1) == labels
    norm = {"linf": "Linf", "l2": "L2"}[options.norm]
    rival = torchattacks.Square(network, norm=norm, eps=options.eps, n_queries=queries, seed=seed)
    started = time.monotonic()
    adversarial = rival(images, labels).numpy()
    seconds = time.monotonic() - started
    session = networks.onnxruntime_session(options.model, 1)
    logits = networks.onnxruntime_logits(session, adversarial)
    return int(((logits.argmax(1) != y) & clean.numpy()).sum()), seconds
