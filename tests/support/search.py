"""Small reduced networks, and what brute force says of them."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
from scipy.optimize import linprog

from onnx_lippa.arrays import Float64
from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.spec import Conjunction


def random_system(
    generator: np.random.Generator, d: int, blocks: tuple[int, ...], k: int = 3
) -> ReducedNetwork:
    """A reduced network whose bounds are those of interval arithmetic, decided units included."""
    units = sum(blocks)
    starts = tuple(int(s) for s in np.concatenate([[0], np.cumsum(blocks)]))
    middle = generator.uniform(-0.5, 0.5, d)
    radius = generator.uniform(0.2, 0.6, d)
    on_input = generator.normal(size=(units, d))
    on_units = np.zeros((units, units))
    for first, end in pairwise(starts):
        on_units[first:end, :first] = generator.normal(size=(end - first, first))
    offset = 0.4 * generator.normal(size=units)
    lower, upper = np.empty(units), np.empty(units)
    for first, end in pairwise(starts):
        rows, on_z = on_input[first:end], on_units[first:end, :first]
        low, high = np.maximum(lower[:first], 0), np.maximum(upper[:first], 0)
        center, width = rows @ middle + offset[first:end], np.abs(rows) @ radius
        plus, minus = np.maximum(on_z, 0), np.minimum(on_z, 0)
        lower[first:end] = center - width + plus @ low + minus @ high
        upper[first:end] = center + width + plus @ high + minus @ low
    domain = InputDomain(middle, np.arange(d), middle - radius, middle + radius)
    return ReducedNetwork(
        domain, on_input, on_units, offset, starts, lower, upper,
        generator.normal(size=(k, d)), generator.normal(size=(k, units)),
        generator.normal(size=k), np.arange(units),
    )  # fmt: skip


def least_margin(reduced: ReducedNetwork, disjunct: Conjunction) -> float:
    """``min max_i (A_i f(x) - b_i)`` by one linear program for each of the 2^units patterns."""
    d, units = reduced.inputs, reduced.units
    best = np.inf
    for pattern in product((0, 1), repeat=units):
        best = min(best, _in_pattern(reduced, disjunct, np.array(pattern), d, units))
    return best


def _in_pattern(
    reduced: ReducedNetwork, disjunct: Conjunction, pattern: np.ndarray, d: int, units: int
) -> float:
    # Everything as rows @ x + constants, the units eliminated one after the other.
    z = np.zeros((units, d + 1))
    faces: list[Float64] = []
    for j in range(units):
        z_hat = np.append(reduced.on_input[j], reduced.offset[j]) + reduced.on_units[j] @ z
        faces.append(-z_hat if pattern[j] else z_hat)
        z[j] = z_hat if pattern[j] else 0.0
    outputs = np.hstack([reduced.outputs_on_input, reduced.outputs_offset[:, None]])
    margins = disjunct.matrix @ (outputs + reduced.outputs_on_units @ z)
    margins[:, -1] -= disjunct.bound
    upper = np.array([*(np.append(f[:-1], 0.0) for f in faces),
                      *(np.append(m[:-1], -1.0) for m in margins)])  # fmt: skip
    right = np.array([*(-f[-1] for f in faces), *(-m[-1] for m in margins)])
    bounds = [*zip(reduced.lower, reduced.upper, strict=True), (None, None)]
    solved = linprog(np.append(np.zeros(d), 1.0), upper, right, bounds=bounds)
    return float(solved.fun) if solved.status == 0 else np.inf


def disjuncts_of(
    generator: np.random.Generator, k: int, rows: tuple[int, ...], shift: float
) -> list[Conjunction]:
    """Random conjunctions; the shift makes them rarer."""
    return [
        Conjunction(generator.normal(size=(m, k)), generator.normal(size=m) - shift) for m in rows
    ]
