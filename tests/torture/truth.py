"""Exact answers about tiny ReLU networks: every activation pattern is enumerated.

Weights are small multiples of 1/8, so that float32, float64 and real arithmetic agree on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import clarabel
import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from tests.support.graphs import graph_model, node, saved

Layers = Sequence[tuple[np.ndarray, np.ndarray]]
"""(weight (inputs, outputs), bias (outputs,)) of each layer, a ReLU between each two."""

FEASIBLE = -1e-9
"""Regions are closed: what only touches the box counts too, and does no harm."""


@dataclass(frozen=True)
class Piece:
    """One linear region: ``faces @ x <= sides``, and the outputs ``x @ weight + bias`` there."""

    faces: np.ndarray
    sides: np.ndarray
    weight: np.ndarray
    bias: np.ndarray


def random_layers(generator: np.random.Generator, sizes: Sequence[int], steps: int = 8) -> Layers:
    """A random network of these sizes."""
    layers = []
    for inputs, outputs in pairwise(sizes):
        weight = np.round(steps * generator.normal(size=(inputs, outputs))) / steps
        bias = np.round(steps * generator.normal(size=outputs) / 2) / steps
        layers.append((weight, bias))
    return layers


def file_of(layers: Layers, folder: Path, name: str = "model.onnx") -> Path:
    """The network as an ONNX file."""
    nodes, constants, value = [], {}, "x"
    for place, (weight, bias) in enumerate(layers):
        constants[f"w{place}"] = weight.astype(np.float32)
        constants[f"b{place}"] = bias.astype(np.float32)
        last = place == len(layers) - 1
        nodes.append(node("Gemm", f"{value} w{place} b{place}", "y" if last else f"pre{place}"))
        if not last:
            nodes.append(node("Relu", f"pre{place}", f"post{place}"))
            value = f"post{place}"
    return saved(graph_model(nodes, [layers[0][0].shape[0]], constants), folder, name)


def outputs_of(layers: Layers, x: np.ndarray) -> np.ndarray:
    """The outputs at points (n, d)."""
    for place, (weight, bias) in enumerate(layers):
        x = (x if place == 0 else np.maximum(x, 0)) @ weight + bias
    return x


def pieces(layers: Layers, lower: np.ndarray, upper: np.ndarray) -> Iterator[Piece]:
    """All linear regions that meet a box, whose sides may be infinite."""
    d = lower.size
    bounds = list(zip(lower, upper, strict=True))

    def is_open(faces: list[np.ndarray], sides: list[float]) -> bool:
        """Whether any point of the box meets the faces, but for rounding."""
        if not faces:
            return True
        rows = np.array(faces)
        norms = np.linalg.norm(rows, axis=1)[:, None]
        found = linprog(
            np.append(np.zeros(d), -1.0), np.hstack([rows, norms]), np.array(sides),
            bounds=[*bounds, (None, 1.0)],
        )  # fmt: skip
        return found.status == 0 and -found.fun >= FEASIBLE

    def split(
        place: int, unit: int, state: tuple[int, ...], weight: np.ndarray, bias: np.ndarray,
        faces: list[np.ndarray], sides: list[float],
    ) -> Iterator[Piece]:  # fmt: skip
        if place == len(layers) - 1:
            matrix = np.array(faces).reshape(len(faces), d)
            yield Piece(matrix, np.array(sides), weight, bias)
            return
        if unit == weight.shape[1]:
            on = np.array(state)
            following, offset = layers[place + 1]
            yield from split(
                place + 1, 0, (), (weight * on) @ following, (bias * on) @ following + offset,
                faces, sides,
            )  # fmt: skip
            return
        row, constant = weight[:, unit], bias[unit]
        for active in (1, 0):
            sign = -1.0 if active else 1.0
            if not np.any(row):
                if (constant >= 0) == bool(active):
                    yield from split(place, unit + 1, (*state, active), weight, bias, faces, sides)
                continue
            more = [*faces, sign * row], [*sides, -sign * constant]
            if is_open(*more):
                yield from split(place, unit + 1, (*state, active), weight, bias, *more)

    yield from split(0, 0, (), *layers[0], [], [])


def least_distance(
    layers: Layers, x: np.ndarray, label: int, norm: str, margin: float = 0.0
) -> float:
    """Distance of the nearest point of [0, 1]^d at which another class leads the label.

    Args:
        layers: the network.
        x: (d,) the clean input.
        label: its class.
        norm: linf, l1 or l2.
        margin: by how much; with 0 a tie counts.
    """
    d, best = x.size, np.inf
    for piece in pieces(layers, np.zeros(d), np.ones(d)):
        for target in range(piece.weight.shape[1]):
            if target == label:
                continue
            row = piece.weight[:, label] - piece.weight[:, target]
            side = piece.bias[target] - piece.bias[label] - margin
            faces = np.vstack([piece.faces.reshape(-1, d), row])
            best = min(best, _nearest(norm, x, faces, np.append(piece.sides, side)))
    return best


def _nearest(norm: str, x: np.ndarray, faces: np.ndarray, sides: np.ndarray) -> float:
    d, eye = x.size, np.eye(x.size)
    if norm == "l2":
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        rows = sp.csc_matrix(np.vstack([faces, eye, -eye]))
        right = np.concatenate([sides, np.ones(d), np.zeros(d)])
        cones = [clarabel.NonnegativeConeT(right.size)]
        solved = clarabel.DefaultSolver(
            sp.csc_matrix(2 * eye), -2 * x, rows, right, cones, settings
        ).solve()
        if str(solved.status) != "Solved":
            return np.inf
        return float(np.linalg.norm(np.array(solved.x) - x))
    width = d if norm == "l1" else 1
    t = eye if norm == "l1" else np.ones((d, 1))
    rows = np.vstack(
        [
            np.hstack([faces, np.zeros((len(faces), width))]),
            np.hstack([eye, -t]),
            np.hstack([-eye, -t]),
        ]
    )
    cost = np.concatenate([np.zeros(d), np.ones(width)])
    bounds = [(0.0, 1.0)] * d + [(0.0, None)] * width
    solved = linprog(cost, rows, np.concatenate([sides, x, -x]), bounds=bounds)
    return float(solved.fun) if solved.status == 0 else np.inf


def largest_slack(
    layers: Layers,
    lower: np.ndarray,
    upper: np.ndarray,
    sought: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> float:
    """How much room there is for what is sought: below 0, no input meets it.

    Args:
        layers: the network.
        lower: (d,) lower bounds of the inputs, perhaps infinite.
        upper: (d,) upper bounds.
        sought: conjunctions (A, C, b): ``A y + C x <= b``.

    Returns:
        The largest t, at most 1, with ``A y + C x + t <= b`` for some input and conjunction.
    """
    d, best = lower.size, -np.inf
    bounds = [*((None if np.isinf(a) else a, None if np.isinf(b) else b)
                for a, b in zip(lower, upper, strict=True)), (None, 1.0)]  # fmt: skip
    for piece in pieces(layers, lower, upper):
        for on_outputs, on_inputs, side in sought:
            rows = on_outputs @ piece.weight.T + on_inputs
            right = side - on_outputs @ piece.bias
            matrix = np.vstack(
                [
                    np.hstack([piece.faces.reshape(-1, d), np.zeros((len(piece.faces), 1))]),
                    np.hstack([rows, np.ones((len(rows), 1))]),
                ]
            )
            solved = linprog(
                np.append(np.zeros(d), -1.0), matrix, np.concatenate([piece.sides, right]),
                bounds=bounds,
            )  # fmt: skip
            if solved.status == 0:
                best = max(best, -float(solved.fun))
    return best
