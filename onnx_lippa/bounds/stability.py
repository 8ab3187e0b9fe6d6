"""How many units of a network are stable over an input set (paper, section 4.1).

Bounds prove some units active or inactive throughout the set; the others are unstable as far as is
known. Points of the set show which units do change their piece, and in how many linear regions the
points lie. So the number n_U of truly unstable units lies between the two counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from onnx_lippa.arrays import AnyArray, Float64
from onnx_lippa.bounds.interval import bound_states
from onnx_lippa.bounds.pre_activations import Bounds, BoundsMethod, bound_pre_activations
from onnx_lippa.ir.algebra import NumpyAlgebra
from onnx_lippa.ir.layers import PiecewiseLayer
from onnx_lippa.ir.layers.reduce_max import ReduceMax
from onnx_lippa.ir.network import Network
from onnx_lippa.ir.passes import read_states
from onnx_lippa.spec import InputSet, StatedSet

_ALGEBRA: Final = NumpyAlgebra()
_POINTS_AT_ONCE: Final = 256
"""Points whose states are computed in one pass."""
_INWARD: Final = 1e-12
"""Share of its distance by which a point is moved inward."""
_INPUTS_AT_ONCE: Final = 32
"""Input sets whose bounds are computed together."""


@dataclass(frozen=True)
class ProvenUnits:
    """The units of a network over one input set, as far as bounds prove.

    Attributes:
        active: units always above their kink.
        inactive: units always below it.
        decided: maxima attained by one entry throughout.
        unstable: all other units.
    """

    active: int
    inactive: int
    decided: int
    unstable: int


@dataclass(frozen=True)
class SampledUnits:
    """The units of a network, as sampled points of one input set show them.

    Attributes:
        points: number of points, the clean input among them.
        unstable: units that change their piece between them.
        regions: number of different activation patterns; 1 for a network without units.
    """

    points: int
    unstable: int
    regions: int


@dataclass(frozen=True)
class Stability:
    """The units of a network over one input set; ``sampled.unstable <= proven.unstable``.

    Attributes:
        index: index of the clean input in the data.
        proven: the units by bounds.
        sampled: the units by points.
    """

    index: int
    proven: ProvenUnits
    sampled: SampledUnits


def measure_stability(
    network: Network,
    inputs: Sequence[InputSet],
    indices: Sequence[int],
    method: BoundsMethod,
    samples: int,
    seed: int,
) -> Iterator[Stability]:
    """Proven and sampled stability of several input sets, one after another.

    Args:
        network: the network.
        inputs: n input sets with finite radii, all of one norm.
        indices: (n,) their indices in the data.
        method: how pre-activations are bounded.
        samples: points drawn from each set, half of them far out.
        seed: of the random numbers.

    Raises:
        BoundsTooLargeError: the bounds do not fit into memory.
    """
    for start in range(0, len(inputs), _INPUTS_AT_ONCE):
        chosen = slice(start, start + _INPUTS_AT_ONCE)
        stated = [
            StatedSet(one.center, one.norm, one.eps, one.lower, one.upper) for one in inputs[chosen]
        ]
        bounds = bound_pre_activations(network, stated, method)
        for row, (one, index) in enumerate(zip(inputs[chosen], indices[chosen], strict=True)):
            generator = one.generator(seed, "regions")
            points = points_within(one, samples, generator)
            yield Stability(
                index, count_proven(network, bounds, row), count_sampled(network, points)
            )


def count_proven(network: Network, bounds: Bounds, row: int) -> ProvenUnits:
    """Counts the units by bounds of one input set, given by its row."""
    layers = [step.layer for step in network.steps if isinstance(step.layer, PiecewiseLayer)]
    active, inactive, decided, unstable = 0, 0, 0, 0
    for number, layer in enumerate(layers):
        states = bound_states(layer, bounds.take(slice(row, row + 1)).interval(number))
        fixed = states.lower == states.upper
        unstable += int(np.count_nonzero(~fixed))
        if isinstance(layer, ReduceMax):
            decided += int(np.count_nonzero(fixed))
        else:
            active += int(np.count_nonzero(fixed & (states.lower != 0)))
            inactive += int(np.count_nonzero(fixed & (states.lower == 0)))
    return ProvenUnits(active, inactive, decided, unstable)


def points_within(inputs: InputSet, samples: int, generator: np.random.Generator) -> Float64:
    """The clean input and points of its set, (1 + samples, d).

    Half are spread over the set, half lie far out on its ball. Rounding may leave a projection an
    ulp outside, so all are moved inward by a tiny share of their distance.
    """
    far = samples // 2
    outer = np.array([inputs.norm.sample_extreme(generator, inputs.size) for _ in range(far)])
    tried = np.concatenate(
        [
            inputs.sample(generator, samples - far),
            inputs.project(inputs.center + inputs.eps * outer.reshape(far, inputs.size)),
        ]
    )
    inside = inputs.center + (1 - _INWARD) * (tried - inputs.center)
    return np.concatenate([inputs.center[None], np.clip(inside, inputs.lower, inputs.upper)])


def count_sampled(network: Network, points: Float64) -> SampledUnits:
    """Counts units that change their piece, and patterns, over points (m, d); m >= 1."""
    first: list[AnyArray] | None = None
    changed: list[AnyArray] = []
    patterns: set[bytes] = set()
    for start in range(0, len(points), _POINTS_AT_ONCE):
        states = _states(network, points[start : start + _POINTS_AT_ONCE])
        if first is None:
            first = [state[:1] for state in states]
            changed = [np.zeros(state.shape[1:], bool) for state in states]
        changed = [
            known | np.any(now != before, axis=0)
            for known, now, before in zip(changed, states, first, strict=True)
        ]
        rows = [state.reshape(len(state), -1).view(np.uint8) for state in states]
        patterns.update(b"".join(row.tobytes() for row in one) for one in zip(*rows, strict=True))
    unstable = sum(int(np.count_nonzero(change)) for change in changed)
    return SampledUnits(len(points), unstable, max(1, len(patterns)))


def _states(network: Network, points: Float64) -> list[AnyArray]:
    """The states of all piecewise-linear layers at points (m, d)."""
    states = read_states(_ALGEBRA, network.steps, network.values(points))
    return [np.ascontiguousarray(state) for state in states if state is not None]
