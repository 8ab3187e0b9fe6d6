"""Random small systems, and their optima by one linear program for every pattern."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import scipy.optimize

from onnx_lippa.bounds.domain import InputDomain
from onnx_lippa.bounds.reduced_network import ReducedNetwork
from onnx_lippa.ir.pattern import ACTIVE, INACTIVE, UNDECIDED
from onnx_lippa.spec import Conjunction, InputSet
from onnx_lippa.spec.norms.base import Norm
from onnx_lippa.spec.norms.linf import LInf


def input_set_of(norm: Norm, center: np.ndarray, eps: float) -> InputSet:
    return InputSet(center, norm, eps, np.full(center.size, -2.0), np.full(center.size, 2.0))


def random_system(
    generator: np.random.Generator,
    d: int = 2,
    blocks: tuple[int, ...] = (3, 3),
    norm: Norm | None = None,
    eps: float = 0.7,
) -> tuple[ReducedNetwork, InputSet]:
    """A random system with bounds by interval arithmetic, and its input set."""
    units, k = sum(blocks), 3
    center = np.round(generator.uniform(-1, 1, d), 2)
    inputs = input_set_of(norm or LInf(), center, eps)
    domain = InputDomain.of(inputs)
    starts = (0, *np.cumsum(blocks).tolist())
    on_input = generator.normal(size=(units, d))
    on_units = np.zeros((units, units))
    for first, end in itertools.pairwise(starts):
        on_units[first:end, :first] = generator.normal(size=(end - first, first))
    offset = -on_input @ center + 0.5 * generator.normal(size=units)
    lower, upper = np.zeros(units), np.zeros(units)
    for i in range(units):
        z_low, z_high = np.maximum(lower[:i], 0), np.maximum(upper[:i], 0)
        row = np.concatenate([on_input[i], on_units[i, :i]])
        low, high = np.append(domain.lower, z_low), np.append(domain.upper, z_high)
        positive, negative = np.maximum(row, 0), np.minimum(row, 0)
        lower[i] = positive @ low + negative @ high + offset[i]
        upper[i] = positive @ high + negative @ low + offset[i]
    reduced = ReducedNetwork(
        domain, on_input, on_units, offset, starts, lower, upper,
        generator.normal(size=(k, d)), generator.normal(size=(k, units)),
        generator.normal(size=k), np.arange(units),
    )  # fmt: skip
    return reduced, inputs


def random_disjunct(generator: np.random.Generator, rows: int, shift: float = 0.0) -> Conjunction:
    """Some rows over three outputs."""
    return Conjunction(generator.normal(size=(rows, 3)), generator.normal(size=rows) - shift)


def pieces(
    reduced: ReducedNetwork, fixed: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, ...]]:
    """Of every choice of signs that agrees with ``fixed``: ẑ and f as maps of x, and the signs.

    Yields:
        (signs, rows of ẑ, offset of ẑ, rows of f, offset of f).
    """
    for signs in itertools.product((INACTIVE, ACTIVE), repeat=reduced.units):
        if fixed is not None and any(
            given not in (UNDECIDED, sign) for given, sign in zip(fixed, signs, strict=True)
        ):
            continue
        active = np.array(signs) == ACTIVE
        rows, offset = reduced.on_input.copy(), reduced.offset.copy()
        for i in range(reduced.units):
            weights = reduced.on_units[i, :i] * active[:i]
            rows[i] += weights @ rows[:i]
            offset[i] += weights @ offset[:i]
        mixed = reduced.outputs_on_units * active
        yield (
            np.array(signs), rows, offset,
            reduced.outputs_on_input + mixed @ rows, reduced.outputs_offset + mixed @ offset,
        )  # fmt: skip


def least_margin(
    reduced: ReducedNetwork,
    disjunct: Conjunction,
    inputs: InputSet,
    fixed: np.ndarray | None = None,
) -> float:
    """``min max_i (A f - b)_i`` over all patterns, over x, |x - center| and τ; inf if none is."""
    d, best = reduced.inputs, np.inf
    l1 = inputs.norm.order == 1
    for signs, rows, offset, f_rows, f_offset in pieces(reduced, fixed):
        sign = signs.astype(float)
        margins = disjunct.matrix @ f_rows
        a, b = _rows_over(d, sign, rows, offset, inputs)
        a = np.vstack([a, np.hstack([margins, np.zeros((len(margins), d)), -_ones(margins)])])
        b = np.append(b, disjunct.bound - disjunct.matrix @ f_offset)
        if l1:
            total = np.concatenate([np.zeros(d), np.ones(d), [0.0]])
            a, b = np.vstack([a, total]), np.append(b, inputs.eps)
        cost = np.zeros(2 * d + 1)
        cost[-1] = 1.0
        best = min(best, _optimum(cost, a, b, reduced))
    return best


def least_distance(reduced: ReducedNetwork, disjunct: Conjunction, inputs: InputSet) -> float:
    """The least distance at which every margin is at most 0, over all patterns."""
    d, best = reduced.inputs, np.inf
    for signs, rows, offset, f_rows, f_offset in pieces(reduced):
        sign = signs.astype(float)
        margins = disjunct.matrix @ f_rows
        a, b = _rows_over(d, sign, rows, offset, inputs)
        a = np.vstack([a, np.hstack([margins, np.zeros((len(margins), d + 1))])])
        b = np.append(b, disjunct.bound - disjunct.matrix @ f_offset)
        cost = np.concatenate([np.zeros(d), np.ones(d), [0.0]])
        if inputs.norm.order == np.inf:
            cost = np.zeros(2 * d + 1)
            cost[-1] = 1.0  # τ >= |x - center| of every feature
            most = np.hstack([np.zeros((d, d)), np.eye(d), -np.ones((d, 1))])
            a, b = np.vstack([a, most]), np.append(b, np.zeros(d))
        best = min(best, _optimum(cost, a, b, reduced))
    return best


def _ones(like: np.ndarray) -> np.ndarray:
    return np.ones((len(like), 1))


def _rows_over(
    d: int, sign: np.ndarray, rows: np.ndarray, offset: np.ndarray, inputs: InputSet
) -> tuple[np.ndarray, np.ndarray]:
    """``sign ẑ >= 0`` and ``|x - center| <= w`` over (x, w, τ), as ``a v <= b``."""
    identity, column = np.eye(d), np.zeros((d, 1))
    faces = np.hstack([-sign[:, None] * rows, np.zeros((len(rows), d + 1))])
    a = np.vstack(
        [
            faces,
            np.hstack([identity, -identity, column]),
            np.hstack([-identity, -identity, column]),
        ]
    )
    return a, np.concatenate([sign * offset, inputs.center, -inputs.center])


def _optimum(cost: np.ndarray, a: np.ndarray, b: np.ndarray, reduced: ReducedNetwork) -> float:
    bounds = [
        *zip(reduced.lower, reduced.upper, strict=True),
        *[(0, None)] * reduced.inputs,
        (None, None),
    ]
    result = scipy.optimize.linprog(cost, A_ub=a, b_ub=b, bounds=bounds)
    return float(result.fun) if result.status == 0 else np.inf
