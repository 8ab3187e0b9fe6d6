"""What the tests of masks, grids and radii per feature share: a check that trusts nothing."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np

from onnx_lippa import AttackResult, Verdict
from onnx_lippa.spec import Features
from tests.attacks.cases import plain_distance, plain_outputs


def check_features(
    path: Path, x: np.ndarray, y: np.ndarray, result: AttackResult, norm: str, features: Features
) -> None:
    """Re-checks all witnesses with plain ONNX Runtime, plain sums and whole numbers."""
    n, d = len(x), x[0].size
    clean, found = x.reshape(n, -1), result.adversarials.reshape(n, -1)
    free = [i for i in range(d) if i not in features.fixed]
    lower, upper, eps, steps = (
        np.broadcast_to(np.asarray(value if value is not None else np.inf, dtype=float), d)
        for value in (features.lower, features.upper, features.eps, features.grid)
    )
    together = plain_outputs(path, found)
    for i, verdict in enumerate(result.verdicts):
        if verdict is not Verdict.ADVERSARIAL:
            assert found[i].tobytes() == clean[i].tobytes()
            continue
        for outputs in (plain_outputs(path, found[i : i + 1])[0], together[i]):
            assert outputs.max() > outputs[int(y[i])]
        still = list(features.fixed)
        assert found[i][still].tobytes() == clean[i][still].tobytes(), "a fixed feature moved"
        exact = found[i].astype(np.float64)
        assert np.all((exact >= lower)[free])
        assert np.all((exact <= upper)[free])
        start = clean[i].astype(np.float64)
        if isinstance(features.eps, tuple):
            assert np.all(exact[eps == 0] == start[eps == 0])
            distance = plain_distance(norm, exact[eps > 0], start[eps > 0], eps[eps > 0])
            assert distance <= 1
        else:
            distance = plain_distance(norm, exact, start)
            assert distance <= eps[0]
        assert distance == result.distances[i]
        for feature in free:
            if steps[feature] > 0 and eps[feature] > 0:
                check_multiple(found[i][feature], steps[feature])


def check_multiple(value: np.floating, step: float) -> None:
    """A stored number is the one nearest to a multiple of a step."""
    parts = round(1 / step)
    count = round(float(value) / step)
    exact = count / parts if math.isclose(parts * step, 1.0, rel_tol=1e-15) else count * step
    assert value == value.dtype.type(exact), (value, step)


def all_points(axes: list[np.ndarray]) -> np.ndarray:
    """Every combination of the values of each feature, in float32."""
    return np.array(list(itertools.product(*axes)), dtype=np.float32)


def distances(norm: str, points: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Distances of points (n, d) to x (d,)."""
    shift = np.abs(points.astype(np.float64) - x.astype(np.float64))
    if norm == "linf":
        return shift.max(axis=1)
    return shift.sum(axis=1) if norm == "l1" else np.sqrt((shift * shift).sum(axis=1))
