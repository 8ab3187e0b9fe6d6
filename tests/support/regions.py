"""Input sets, regions and disjuncts for the LP engines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.pattern import ActivationPattern
from onnx_lippa.lp.region import LinearRegion
from onnx_lippa.spec import Conjunction, InputSet, Norm, UnsafeSet, get_norm

RADII = (0.01, 0.05, 0.1, 0.3)
_STRETCH = {"linf": lambda d: 1.0, "l1": float, "l2": lambda d: float(np.sqrt(d))}


@dataclass(frozen=True)
class RegionQuery:
    """A linear region that meets an input set, a point of both, and an unsafe disjunct."""

    inputs: InputSet
    region: LinearRegion
    point: Float64
    disjunct: Conjunction


def changed_units(one: ActivationPattern, other: ActivationPattern) -> int:
    """The Hamming distance of two patterns of one network."""
    pairs = zip(one.states, other.states, strict=True)
    return sum(int(np.count_nonzero(mine != theirs)) for mine, theirs in pairs)


def random_inputs(generator: np.random.Generator, norm: str, d: int, grid: bool) -> InputSet:
    """A ball in the unit box; on request its centre is where whole weights have their kinks."""
    center = generator.integers(0, 3, d) / 2 if grid else generator.uniform(0, 1, d)
    eps = float(generator.choice(RADII)) * _STRETCH[norm](d)
    stored = center.astype(np.float32).astype(np.float64)
    return InputSet(stored, get_norm(norm), eps, np.zeros(d), np.ones(d))


def points_of(generator: np.random.Generator, inputs: InputSet, count: int) -> Float64:
    """Random points (count, d) of ball and box, the centre first."""
    norm: Norm = inputs.norm
    shifts = np.stack([norm.sample(generator, inputs.size) for _ in range(count)])
    shifts[0] = 0.0
    return np.clip(inputs.center + inputs.eps * shifts, inputs.lower, inputs.upper)


def random_disjunct(generator: np.random.Generator, classes: int, rows: int) -> Conjunction:
    """A target class for one row, random inequalities for several."""
    if rows == 1:
        label, target = generator.choice(classes, 2, replace=False)
        return UnsafeSet.misclassification(int(label), classes, [int(target)]).disjuncts[0]
    return Conjunction(generator.normal(size=(rows, classes)), 0.3 * generator.normal(size=rows))


def region_queries(
    generator: np.random.Generator, network: Network, inputs: InputSet, regions: int, rows: int = 1
) -> Iterator[RegionQuery]:
    """Regions met by the ball, each with a random disjunct."""
    for point in points_of(generator, inputs, regions):
        region = LinearRegion.of(network, point)
        disjunct = random_disjunct(generator, network.output_size, rows)
        yield RegionQuery(inputs, region, point, disjunct)


def margin_at(disjunct: Conjunction, network: Network, x: Float64) -> float:
    """The network's own margin at one input."""
    return float(disjunct.margins(network.forward(x[None]))[0])


def patterns_of(network: Network, x: Float64) -> Float64:
    """The states of all units, one row for every input (n, d)."""
    values = network.values(x)
    return np.concatenate(
        [
            (values[step.inputs[0]] >= 0).reshape(len(x), -1)
            for step in network.steps
            if step.op in ("Relu", "LeakyRelu")
        ],
        axis=1,
    )
