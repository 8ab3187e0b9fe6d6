"""Proofs just inside and witnesses just outside the exact distance of small networks.

The distance is found by brute force: in every activation pattern a network is affine, and the
nearest unsafe point there is the solution of a small convex program.
"""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
import scipy.sparse as sp

from onnx_lippa.ending import Ending
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solvers.table import make_solver
from onnx_lippa.onnx_io import Model
from onnx_lippa.proofs import BranchAndBound
from onnx_lippa.spec import InputSpecification, Problem, Rows, UnsafeSet, get_norm
from onnx_lippa.state import Budget
from onnx_lippa.witness import Verdict
from tests.support.graphs import dense_model, label_of

Layers = list[tuple[np.ndarray, np.ndarray]]


def drawn(generator: np.random.Generator, sizes: tuple[int, ...]) -> Layers:
    return [
        (
            generator.normal(size=(a, b)).astype(np.float32).astype(np.float64),
            (0.4 * generator.normal(size=b)).astype(np.float32).astype(np.float64),
        )
        for a, b in pairwise(sizes)
    ]


def least_distance(
    layers: Layers, x: np.ndarray, label: int, norm: str, units: np.ndarray
) -> float:
    """Least ``||(x' - x) / units||`` with another class on top, over x' in [0, 1]^d."""
    hidden = [len(bias) for _, bias in layers[:-1]]
    best = np.inf
    for pattern in product((0, 1), repeat=sum(hidden)):
        # Every value is M x + c; faces are sign * (M x + c) >= 0.
        m, c, faces, first = np.eye(x.size), np.zeros(x.size), [], 0
        for (weight, bias), width in zip(layers, [*hidden, 0], strict=True):
            m, c = weight.T @ m, weight.T @ c + bias
            if width:
                on = np.array(pattern[first : first + width])
                sign = np.where(on == 1, 1.0, -1.0)
                faces += list(zip(sign[:, None] * m, sign * c, strict=True))
                m, c, first = m * on[:, None], c * on, first + width
        for j in range(len(c)):
            if j != label:
                rows = np.array([*(row for row, _ in faces), m[j] - m[label]])
                sides = np.array([*(side for _, side in faces), c[j] - c[label]])
                best = min(best, nearest(rows, sides, x, norm, units))
    return best


def nearest(
    rows: np.ndarray, sides: np.ndarray, x: np.ndarray, norm: str, units: np.ndarray
) -> float:
    """Least distance to ``rows @ x' + sides >= 0`` within [0, 1]^d."""
    measured = InputSpecification.build(x.size, eps=units).input_set(
        x.astype(np.float32), get_norm(norm)
    )
    embedding = measured.norm.epigraph(x, np.zeros(x.size), np.ones(x.size))
    unsafe = Rows(
        sp.csr_array(rows @ embedding.matrix), -sides - rows @ embedding.offset,
        np.full(len(rows), np.inf),
    )  # fmt: skip
    program = Program.over(embedding, embedding.rows.append(unsafe))
    found = make_solver("glop" if norm != "l2" else "clarabel").open(program).solve()
    if found.ending is not Ending.OPTIMAL:
        return np.inf
    point = embedding.offset + embedding.matrix @ found.values
    return float(measured.norm.distance(point, x))


def verdict(model: Model, x: np.ndarray, label: int, norm: str, eps: object) -> Verdict:
    inputs = InputSpecification.build(x.size, eps=eps).input_set(x, get_norm(norm))
    unsafe = UnsafeSet.misclassification(label, model.network.output_size)
    problem = Problem(0, inputs, unsafe, unsafe)
    (found,) = BranchAndBound().solve(model, [problem], Budget(20.0))
    assert found.verdict is not Verdict.UNKNOWN, found
    return found.verdict


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("hidden", [(), (1,), (5,), (3, 3)])
def test_the_exact_distance_parts_proofs_from_witnesses(hidden, norm, scaled):
    tried = 0
    for seed in range(12 if sum(hidden) < 4 else 5):
        generator = np.random.default_rng([seed, len(hidden), scaled])
        d = int(generator.integers(2, 6))
        layers = drawn(generator, (d, *hidden, 3))
        model = dense_model(layers)
        x = generator.uniform(0, 1, d)
        # Centres on faces of the box, where ball and box meet.
        x = np.where(generator.random(d) < 0.4, np.round(x), x).astype(np.float32)
        label = label_of(model, x)
        units = generator.uniform(0.3, 2.0, d) if scaled else np.ones(d)
        distance = least_distance(layers, x.astype(np.float64), label, norm, units)
        if not 1e-3 < distance < np.inf:
            continue
        tried += 1
        for share, right in ((0.999, Verdict.ROBUST), (1.001, Verdict.ADVERSARIAL)):
            eps = share * distance * units if scaled else share * distance
            assert verdict(model, x, label, norm, eps) is right, (seed, share, distance)
    assert tried >= 2
