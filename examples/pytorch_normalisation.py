"""A PyTorch export with its normalisation inside the file, and outside: the same verdicts.

Radii are in the space of the pixels both times. Where the file lacks the normalisation,
``preprocess=`` puts it in front, and every witness is replayed through both.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

import onnx_lippa

MEAN, STD = 0.305, 0.376
"""Of the pixels of the training images."""


class Normalise(nn.Module):
    """Pixels in [0, 1] as the network wants them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(x - mean) / std."""
        return (x - MEAN) / STD


def train(x: torch.Tensor, y: torch.Tensor) -> nn.Module:
    """A small network of normalised pixels."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU())
    network.append(nn.Linear(24, 10))
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(150):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(Normalise()(x)), y).backward()
        optimiser.step()
    return network.eval()


def export(module: nn.Module, path: Path) -> Path:
    """The one line, with a batch axis of any extent."""
    torch.onnx.export(
        module.eval(), (torch.zeros(2, 64),), path, dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},), external_data=False, verbose=False,
    )  # fmt: skip
    return path


def main() -> None:
    """Trains, exports twice, audits both files, and takes the witnesses back to PyTorch."""
    _, x, y = onnx_lippa.load_example()
    network = train(torch.tensor(x[40:]), torch.tensor(y[40:]))
    x, y = x[:40], y[:40]
    with tempfile.TemporaryDirectory() as folder:
        inside = export(nn.Sequential(Normalise(), network), Path(folder) / "inside.onnx")
        outside = export(network, Path(folder) / "outside.onnx")
        first = onnx_lippa.audit(inside, x, y, eps=0.03)
        second = onnx_lippa.audit(
            outside, x, y, eps=0.03, preprocess=onnx_lippa.Preprocess(mean=MEAN, std=STD)
        )
    print("normalisation inside: ", first)
    print("normalisation outside:", second)
    assert first.verdicts == second.verdicts

    # Arrays out: what broke the file breaks the original.
    for results in (first, second):
        broken = torch.tensor(results.adversarials[results.success])
        predicted = network(Normalise()(broken)).argmax(dim=1).numpy()
        misled = predicted != y[results.success]
        print(f"{misled.sum()} of {len(broken)} adversarial examples mislead the PyTorch model")
        assert np.mean(misled) > 0.9  # scores that are nearly equal may round the other way


if __name__ == "__main__":
    main()
