"""Balls and boxes to try a norm on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onnx_lippa.arrays import Float64
from onnx_lippa.spec import L1, L2, LInf, Norm

NORMS: tuple[Norm, ...] = (LInf(), L1(), L2())
BOXES = ("unit", "corner", "one-sided", "infinite", "pinned")


@dataclass(frozen=True)
class Case:
    """A ball and a box around its centre."""

    center: Float64
    eps: float
    lower: Float64
    upper: Float64

    @property
    def size(self) -> int:
        return self.center.size


def random_case(generator: np.random.Generator, box: str, d: int | None = None) -> Case:
    """A centre that float32 can hold, in a box of the kind named."""
    d = int(generator.integers(1, 9)) if d is None else d
    center = generator.uniform(0, 1, d).astype(np.float32).astype(np.float64)
    lower, upper = np.zeros(d), np.ones(d)
    if box == "corner":
        center = generator.integers(0, 2, d).astype(np.float64)
    elif box == "one-sided":
        lower = np.where(generator.uniform(size=d) < 0.5, -np.inf, center)
        upper = np.where(np.isinf(lower), center + generator.uniform(0, 1, d), np.inf)
    elif box == "infinite":
        lower, upper = np.full(d, -np.inf), np.full(d, np.inf)
    elif box == "pinned":
        fixed = generator.uniform(size=d) < 0.5
        lower, upper = np.where(fixed, center, lower), np.where(fixed, center, upper)
    return Case(center, float(generator.choice([1e-3, 0.1, 0.5, 2.0])), lower, upper)


def point_in_set(generator: np.random.Generator, norm: Norm, case: Case) -> Float64:
    """A random point of ball and box."""
    x = case.center + case.eps * norm.sample(generator, case.size)
    return np.clip(x, case.lower, case.upper)


def is_inside(norm: Norm, case: Case, x: Float64, tolerance: float = 0.0) -> bool:
    """Whether a point lies in ball and box."""
    in_box = np.all(x >= case.lower - tolerance) and np.all(x <= case.upper + tolerance)
    return bool(in_box) and norm.distance(x, case.center) <= case.eps + tolerance
