"""AutoAttack on the ONNX files that the project attacks, re-checked with ONNX Runtime.

It needs PyTorch, torchattacks and scipy, but not the torchvision that torchattacks declares and
never imports (torchvision would replace a CPU build of PyTorch)::

    pip install torch==2.13.0 scipy
    pip install --no-deps torchattacks==3.5.1

``torchattacks.AutoAttack`` itself is not used: it runs its gradient attacks for 10 iterations, the
published standard for 100, and it rescales the schedule of Square, which the published standard
does not. The same four attacks are built here with the published settings; ``--settings
torchattacks`` gives those of the package.

Measure on a quiet machine only: the threads of PyTorch wait for each other in a busy loop, so with
``--threads 2`` on two cores one other busy process can slow small batches thirtyfold. The report
says how many cores other processes kept busy meanwhile (``other_load``; Linux only), and a warning
goes to stderr. On a shared machine ``--threads 1`` is disturbed least.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import math
import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tools.bench.common import header, row
from tools.bench.torch_networks import (
    Floats,
    RefusedError,
    check_conversion,
    input_shape,
    onnxruntime_logits,
    onnxruntime_session,
    torch_module,
)

Labels = NDArray[np.int64]

SEED = 0
FEASIBILITY_TOLERANCE = 1e-6
"""How far, in float64, an adversarial example may leave the ℓ∞ ball or the box [0, 1]."""
QUIET_LOAD = 0.1
"""How many cores other processes may keep busy before the times are doubtful."""


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the table."""
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("data", type=Path, metavar="DATA.npz", help="images (uint8) and labels")
    parser.add_argument("--eps", type=float, required=True, help="ℓ∞ radius, of 1")
    parser.add_argument("--first", type=int, help="attack only the first images")
    parser.add_argument(
        "--settings", choices=sorted(SETTINGS), default="standard",
        help="published settings (100 iterations) or those of torchattacks (10)",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: Namespace) -> None:
    """Prints the report, as a row for each attack or as one JSON object."""
    try:
        report = autoattack(
            options.model, options.data, eps=options.eps, first=options.first,
            settings=options.settings, threads=options.threads,
        )  # fmt: skip
    except (RefusedError, FileNotFoundError) as error:
        sys.exit(f"autoattack: {error}")
    if options.json:
        print(json.dumps(asdict(report)))
        return
    header("attack", "images", "broken", "s")
    for one in report.sub_attacks:
        row(one.name, one.attacked, one.broken, one.seconds)
    for name, value in asdict(report).items():
        if name != "sub_attacks":
            print(f"{name.replace('_', ' ')}: {value}")


@dataclass(frozen=True)
class Settings:
    """What the two versions of AutoAttack called standard differ in."""

    iterations: int
    rescale_square: bool


SETTINGS = {
    "standard": Settings(iterations=100, rescale_square=False),
    "torchattacks": Settings(iterations=10, rescale_square=True),
}


@dataclass(frozen=True)
class Recheck:
    """The adversarial examples claimed in PyTorch, re-checked by ONNX Runtime and in float64."""

    claimed: int
    confirmed: int
    rejected_by_network: int
    rejected_by_ball: int
    rejected_by_box: int
    worst_ball_excess: float | None
    worst_box_excess: float | None
    tolerance: float = FEASIBILITY_TOLERANCE


@dataclass(frozen=True)
class SubAttack:
    """What one of the four attacks did with the images that were still robust."""

    name: str
    attacked: int
    broken: int
    seconds: float


@dataclass(frozen=True)
class AutoAttackReport:
    """Everything that is printed."""

    model: str
    data: str
    images: int
    eps: float
    settings: str
    iterations: int
    seed: int
    misclassified: int
    clean_error_percent: float
    robust_error_percent: float
    attack_seconds: float
    torch_threads: int
    other_load: float | None
    logit_difference: float
    recheck: Recheck
    sub_attacks: list[SubAttack]
    versions: dict[str, str]


