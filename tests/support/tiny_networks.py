"""Tiny networks of small dyadic weights, random properties, and whether they can be met at all.

Truth is found by going through all activation patterns, a linear program each, over inputs that
may lack bounds.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy.optimize import linprog

from onnx_lippa.onnx_io import Model
from onnx_lippa.spec import Property
from onnx_lippa.spec.formula import And, Comparison
from tests.support.graphs import graph_model, load_model, node

CLEAR = 1e-6
"""Least margins nearer to 0 than this are no truth."""


@dataclass(frozen=True)
class Tiny:
    """Layers ``(weight (out, in), bias)``, with ReLUs between them."""

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]

    @property
    def inputs(self) -> int:
        return self.layers[0][0].shape[1]

    @property
    def outputs(self) -> int:
        return self.layers[-1][0].shape[0]

    def model(self) -> Model:
        nodes, constants, value = [], dict[str, np.ndarray](), "x"
        for i, (weight, bias) in enumerate(self.layers):
            constants |= {f"w{i}": weight.T.astype(np.float32), f"b{i}": bias.astype(np.float32)}
            last = i == len(self.layers) - 1
            nodes.append(node("MatMul", f"{value} w{i}", f"p{i}"))
            nodes.append(node("Add", f"p{i} b{i}", "y" if last else f"h{i}"))
            if not last:
                nodes.append(node("Relu", f"h{i}", f"r{i}"))
            value = f"r{i}"
        return load_model(graph_model(nodes, (self.inputs,), constants))


@dataclass(frozen=True)
class RandomProperty:
    """Bounds, infinite where there are none, and rows ``matrix @ y <= bound``."""

    lower: np.ndarray
    upper: np.ndarray
    matrix: np.ndarray
    bound: np.ndarray
    strict: bool

    def property(self) -> Property:
        one, parts = Fraction(1), []
        for i, (low, high) in enumerate(zip(self.lower, self.upper, strict=True)):
            if np.isfinite(low):
                parts.append(Comparison(((i, -one),), (), -Fraction(low)))
            if np.isfinite(high):
                parts.append(Comparison(((i, one),), (), Fraction(high)))
        for row, side in zip(self.matrix, self.bound, strict=True):
            terms = tuple((int(j), Fraction(row[j])) for j in np.flatnonzero(row))
            parts.append(Comparison((), terms, Fraction(side), self.strict))
        return Property.from_formula(And(tuple(parts)), self.lower.size, self.matrix.shape[1])


def dyadic(generator, shape, most=8):
    return generator.integers(-most, most + 1, shape) / 4.0


def tiny(generator) -> Tiny:
    hidden = [(3,), (4,), (2, 2), (3, 2)][generator.integers(4)]
    sizes = (int(generator.integers(1, 4)), *hidden, int(generator.integers(1, 3)))
    return Tiny(
        tuple(
            (dyadic(generator, (b, a)), dyadic(generator, b)) for a, b in itertools.pairwise(sizes)
        )
    )


def random_property(generator, network: Tiny, missing: float = 0.5) -> RandomProperty:
    d, k = network.inputs, network.outputs
    lower = dyadic(generator, d, 12)
    upper = lower + generator.integers(0, 20, d) / 4.0
    lower[generator.random(d) < missing] = -np.inf
    upper[generator.random(d) < missing] = np.inf
    rows = int(generator.integers(1, 3))
    matrix = generator.integers(-2, 3, (rows, k)).astype(float)
    matrix[:, 0] += matrix[:, 0] == 0
    bound = generator.integers(-80, 10, rows) / 4.0
    return RandomProperty(lower, upper, matrix, bound, bool(generator.integers(2)))


def least_margin(network: Tiny, wanted: RandomProperty) -> float:
    """``min max_i matrix_i @ y - bound_i``, -1 where it is less; infinite without any input."""
    hidden = [len(bias) for _, bias in network.layers[:-1]]
    best = np.inf
    for signs in itertools.product((0, 1), repeat=sum(hidden)):
        best = min(best, _on_pattern(network, wanted, np.split(signs, np.cumsum(hidden)[:-1])))
    return best


def _on_pattern(network: Tiny, wanted: RandomProperty, signs) -> float:
    d = network.inputs
    a, c = np.eye(d), np.zeros(d)
    rows, sides = [], []
    for (weight, bias), sign in zip(network.layers[:-1], map(np.asarray, signs), strict=True):
        a, c = weight @ a, weight @ c + bias
        flip = np.where(sign == 1, -1.0, 1.0)  # -ẑ <= 0 where active
        rows.append(flip[:, None] * a)
        sides.append(-flip * c)
        a, c = a * sign[:, None], c * sign
    weight, bias = network.layers[-1]
    a, c = wanted.matrix @ (weight @ a), wanted.matrix @ (weight @ c + bias)
    left = np.vstack([np.hstack([np.vstack(rows), np.zeros((sum(map(len, rows)), 1))]),
                      np.hstack([a, -np.ones((len(a), 1))])])  # fmt: skip
    right = np.concatenate([*sides, wanted.bound - c])
    lower, upper = np.append(wanted.lower, -1.0), np.append(wanted.upper, np.inf)
    bounds = np.stack([lower, upper], axis=1)
    found = linprog(np.eye(d + 1)[-1], left, right, bounds=bounds)
    return found.fun if found.status == 0 else np.inf
