"""Figure 4 and Table 1: linear regions in the ball by number of samples, and unstable ReLUs.

Samplers, each of points of the box ``[x - eps, x + eps]`` clipped to the images' own [0, 1]:

- *paper*: a third uniform in the box, the same moved to its surface on the other side of the clean
  image, and the corners in their direction.
- *uniform*: uniform in the box alone.
- *faces*: on a random face of each dimension: every pixel is at a bound with probability q, uniform
  otherwise, where q itself is uniform, so that faces of all dimensions and corners occur.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

from onnx_lippa import regions
from onnx_lippa.arrays import Float64
from onnx_lippa.bounds.stability import count_sampled
from tools.bench.paper.setting import Cell, Network, Setting

EPS = 0.05
SAMPLES = (192, 384, 768, 1536, 3072, 6144)
FAMILY = ("NOR_MLP_B", "ADV_MLP_B_0.1", "LPD_MLP_B_0.2")


def sample_uniform(generator: np.random.Generator, count: int, d: int) -> Float64:
    """Points of the unit box."""
    return generator.uniform(-1.0, 1.0, size=(count, d))


def sample_as_paper(generator: np.random.Generator, count: int, d: int) -> Float64:
    """A third in the box, a third on its surface on the other side, a third of corners."""
    inner = sample_uniform(generator, count // 3, d)
    surface = -inner / np.abs(inner).max(axis=1, keepdims=True)
    return np.concatenate([inner, surface, np.sign(inner)])


def sample_faces(generator: np.random.Generator, count: int, d: int) -> Float64:
    """Points of faces of all dimensions, corners among them."""
    points = sample_uniform(generator, count, d)
    shares = generator.uniform(size=(count, 1))
    shares[: count // 8] = 1.0  # corners
    return np.where(generator.uniform(size=(count, d)) < shares, np.sign(points), points)


SAMPLERS: dict[str, Callable[[np.random.Generator, int, int], Float64]] = {
    "paper": sample_as_paper,
    "uniform": sample_uniform,
    "faces": sample_faces,
}


@dataclass(frozen=True)
class Found:
    """What points of one ball show.

    Attributes:
        regions: regions by number of samples.
        unstable: ReLUs that the largest number of samples shows unstable.
    """

    regions: tuple[int, ...]
    unstable: int


def make(setting: Setting) -> None:
    """Draws regions against samples, and writes Table 1."""
    networks = [one for one in setting.networks() if one.published is None or one.name in FAMILY]
    samples = SAMPLES[: setting.few(len(SAMPLES), 3)]
    figure, axes = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
    curves = setting.begin("figure4", "network", "sampler", "samples", "regions, mean")
    last: list[tuple[Cell, ...]] = []
    for colour, network in enumerate(networks):
        found = {name: measure(setting, network, name, samples) for name in SAMPLERS}
        for style, (name, each) in zip(("-", ":", "--"), found.items(), strict=True):
            means = np.mean([one.regions for one in each], axis=0)
            label = f"{network.name}, {name}"
            axes.plot(samples, means, style, color=f"C{colour}", marker="o", ms=3, label=label)
            for n, mean in zip(samples, means, strict=True):
                curves.add(network.name, name, n, float(mean))
        proven = prove_unstable(setting, network, len(found["paper"]))
        for name, each in found.items():
            unstable = np.array([one.unstable for one in each])
            last.append((
                network.name, name, samples[-1], float(unstable.mean()),
                f"2^{unstable.mean():.1f}", float(np.log10(2.0) * unstable.mean()),
                float(np.mean([one.regions[-1] for one in each])),
                float(np.mean([one.regions[-1] / samples[-1] for one in each])), proven,
            ))  # fmt: skip
    axes.plot(samples, samples, color="grey", lw=0.7, label="every sample another region")
    axes.set(xlabel="samples in the ball (eps 0.05)", ylabel="linear regions found",
             xscale="log", yscale="log")  # fmt: skip
    axes.set_xticks(samples, [str(n) for n in samples])
    axes.minorticks_off()
    axes.legend(
        frameon=False, handlelength=3, fontsize=6.5, loc="upper left", bbox_to_anchor=(1, 1)
    )
    setting.draw("figure4", figure)
    print()
    table = setting.begin(
        "table1", "network", "sampler", "samples", "unstable ReLUs n_U", "2^n_U", "log10 of it",
        "distinct regions", "regions per sample", "n_U at most, proven",
    )  # fmt: skip
    for cells in last:
        table.add(*cells)


def measure(
    setting: Setting, network: Network, sampler: str, samples: tuple[int, ...]
) -> list[Found]:
    """What each ball of a network shows. More samples contain the fewer ones."""
    model = network.load()
    x, _ = setting.images(network, model, setting.few(100, 5))
    found = []
    for number, image in enumerate(x.reshape(len(x), -1).astype(np.float64)):
        generator = np.random.default_rng([0, number])
        counts, points, before = [], np.empty((0, image.size)), 0
        for count in samples:
            drawn = SAMPLERS[sampler](generator, count - before, image.size)
            points = np.concatenate([points, np.clip(image + EPS * drawn, 0.0, 1.0)])
            before = count
            last = count_sampled(model.network, points)
            counts.append(last.regions)
        found.append(Found(tuple(counts), last.unstable))
    return found


def prove_unstable(setting: Setting, network: Network, count: int) -> float:
    """Mean number of ReLUs that linear bounds leave unstable."""
    model = network.load()
    x, _ = setting.images(network, model, count)
    each = regions(model, x, eps=EPS, samples=0)
    return float(np.mean([one.proven.unstable for one in each]))
