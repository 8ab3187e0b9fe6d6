"""Exports PyTorch networks with both of its exporters into ``tests/exports/pytorch/``.

    python -m venv ../exports-torch && . ../exports-torch/bin/activate
    pip install torch==2.13.0 onnxscript==0.7.2 onnx onnxruntime scikit-learn==1.9.0
    python -m tools.exports.pytorch

The networks classify scikit-learn's 8x8 digits. They are trained for seconds only: good enough
that attacking them means something, and small enough to be kept.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tools.exports.common import SEED, STORED, Folder, Split, digits, versions

EPOCHS = 60
BATCH = 64
IMAGE = (1, 8, 8)
PACKAGES = {False: (), True: ("onnxscript",)}
"""What the legacy and the new exporter need beside torch."""


class Mlp(nn.Module):
    """The network of every tutorial."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Dropout(0.1), nn.Linear(24, 24),
            nn.ReLU(), nn.Linear(24, 10),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Residual(nn.Module):
    """A block whose batch normalisations come first, so that no exporter can fold them away."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second = nn.BatchNorm2d(channels)
        self.last = nn.Conv2d(channels, channels, 3, padding=1, groups=2)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv(functional.relu(self.first(x)))
        return x + self.last(functional.relu(self.second(hidden)))


class Cnn(nn.Module):
    """Normalised inputs, BatchNorm, max and average pooling, a residual block."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )  # fmt: skip
        self.block = Residual(8)
        self.pool = nn.AvgPool2d(2)
        self.grow = nn.Conv2d(8, 12, 2, padding=1)
        self.shrink = nn.MaxPool2d(2, ceil_mode=True)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(12 + 32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block(self.stem((x - 0.3) / 0.35))
        pooled = self.pool(x)
        mean = self.mean(self.shrink(functional.relu(self.grow(pooled))))
        return self.head(torch.cat([torch.flatten(pooled, 1), mean.flatten(1)], dim=1))


class Activations(nn.Module):
    """The piecewise-linear activations that both exporters know, and a softmax at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 6, 3, stride=2, padding=1), nn.ReLU6(),
            nn.Conv2d(6, 6, 3, padding=1), nn.PReLU(6),
            nn.Conv2d(6, 6, 1), nn.LeakyReLU(0.1),
            nn.Flatten(), nn.Linear(96, 20), nn.Hardtanh(-2.0, 2.0),
            nn.Linear(20, 20), nn.Hardsigmoid(),
            nn.Linear(20, 20), nn.PReLU(),
            nn.Linear(20, 20), nn.Hardtanh(),
            nn.Linear(20, 10), nn.Softmax(dim=1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Cnn1d(nn.Module):
    """The rows of the image as channels of a sequence; log_softmax at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(8, 12, 3, padding=1), nn.BatchNorm1d(12), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(12, 16, 3, padding=2, dilation=2), nn.ReLU(), nn.BatchNorm1d(16),
            nn.AvgPool1d(3, stride=1, padding=1), nn.Flatten(), nn.Linear(64, 10),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return functional.log_softmax(self.layers(x), dim=-1)


class Upsampling(nn.Module):
    """A small encoder and decoder: both interpolations, ConvTranspose2d, PixelShuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 8, 2, stride=2), nn.ReLU())
        self.deconv = nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1)
        self.shuffle = nn.Sequential(nn.Conv2d(8, 16, 1), nn.PixelShuffle(2))
        self.mix = nn.Conv2d(20, 4, 3, stride=2, padding=1)
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.encoder(x)
        nearest = functional.interpolate(x[:, :4], scale_factor=2)
        smooth = functional.interpolate(x[:, 4:], scale_factor=2, mode="bilinear")
        corners = functional.interpolate(
            x[:, ::2], size=(8, 8), mode="bilinear", align_corners=True
        )
        grown = functional.relu(self.deconv(x))
        shuffled = functional.relu(self.shuffle(x))
        x = torch.cat([nearest, smooth, corners, grown, shuffled], dim=1)
        return self.head(functional.relu(self.mix(x)).flatten(1))


class Routes(nn.Module):
    """Splits, chunks, slices, gathers, joins and turns its tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Linear(8, 8)
        self.left = nn.Linear(16, 12)
        self.right = nn.Linear(16, 12)
        self.mix = nn.Linear(8, 6)
        self.head = nn.Linear(55, 10)
        self.register_buffer("order", torch.tensor([3, 0, 7, 5, 5, 1]))

    def forward(self, x: Tensor) -> Tensor:
        image = x.squeeze(1)
        rows = functional.relu(self.rows(image.permute(0, 2, 1)))
        top, bottom = rows.chunk(2, dim=1)
        first, middle, last = torch.split(rows, [2, 5, 1], dim=2)
        left = functional.relu(self.left(top[:, :, ::2].reshape(-1, 16)))
        right = functional.relu(self.right(bottom[..., -4:].flatten(1)))
        chosen = functional.relu(self.mix(rows[:, self.order])).mean(dim=2)
        picked = torch.index_select(image, 2, self.order[:3])[:, 0]
        turned = torch.flip(middle, dims=[1])[:, 2, :]
        joined = torch.stack([left, right], dim=1).view(-1, 24) * 0.5
        padded = functional.pad(first[:, 3], (1, 1), value=0.25)
        single = last.unsqueeze(1).squeeze(3).squeeze(1)
        return self.head(
            torch.cat([joined, chosen, picked, turned, padded, single, -single[:, 1:6]], dim=-1)
        )


class Extremes(nn.Module):
    """Maxima, minima, absolute values, clamps, sums and means."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 10)
        self.second = nn.Linear(8, 10)
        self.maxout = nn.Linear(64, 30)
        self.head = nn.Linear(68, 10)

    def forward(self, x: Tensor) -> Tensor:
        image = x.squeeze(1)
        a, b = self.first(image), self.second(image)
        upper, lower = torch.maximum(a, b), torch.minimum(a, b).abs()
        pieces = self.maxout(x.flatten(1)).view(-1, 10, 3)
        values, _ = torch.max(pieces, dim=2)
        parts = [
            upper.amax(dim=1),
            lower.amin(dim=2),
            torch.clamp(a.sum(dim=1), -1.0, 1.0),
            torch.clamp(b.mean(dim=1), min=0.0),
            torch.clamp(b[:, 0], max=0.5),
            values,
            -pieces.min(dim=2).values,
        ]
        return self.head(torch.cat(parts, dim=1))


@dataclass(frozen=True)
class Recipe:
    """A network to be exported."""

    name: str
    what: str
    network: Callable[[], nn.Module]
    shape: tuple[int, ...] = IMAGE
    fixed: bool = False
    double: bool = False


RECIPES = (
    Recipe("mlp", "MLP 64-24-24-10", Mlp, fixed=True),
    Recipe(
        "cnn",
        "CNN: normalised inputs, BatchNorm, MaxPool2d, AvgPool2d, residual add, "
        "AdaptiveAvgPool2d, flatten, cat",
        Cnn,
        fixed=True,
    ),
    Recipe(
        "activations",
        "ReLU6, PReLU (one slope, one a channel), LeakyReLU, Hardtanh, Hardsigmoid, Softmax",
        Activations,
    ),
    Recipe("cnn1d", "Conv1d, BatchNorm1d, MaxPool1d, AvgPool1d, log_softmax", Cnn1d, (8, 8)),
    Recipe(
        "upsampling",
        "interpolate (nearest, bilinear, bilinear with aligned corners), ConvTranspose2d, "
        "PixelShuffle",
        Upsampling,
    ),
    Recipe(
        "routes",
        "squeeze, permute, chunk, split, slices, gather, index_select, flip, stack, view, pad, cat",
        Routes,
    ),
    Recipe(
        "extremes",
        "maximum, minimum, max and min over an axis, amax, amin, abs, clamp, sum, mean",
        Extremes,
    ),
    Recipe("mlp_double", "the MLP in float64", Mlp, double=True),
)


def trained(recipe: Recipe, data: Split) -> nn.Module:
    """A network after its short training, ready for inference."""
    torch.manual_seed(SEED)
    model = recipe.network()
    kind = torch.float64 if recipe.double else torch.float32
    model = model.to(kind).train()
    x, y = torch.from_numpy(data.train_x).to(kind), torch.from_numpy(data.train_y)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            outputs = model(x[rows])
            if isinstance(model, Activations):  # probabilities already
                outputs = outputs.clamp(min=1e-6).log()
            loss = functional.cross_entropy(outputs, y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return model.eval()


def export(
    recipe: Recipe, model: nn.Module, folder: Folder, data: Split, *, dynamo: bool, fixed: bool
) -> None:
    """Writes one file, as the exporter does by default."""
    kind = torch.float64 if recipe.double else torch.float32
    exporter = "dynamo" if dynamo else "legacy"
    file = f"{recipe.name}_{exporter}{'_fixed' if fixed else ''}.onnx"
    options: dict[str, object] = {}
    if dynamo:
        # By default the weights go to a second file, `*.onnx.data`; the fixed ones are without.
        options = {"external_data": False} if fixed else {"dynamic_shapes": ({0: "batch"},)}
    elif not fixed:
        options = {"dynamic_axes": {"input": {0: "batch"}, "output": {0: "batch"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both exporters talk about themselves
        torch.onnx.export(
            model,
            # The new exporter takes a size of one for a fixed one.
            (torch.zeros(1 if fixed else 2, *recipe.shape, dtype=kind),),
            str(folder.path / file),
            input_names=["input"],
            output_names=["output"],
            dynamo=dynamo,
            verbose=False,
            **options,
        )
    x = data.test_x[:STORED]
    with torch.no_grad():
        outputs = model(torch.from_numpy(x).to(kind)).numpy()
    batch = "fixed batch of 1" if fixed else "dynamic batch"
    shown = f"dynamo={dynamo}" + (", external_data=False" if dynamo and fixed else "")
    call = f"`torch.onnx.export({shown})`, {versions('torch', *PACKAGES[dynamo])}"
    given = x.astype(np.float64) if recipe.double else x
    y = data.test_y[:STORED]
    folder.add(file, f"{recipe.what}; {batch}", call, given, y, outputs)


def main() -> None:
    """Trains and exports everything."""
    torch.set_num_threads(1)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    folder = Folder("pytorch", __file__)
    for recipe in RECIPES:
        data = digits(recipe.shape)
        model = trained(recipe, data)
        kind = torch.float64 if recipe.double else torch.float32
        with torch.no_grad():
            predicted = model(torch.from_numpy(data.test_x).to(kind)).argmax(dim=1).numpy()
        print(f"{recipe.name}: accuracy {np.mean(predicted == data.test_y):.3f}")
        for dynamo in (False, True):
            export(recipe, model, folder, data, dynamo=dynamo, fixed=False)
            if recipe.fixed:
                export(recipe, model, folder, data, dynamo=dynamo, fixed=True)
    folder.close()


if __name__ == "__main__":
    main()
