"""Networks, input sets and points of them, and what every bound is held to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np
import onnx

from onnx_lippa.arrays import Float64
from onnx_lippa.bounds.margins import bound_margins
from onnx_lippa.bounds.pre_activations import Bounds, BoundsMethod, bound_pre_activations
from onnx_lippa.clock import NEVER
from onnx_lippa.ir.algebra import NumpyAlgebra
from onnx_lippa.ir.layers import PiecewiseLayer
from onnx_lippa.ir.network import Network
from onnx_lippa.spec import L1, L2, InputSet, LInf, Norm, StatedSet, WeightedNorm
from tests.support.graphs import graph_model, load_model, node, normal
from tests.support.networks import family

NORMS = ("linf", "l1", "l2", "scaled linf", "scaled l1", "scaled l2")
ALGEBRA = NumpyAlgebra()


def interval_bounds(
    network: Network, inputs: Sequence[StatedSet], deadline: float = NEVER
) -> Bounds:
    return bound_pre_activations(network, inputs, BoundsMethod.INTERVAL, None, deadline)


def linear_bounds(
    network: Network,
    inputs: Sequence[StatedSet],
    known: Bounds | None = None,
    deadline: float = NEVER,
) -> Bounds:
    return bound_pre_activations(network, inputs, BoundsMethod.LINEAR, known, deadline)


def interval_margins(network, inputs, unsafe, bounds=None, deadline=NEVER) -> list[Float64]:
    """The margins that intervals prove, as numbers."""
    method = BoundsMethod.INTERVAL
    found = bound_margins(network, inputs, unsafe, method, bounds, deadline)
    return [proven.bounds for proven in found]


def linear_margins(network, inputs, unsafe, bounds=None, deadline=NEVER) -> list[Float64]:
    """The margins that linear bounds prove, as numbers."""
    found = bound_margins(network, inputs, unsafe, BoundsMethod.LINEAR, bounds, deadline)
    return [proven.bounds for proven in found]


def norm_for(name: str, generator: np.random.Generator, d: int) -> Norm:
    """The norm of this name; a scaled one has random units, one of them 0."""
    inner = {"linf": LInf(), "l1": L1(), "l2": L2()}[name.rpartition(" ")[2]]
    if not name.startswith("scaled"):
        return inner
    units = generator.uniform(0.2, 2.0, d)
    units[generator.integers(d)] = 0.0
    return WeightedNorm(inner, units)


def random_sets(seed: int, d: int, name: str, count: int, largest: float = 0.5) -> list[InputSet]:
    """Balls around random centres in a box that cuts some of them; one feature of it is fixed."""
    generator = np.random.default_rng([seed, d, count, *name.encode()])
    sets = []
    for _ in range(count):
        center = generator.uniform(-0.2, 1.0, d).astype(np.float32).astype(np.float64)
        lower, upper = center - generator.uniform(0, 0.4, d), center + generator.uniform(0, 0.4, d)
        fixed = generator.integers(d)
        lower[fixed] = upper[fixed] = center[fixed]
        eps = float(generator.uniform(0.0, largest)) * (1 if name.endswith("linf") else d**0.5)
        sets.append(InputSet(center, norm_for(name, generator, d), eps, lower, upper))
    return sets


def points_of(inputs: InputSet, network: Network, seed: int, count: int) -> Float64:
    """Random points, far out ones, and those where some outputs are least nearby; (., d)."""
    generator = np.random.default_rng([seed, inputs.size])
    far = [inputs.norm.sample_extreme(generator, inputs.size) for _ in range(count // 2)]
    tried = inputs.center + inputs.eps * np.array(far)
    v = generator.normal(size=(16, network.output_size))
    _, costs = network.value_and_gradient(np.repeat(inputs.center[None], 16, axis=0), v)
    corners = [
        inputs.norm.minimize_linear(cost, inputs.center, inputs.eps, inputs.lower, inputs.upper)
        for cost in costs
    ]
    parts = [inputs.center[None], inputs.sample(generator, count - len(far))]
    return np.concatenate([*parts, inputs.project(tried), inputs.project(np.array(corners))])


def operands(network: Network, x: Float64) -> list[Float64]:
    """What the piecewise layers take at points (n, d), in network order."""
    values = network.values(x)
    return [
        values[step.inputs[0]] for step in network.steps if isinstance(step.layer, PiecewiseLayer)
    ]


def assert_contain(bounds: Bounds, row: int, network: Network, x: Float64) -> None:
    """No value of any piecewise layer at points (n, d) escapes the bounds of one input set."""
    taken = operands(network, x)
    assert len(taken) == len(bounds.lower) == len(bounds.upper)
    for layer, value in enumerate(taken):
        lower, upper = bounds.lower[layer][row], bounds.upper[layer][row]
        assert lower.shape == upper.shape == value.shape[1:]
        assert np.all(value >= lower), f"layer {layer}: {np.max(lower - value)} below"
        assert np.all(value <= upper), f"layer {layer}: {np.max(value - upper)} above"


def assert_within(tight: Bounds, loose: Bounds) -> None:
    """Nowhere looser, but for rounding."""
    for layer in range(len(loose.lower)):
        mine, theirs = tight.interval(layer), loose.interval(layer)
        room = 1e-13 * np.max(theirs.size, initial=0.0)
        assert np.all(mine.lower >= theirs.lower - room)
        assert np.all(mine.upper <= theirs.upper + room)


def _graph(*nodes: onnx.NodeProto, sample: Sequence[int] = (4,), **constants: np.ndarray):
    last = nodes[-1].output[0]
    return lambda: (
        load_model(
            graph_model(
                [*nodes, node("Flatten", last, "flat"), node("Relu", "flat", "y")],
                sample,
                constants,
            )
        ).network
    )


DENSE = {"w": normal(1, 4, 6), "c": 0.3 * normal(2, 6), "v": normal(3, 6, 5)}
FIRST = node("Gemm", "x w c", "a")
IMAGE = {"k": normal(4, 3, 1, 3, 3), "b": 0.2 * normal(5, 3)}
CONV = node("Conv", "x k b", "a", pads=[1, 1, 1, 1])
SLOPES = np.array([-0.7, 0.0, 0.3, 1.0, 1.8, -2.0], np.float32)

KINDS: dict[str, Callable[[], Network]] = {
    "LeakyRelu": _graph(
        FIRST, node("LeakyRelu", "a", "z", alpha=0.3), node("MatMul", "z v", "o"), **DENSE
    ),
    "steep LeakyRelu": _graph(
        FIRST, node("LeakyRelu", "a", "z", alpha=2.5), node("MatMul", "z v", "o"), **DENSE
    ),
    "PRelu": _graph(
        FIRST, node("PRelu", "a s", "z"), node("MatMul", "z v", "o"), s=SLOPES, **DENSE
    ),
    "Abs": _graph(FIRST, node("Abs", "a", "z"), node("MatMul", "z v", "o"), **DENSE),
    "Clip": _graph(
        FIRST,
        node("Clip", "a l u", "z"),
        node("MatMul", "z v", "o"),
        l=np.float32(-0.2),
        u=np.float32(0.7),
        **DENSE,
    ),
    "HardSigmoid": _graph(
        FIRST, node("HardSigmoid", "a", "z", alpha=0.6), node("MatMul", "z v", "o"), **DENSE
    ),
    "Max": _graph(
        FIRST,
        node("MatMul", "x w", "b"),
        node("Neg", "b", "n"),
        node("Max", "a n t", "z"),
        node("MatMul", "z v", "o"),
        t=0.5 * normal(6, 6),
        **DENSE,
    ),
    "ReduceMax": _graph(
        FIRST,
        node("Reshape", "a r", "m"),
        node("ReduceMax", "m", "z", axes=[1], keepdims=0),
        node("Relu", "z", "o"),
        r=np.array([-1, 3, 2]),
        **DENSE,
    ),
    "MaxPool": _graph(
        CONV,
        node("MaxPool", "a", "z", kernel_shape=[2, 2], strides=[2, 2]),
        node("Relu", "z", "o"),
        sample=(1, 4, 4),
        **IMAGE,
    ),
    "overlapping MaxPool": _graph(
        CONV,
        node("Relu", "a", "r"),
        node("MaxPool", "r", "o", kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1]),
        sample=(1, 4, 4),
        **IMAGE,
    ),
    "Where": _graph(
        FIRST,
        node("MatMul", "x w", "b"),
        node("Greater", "a t", "g"),
        node("Where", "g a b", "z"),
        node("MatMul", "z v", "o"),
        t=np.float32(0.1),
        **DENSE,
    ),
}
"""One network for each kind of piecewise layer, two or three of them deep."""


def _member(name: str) -> Network:
    return family(0)[name]


def networks() -> dict[str, Callable[[], Network]]:
    """All small networks by name."""
    found = dict(KINDS)
    for name in family(0):
        found[name] = partial(_member, name)
    return found


NETWORKS = networks()


@cache
def network_named(name: str) -> Network:
    return NETWORKS[name]()
