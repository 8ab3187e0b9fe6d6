"""Exact least distances of networks with one hidden layer: every pattern, one program each."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import clarabel
import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from tests.support.graphs import graph_model, node, saved

Layer = tuple[np.ndarray, np.ndarray]


def one_hidden_layer(seed: int) -> list[Layer]:
    """Random weights (inputs, outputs) and biases: 2 to 4 inputs, 2 to 6 units, 2 to 4 classes."""
    generator = np.random.default_rng([31, seed])
    d, hidden, k = (int(generator.integers(2, most)) for most in (5, 7, 5))
    return [
        (generator.normal(size=(d, hidden)).astype(np.float32),
         0.5 * generator.normal(size=hidden).astype(np.float32)),
        (generator.normal(size=(hidden, k)).astype(np.float32),
         0.3 * generator.normal(size=k).astype(np.float32)),
    ]  # fmt: skip


def layers_file(folder: Path, layers: list[Layer], name: str = "model.onnx") -> Path:
    """Two dense layers with a ReLU between them as an ONNX file."""
    constants: dict[str, np.ndarray] = {}
    for place, (weight, bias) in enumerate(layers):
        constants |= {f"w{place}": weight, f"b{place}": bias.astype(np.float32)}
    nodes = [
        node("Gemm", "x w0 b0", "a"), node("Relu", "a", "r"), node("Gemm", "r w1 b1", "y")
    ]  # fmt: skip
    return saved(graph_model(nodes, (len(layers[0][0]),), constants), folder, name)


def least_distance(norm: str, x: np.ndarray, label: int, layers: list[Layer]) -> float:
    """Distance to the nearest point of [0, 1]^d of another class; infinite without one."""
    (w, b), (v, c) = ([part.astype(np.float64) for part in layer] for layer in layers)
    least = np.inf
    for pattern in product([0.0, 1.0], repeat=len(b)):
        on = np.array(pattern)
        sign = np.where(on > 0, -1.0, 1.0)
        faces, limits = (w * sign).T, -(b * sign)
        matrix, offset = (w * on) @ v, (b * on) @ v + c
        for j in range(len(c)):
            if j != label:
                row = (matrix[:, label] - matrix[:, j])[None]
                rows = np.vstack([faces, row]), np.append(limits, offset[j] - offset[label])
                least = min(least, _nearest(norm, x.astype(np.float64), *rows))
    return float(least)


def _nearest(norm: str, x: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """``min ||z - x||`` over ``a z <= b`` and the unit box."""
    d = len(x)
    if norm == "l2":
        sides = sp.csc_matrix(np.vstack([a, np.eye(d), -np.eye(d)]))
        limits = np.concatenate([b, np.ones(d), np.zeros(d)])
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-11
        result = clarabel.DefaultSolver(
            sp.csc_matrix(2 * np.eye(d)), -2 * x, sides, limits,
            [clarabel.NonnegativeConeT(len(limits))], settings,
        ).solve()  # fmt: skip
        return float(np.linalg.norm(result.x - x)) if "Solved" in str(result.status) else np.inf
    lengths = 1 if norm == "linf" else d
    spread = -np.ones((d, 1)) if norm == "linf" else -np.eye(d)
    left = np.block([[a, np.zeros((len(a), lengths))], [np.eye(d), spread], [-np.eye(d), spread]])
    cost = np.concatenate([np.zeros(d), np.ones(lengths)])
    bounds = [(0, 1)] * d + [(0, None)] * lengths
    found = linprog(cost, A_ub=left, b_ub=np.concatenate([b, x, -x]), bounds=bounds)
    return float(found.fun) if found.status == 0 else np.inf
