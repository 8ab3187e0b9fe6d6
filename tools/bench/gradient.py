"""Value and gradient: ours in ONNX Runtime and in NumPy, PyTorch's, and a forward pass."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import torch

from onnx_lippa.onnx_io import load
from tools.bench.common import header, medians, row
from tools.bench.torch_networks import torch_module


def add_arguments(parser: ArgumentParser) -> None:
    """The options of the table."""
    parser.add_argument("model", type=Path, nargs="+", metavar="MODEL.onnx")
    parser.add_argument("--batch", type=int, default=900)
    parser.add_argument("--repeats", type=int, default=15)


def run(options: Namespace) -> None:
    """Prints the table."""
    header(
        "model", "forward (ONNX Runtime), ms", "compiled gradient, ms", "PyTorch gradient, ms",
        "NumPy float64 gradient, ms", "compiled / forward", "PyTorch / compiled",
    )  # fmt: skip
    for path in options.model:
        times = gradient_times(path, options.batch, options.repeats)
        names = ("forward", "compiled", "torch", "numpy")
        row(
            path.stem, *(f"{times[name]:.1f}" for name in names),
            f"{times['compiled'] / times['forward']:.1f}",
            f"{times['torch'] / times['compiled']:.1f}",
        )  # fmt: skip


def gradient_times(path: Path, n: int, repeats: int) -> dict[str, float]:
    """Median milliseconds of one value and gradient of a batch of n, and of a forward pass."""
    torch.set_num_threads(2)
    model, module = load(path, threads=2), torch_module(path)
    generator = np.random.default_rng(0)
    x = generator.random((n, model.network.input_size), dtype=np.float32)
    v = generator.standard_normal((n, model.network.output_size)).astype(np.float32)
    weight = torch.from_numpy(v)

    def with_torch() -> None:
        at = torch.from_numpy(x.reshape(n, *model.network.input_shape)).requires_grad_()
        (module(at) * weight).sum().backward()

    x64, v64 = x.astype(np.float64), v.astype(np.float64)
    return medians(
        {
            "forward": lambda: model.runtime.forward(x),
            "compiled": lambda: model.gradient.value_and_gradient(x, v),
            "torch": with_torch,
            "numpy": lambda: model.network.value_and_gradient(x64, v64),
        },
        repeats,
    )
