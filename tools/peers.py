"""Runs peer attacks and peer gradients on the ONNX files that the project attacks.

    python tools/peers.py autoattack MODEL.onnx DATA.npz --eps 0.1 --first 1000 --json
    python tools/peers.py gradient MODEL.onnx --batch 900 --repeats 7 --json

`autoattack` runs the four attacks of the standard ℓ∞ AutoAttack in PyTorch and re-checks every
adversarial example with onnxruntime. `gradient` compares the time of a forward pass with an input
gradient in PyTorch with the time of a forward pass in onnxruntime.

It needs PyTorch; `autoattack` also needs torchattacks and scipy, but not the torchvision that
torchattacks declares and never imports (torchvision would replace a CPU build of PyTorch):

    pip install torch==2.13.0 onnx onnxruntime numpy scipy
    pip install --no-deps torchattacks==3.5.1

`torchattacks.AutoAttack` itself is not used: it runs its gradient attacks for 10 iterations, the
published standard for 100, and it rescales the schedule of Square, the published standard does
not. The same four attacks are built here with the published settings; `--settings torchattacks`
gives those of the package.

Time on a quiet machine only: the threads of PyTorch wait for each other in a busy loop, so with
`--threads 2` on two cores one other busy process can slow small batches thirtyfold. The reports
say how many cores other processes kept busy meanwhile (`other_load`; Linux only), and a warning
goes to stderr. On a shared machine `--threads 1` is disturbed least. OMP_WAIT_POLICY=passive in
the environment helps as well, but it slows PyTorch up to twofold on a quiet machine, so the
script does not set it.
"""
# ruff: noqa: E402 -- the clock of the process has to start before the heavy imports

import time

PROCESS_START = time.perf_counter()

import argparse
import importlib
import importlib.metadata
import json
import math
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recheck import Recheck, recheck
from timing import OtherLoad, time_in_turns
from torch import Tensor, nn
from torch_networks import (
    RefusedError,
    check_conversion,
    input_shape,
    onnxruntime_logits,
    onnxruntime_session,
    torch_module,
)

Labels = NDArray[np.int64]

SEED = 0


# --- AutoAttack --------------------------------------------------------------------------------


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
class SubAttack:
    """What one of the four attacks did with the images that were still robust."""

    name: str
    attacked: int
    broken: int
    seconds: float


@dataclass(frozen=True)
class AutoAttackReport:
    """Everything that `autoattack` prints."""

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
    process_seconds: float
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


def autoattack(
    model: Path, data: Path, *, eps: float, first: int | None, settings: str, threads: int
) -> AutoAttackReport:
    """Attacks the correctly classified images of a data file and re-checks what was found."""
    torch.set_num_threads(threads)
    torch.manual_seed(SEED)
    module, session = torch_module(model), onnxruntime_session(model, threads)
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
        process_seconds=round(time.perf_counter() - PROCESS_START, 3),
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


# --- the time of a gradient --------------------------------------------------------------------


@dataclass(frozen=True)
class GradientReport:
    """Everything that `gradient` prints; times are of one call on the whole batch."""

    model: str
    batch: int
    repeats: int
    threads: int
    other_load: float | None
    torch_gradient_ms: float
    torch_gradient_range_ms: tuple[float, float]
    onnxruntime_forward_ms: float
    onnxruntime_forward_range_ms: tuple[float, float]
    ratio: float
    logit_difference: float
    versions: dict[str, str]