def standard_autoattack(
    module: nn.Module, eps: float, classes: int, settings: Settings
) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """The four attacks of the standard ℓ∞ AutoAttack, in its order, from torchattacks."""
    if classes < 4:
        raise RefusedError(f"the targeted loss of AutoAttack needs 4 classes, not {classes}")
    attacks = importlib.import_module("torchattacks")
    common: dict[str, Any] = {"norm": "Linf", "eps": eps, "seed": SEED, "n_restarts": 1}
    steps = settings.iterations
    targets = min(classes, 10)  # the nine most likely wrong classes
    return {
        "apgd-ce": attacks.APGD(module, steps=steps, loss="ce", **common),
        "apgd-t": attacks.APGDT(module, steps=steps, n_classes=targets, **common),
        "fab-t": attacks.FAB(module, steps=steps, n_classes=targets, multi_targeted=True, **common),
        "square": attacks.Square(
            module, n_queries=5000, resc_schedule=settings.rescale_square, **common
        ),
    }


def run_in_turn(
    attacks: dict[str, Callable[[Tensor, Tensor], Tensor]],
    module: nn.Module,
    images: Tensor,
    labels: Tensor,
) -> tuple[Tensor, Tensor, list[SubAttack]]:
    """Runs each attack, in one batch, on the images that the attacks before it left robust.

    Returns the adversarial images (the clean one where none was found), which images are
    broken according to PyTorch, and what each attack did.
    """
    found = images.clone()
    broken = torch.zeros(len(images), dtype=torch.bool)
    rows: list[SubAttack] = []
    for name, attack in attacks.items():
        pool = (~broken).nonzero().flatten()
        if len(pool) == 0:
            break
        start = time.perf_counter()
        candidates = attack(images[pool], labels[pool]).detach()
        with torch.no_grad():
            wrong = module(candidates).argmax(dim=1) != labels[pool]
        found[pool[wrong]] = candidates[wrong]
        broken[pool[wrong]] = True
        seconds = time.perf_counter() - start
        rows.append(SubAttack(name, len(pool), int(wrong.sum()), round(seconds, 3)))
        _progress(rows[-1], int((~broken).sum()))
    return found, broken, rows


def _progress(row: SubAttack, left: int) -> None:
    """One line on stderr for an attack that ended."""
    line = f"{row.name}: broke {row.broken} of {row.attacked} in {row.seconds:.1f} s, {left} left"
    print(line, file=sys.stderr, flush=True)


def load_data(
    path: Path, first: int | None, shape: tuple[int, ...]
) -> tuple[NDArray[np.uint8], Labels]:
    """The first images, as bytes in the shape of the network's input, and their labels."""
    with np.load(path) as data:
        images, labels = data["images"][:first], data["labels"][:first]
    if images.dtype != np.uint8 or len(images) != len(labels) or len(images) == 0:
        raise RefusedError("the data file needs equally many images (uint8) and labels")
    if [n for n in images.shape[1:] if n != 1] != [n for n in shape if n != 1]:
        raise RefusedError(f"images of shape {images.shape[1:]} for a network of input {shape}")
    return images.reshape(len(images), *shape), labels.astype(np.int64)


def as_module(model: Path) -> nn.Module:
    """The file in PyTorch: its own layers, or ONNX Runtime behind autograd if it is no chain."""
    try:
        return torch_module(model)
    except RefusedError:
        from onnx_lippa.compat import torch_module as wrapped  # noqa: PLC0415 - needs PyTorch

        return wrapped(model)


def autoattack(
    model: Path, data: Path, *, eps: float, first: int | None, settings: str, threads: int
) -> AutoAttackReport:
    """Attacks the correctly classified images of a data file and re-checks what was found."""
    torch.set_num_threads(threads)
    torch.manual_seed(SEED)
    module, session = as_module(model), onnxruntime_session(model, threads)
    shape = input_shape(model)
    if len(shape) != 3:
        raise RefusedError(f"AutoAttack needs images (channels, height, width), not {shape}")
    pixels, labels = load_data(data, first, shape)
    inputs = (pixels.astype(np.float64) / 255).astype(np.float32)
    difference = check_conversion(module, session, inputs)
    logits = onnxruntime_logits(session, inputs)
    correct = (logits.argmax(axis=1) == labels).nonzero()[0]

    attacks = standard_autoattack(module, eps, logits.shape[1], SETTINGS[settings])
    load, start = OtherLoad(), time.perf_counter()
    found, broken, rows = run_in_turn(
        attacks, module, torch.from_numpy(inputs[correct]), torch.from_numpy(labels[correct])
    )
    attack_seconds = time.perf_counter() - start
    other_load = load.cores()

    hit = correct[broken.numpy()]
    judged = recheck(session, pixels[hit], labels[hit], found[broken].numpy(), eps)
    misclassified = len(labels) - len(correct)
    return AutoAttackReport(
        model=model.name,
        data=data.name,
        images=len(labels),
        eps=eps,
        settings=settings,
        iterations=SETTINGS[settings].iterations,
        seed=SEED,
        misclassified=misclassified,
        clean_error_percent=100 * misclassified / len(labels),
        robust_error_percent=100 * (misclassified + judged.confirmed) / len(labels),
        attack_seconds=round(attack_seconds, 3),
        torch_threads=torch.get_num_threads(),
        other_load=other_load,
        logit_difference=difference,
        recheck=judged,
        sub_attacks=rows,
        versions=versions("torch", "torchattacks", "onnxruntime"),
    )


def versions(*names: str) -> dict[str, str]:
    """The installed versions of the packages."""
    return {name: importlib.metadata.version(name) for name in names}


def recheck(
    session: onnxruntime.InferenceSession,
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
    adversarials: Floats,
    eps: float,
) -> Recheck:
    """Re-checks claimed adversarial examples; a rejected one may count under several reasons."""
    claimed = len(adversarials)
    if claimed == 0:
        return Recheck(0, 0, 0, 0, 0, None, None)
    moved = adversarials.astype(np.float64).reshape(claimed, -1)
    clean = pixels.astype(np.float64).reshape(claimed, -1) / 255
    ball = np.abs(moved - clean).max(axis=1) - eps
    box = np.maximum(0 - moved, moved - 1).max(axis=1)
    wrong = onnxruntime_logits(session, adversarials).argmax(axis=1) != labels
    in_ball = ball <= FEASIBILITY_TOLERANCE  # false for nan as well
    in_box = box <= FEASIBILITY_TOLERANCE
    return Recheck(
        claimed=claimed,
        confirmed=int((wrong & in_ball & in_box).sum()),
        rejected_by_network=int((~wrong).sum()),
        rejected_by_ball=int((~in_ball).sum()),
        rejected_by_box=int((~in_box).sum()),
        worst_ball_excess=float(ball.max()),
        worst_box_excess=float(box.max()),
    )


class OtherLoad:
    """Measures how many cores other processes kept busy between its creation and ``cores``."""

    def __init__(self) -> None:
        self._start = self._now()

    def cores(self) -> float | None:
        """The cores, or None where the system does not tell; warns if they are too many."""
        wall, busy, own = (now - start for now, start in zip(self._now(), self._start, strict=True))
        if math.isnan(busy) or wall <= 0:
            return None
        cores = max(0.0, (busy - own) / wall)
        if cores > QUIET_LOAD:
            warning = f"other processes kept {cores:.2f} cores busy; do not trust the times"
            print(f"autoattack: {warning}", file=sys.stderr, flush=True)
        return round(cores, 2)

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """Seconds of the clock, of all busy cores (nan if unknown), and of this process."""
        try:
            ticks = [int(field) for field in Path("/proc/stat").read_text().split()[1:9]]
        except OSError:
            return time.perf_counter(), math.nan, time.process_time()
        idle = sum(ticks[3:5])  # idle, and waiting for a disk
        busy = (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK")
        return time.perf_counter(), busy, time.process_time()