def gradient(model: Path, batch: int, repeats: int, threads: int) -> GradientReport:
    """Times a PyTorch input gradient against an onnxruntime forward pass, in turns."""
    torch.set_num_threads(threads)
    module, session = torch_module(model), onnxruntime_session(model, threads)
    random = np.random.default_rng(SEED)
    inputs = random.random((batch, *input_shape(model)), dtype=np.float32)
    difference = check_conversion(module, session, inputs)
    classes = onnxruntime_logits(session, inputs[:1]).shape[1]
    weights = torch.from_numpy(random.standard_normal((batch, classes), dtype=np.float32))
    point = torch.from_numpy(inputs).requires_grad_()

    def torch_gradient() -> object:
        return torch.autograd.grad(module(point), point, grad_outputs=weights)

    def onnxruntime_forward() -> object:
        return onnxruntime_logits(session, inputs)

    load = OtherLoad()
    peer, reference = time_in_turns([torch_gradient, onnxruntime_forward], repeats)
    other_load = load.cores()
    peer_ms, reference_ms = statistics.median(peer), statistics.median(reference)
    return GradientReport(
        model=model.name,
        batch=batch,
        repeats=repeats,
        threads=threads,
        other_load=other_load,
        torch_gradient_ms=round(peer_ms, 4),
        torch_gradient_range_ms=(round(min(peer), 4), round(max(peer), 4)),
        onnxruntime_forward_ms=round(reference_ms, 4),
        onnxruntime_forward_range_ms=(round(min(reference), 4), round(max(reference), 4)),
        ratio=round(peer_ms / reference_ms, 4),
        logit_difference=difference,
        versions=versions("torch", "onnxruntime"),
    )


# --- the command line --------------------------------------------------------------------------


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """An argparse type for positive, finite numbers."""

    def positive(text: str) -> float:
        number = kind(text)
        if not 0 < number < math.inf:
            raise argparse.ArgumentTypeError(f"{text} is not positive and finite")
        return number

    return positive


def parser() -> argparse.ArgumentParser:
    """The command line of this script."""
    result = argparse.ArgumentParser(
        prog="peers.py", description="Run peer attacks and gradients on an ONNX file."
    )
    commands = result.add_subparsers(dest="command", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("model", type=Path, metavar="MODEL.onnx")
    shared.add_argument("--json", action="store_true", help="print one JSON object")
    shared.add_argument("--threads", type=_positive(int), default=2, help="default: 2")

    attack = commands.add_parser("autoattack", parents=[shared], help="standard ℓ∞ AutoAttack")
    attack.add_argument("data", type=Path, metavar="DATA.npz", help="images (uint8) and labels")
    attack.add_argument("--eps", type=_positive(float), required=True, help="ℓ∞ radius, of 1")
    attack.add_argument("--first", type=_positive(int), help="attack only the first images")
    attack.add_argument(
        "--settings",
        choices=sorted(SETTINGS),
        default="standard",
        help="published settings (100 iterations) or those of torchattacks (10); default: standard",
    )

    timing = commands.add_parser("gradient", parents=[shared], help="time of an input gradient")
    timing.add_argument("--batch", type=_positive(int), default=900, help="default: 900")
    timing.add_argument("--repeats", type=_positive(int), default=7, help="default: 7")
    return result


def print_report(report: AutoAttackReport | GradientReport, as_json: bool) -> None:
    """The report on stdout, as one JSON object or as a line for each entry."""
    entries = asdict(report)
    if as_json:
        print(json.dumps(entries))
        return
    for name, value in entries.items():
        if name == "sub_attacks":
            continue  # their lines went to stderr as they ended
        parts = value.items() if isinstance(value, dict) else ()
        shown = ", ".join(f"{key} {entry}" for key, entry in parts) or value
        print(f"{name.replace('_', ' ')}: {shown}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns 2 for a model, data file or option that is refused."""
    options = parser().parse_args(arguments)
    report: AutoAttackReport | GradientReport
    try:
        if options.command == "autoattack":
            report = autoattack(
                options.model,
                options.data,
                eps=options.eps,
                first=options.first,
                settings=options.settings,
                threads=options.threads,
            )
        else:
            report = gradient(options.model, options.batch, options.repeats, options.threads)
    except (RefusedError, FileNotFoundError) as error:
        print(f"peers.py: {error}", file=sys.stderr)
        return 2
    print_report(report, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
