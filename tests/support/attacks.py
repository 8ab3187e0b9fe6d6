"""What the tests of attacks, runs and commands share: models, plain replays, comparable results."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from onnx_lippa import Results
from onnx_lippa.attacks import make_attack
from onnx_lippa.method import Finished, Method
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.runs.workers import Workers
from onnx_lippa.spec import InputSpecification, ProblemSet, Specification, Targets, get_norm
from onnx_lippa.state import Budget
from onnx_lippa.witness import Result, Verdict
from tests.support.graphs import graph_model, node, saved
from tests.support.paths import MODELS

DIGITS = MODELS / "digits_mlp.onnx"
DIGITS_DATA = MODELS / "digits_mlp.npz"
RADII = {"linf": 0.05, "l2": 0.4, "l1": 1.5}
"""For each norm a radius at which about half of the digits are broken."""


@cache
def digits() -> tuple[Model, np.ndarray, np.ndarray]:
    """The model of the digits, its inputs and labels."""
    with np.load(DIGITS_DATA) as data:
        return load(DIGITS), data["x"], data["y"]


def mlp_file(
    folder: Path, sizes: Sequence[int], seed: int = 0, name: str = "model.onnx", gain: float = 1.0
) -> Path:
    """A random ReLU network as an ONNX file, on inputs centred at a half."""
    generator = np.random.default_rng([seed, *sizes])
    constants: dict[str, np.ndarray] = {"half": np.full(sizes[0], 0.5, np.float32)}
    nodes, value = [node("Sub", "x half", "h")], "h"
    for place, (inputs, outputs) in enumerate(pairwise(sizes)):
        last = place == len(sizes) - 2
        weight = generator.normal(size=(inputs, outputs)) * gain * np.sqrt(2.0 / inputs)
        constants[f"w{place}"] = weight.astype(np.float32)
        constants[f"b{place}"] = (0.3 * generator.normal(size=outputs)).astype(np.float32)
        nodes.append(node("Gemm", f"{value} w{place} b{place}", "y" if last else f"a{place}"))
        if not last:
            nodes.append(node("Relu", f"a{place}", f"r{place}"))
            value = f"r{place}"
    return saved(graph_model(nodes, (sizes[0],), constants), folder, name)


def linear_file(folder: Path, weight: np.ndarray, bias: np.ndarray, name: str = "m.onnx") -> Path:
    """One dense layer of given numbers; ``weight`` is (inputs, classes)."""
    constants = {"w": weight.astype(np.float32), "b": bias.astype(np.float32)}
    graph = graph_model([node("Gemm", "x w b", "y")], (len(weight),), constants)
    return saved(graph, folder, name)


def plain_outputs(path: Path, x: np.ndarray) -> np.ndarray:
    """What ONNX Runtime gives, without anything of the package."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    shape = [len(x), *entry.shape[1:]]
    return session.run(None, {entry.name: x.astype(np.float32).reshape(shape)})[0]


def plain_distance(
    norm: str, x: np.ndarray, center: np.ndarray, units: np.ndarray | None = None
) -> float:
    """The least float that is not below the distance of two points as real numbers."""
    units = np.ones(x.size) if units is None else units
    pairs = zip(x.ravel().tolist(), center.ravel().tolist(), units.tolist(), strict=True)
    parts = [abs(Fraction(a) - Fraction(b)) / Fraction(u) for a, b, u in pairs]
    power = 2 if norm == "l2" else 1
    exact = max(parts) if norm == "linf" else sum(part**power for part in parts)
    bits = 4000  # of a root, so that none is 0
    root = Fraction(math.isqrt(int(exact * 4**bits)), 2**bits) if norm == "l2" else exact
    distance = float(root)
    while Fraction(distance) ** power < exact:
        distance = math.nextafter(distance, math.inf)
    while distance > 0 and Fraction(math.nextafter(distance, 0.0)) ** power >= exact:
        distance = math.nextafter(distance, 0.0)
    return distance


def check_result(
    path: Path,
    x: np.ndarray,
    y: np.ndarray,
    result: Results,
    norm: str,
    eps: float = math.inf,
    *,
    lower: float = 0.0,
    upper: float = 1.0,
    targets: Sequence[Sequence[int]] | None = None,
) -> None:
    """Re-checks everything an attack claims, and that its parts agree with each other.

    ``targets`` lists the classes that count for each input; all wrong ones when None.
    """
    clean, n = plain_outputs(path, x), len(x)
    flat = x.astype(np.float32).reshape(n, -1)
    found = result.adversarials.reshape(n, -1)
    assert found.dtype == np.float32
    assert found.shape == flat.shape
    assert len(result.verdicts) == len(result) == n
    assert result.success.shape == result.distances.shape == (n,)
    assert result.distances.dtype == np.float64
    together = plain_outputs(path, found)
    for i, (verdict, outcome) in enumerate(zip(result.verdicts, result, strict=True)):
        assert outcome.verdict is verdict
        label = int(y[i])
        if verdict is Verdict.ADVERSARIAL:
            alone = plain_outputs(path, found[i : i + 1])[0]
            for outputs in (alone, together[i]):
                assert int(outputs.argmax()) != label, i
                assert outputs.max() > outputs[label], i
            wanted = range(len(alone)) if targets is None else targets[i]
            assert any(alone[t] > alone[label] for t in wanted if t != label), i
            assert outcome.target in wanted
            assert outcome.target != label
            assert alone[outcome.target] > alone[label], i
            exact = found[i].astype(np.float64)
            assert np.all(exact >= lower), i
            assert np.all(exact <= upper), i
            distance = plain_distance(norm, exact, flat[i])
            assert distance == result.distances[i], i
            assert distance <= eps, i
            assert outcome.witness is not None
            np.testing.assert_array_equal(outcome.witness.x, found[i])
            assert outcome.witness.distance == distance
            assert outcome.witness.prediction == int(alone.argmax())
            assert outcome.found_by.value in ("gradient", "lp", "sampling")
            assert clean[i].argmax() == label
        else:
            np.testing.assert_array_equal(found[i], flat[i])
            assert outcome.witness is None
        if verdict is Verdict.MISCLASSIFIED:
            assert clean[i].argmax() != label
            assert result.distances[i] == 0.0
            assert outcome.effort.lp_steps == 0
            assert outcome.found_by.value == "clean"
        if verdict is Verdict.UNKNOWN:
            assert result.distances[i] == math.inf
            assert outcome.found_by.value == "nothing"
        assert verdict is not Verdict.ROBUST  # nothing here can prove it
    broken = [v in (Verdict.ADVERSARIAL, Verdict.MISCLASSIFIED) for v in result.verdicts]
    np.testing.assert_array_equal(result.success, broken)
    np.testing.assert_array_equal(result.success, np.isfinite(result.distances))
    assert result.robust_error == (float(np.mean(broken)), 1.0)
    wrong = sum(v is Verdict.MISCLASSIFIED for v in result.verdicts)
    assert result.clean_error == wrong / n


def outcomes_of(
    model: Model,
    x: np.ndarray,
    y: np.ndarray,
    indices: Sequence[int],
    norm: str = "linf",
    eps: float | None = 0.05,
    workers: int = 1,
    targets: Targets | None = None,
    features: InputSpecification | None = None,
    *,
    method: str = "lippa",
    minimize: bool | None = None,
    budget: Budget | None = None,
    **options: Any,
) -> list[Result]:
    """Outcomes for some inputs of a data set, in the order in which they are settled."""
    asked = Specification(
        get_norm(norm),
        features or InputSpecification(eps=eps),
        targets or Targets(),
        eps is None if minimize is None else minimize,
    )
    chosen = np.array(indices, dtype=np.int64)
    outputs = model.runtime.forward(x[chosen])
    problems = ProblemSet(asked, chosen, x[chosen], y[chosen], outputs)
    attack = make_attack(method, **options)
    return list(solve_in_workers(model, problems, attack, budget or Budget(), workers))


def solve_in_workers(
    model: Model, problems: ProblemSet, method: Method, budget: Budget, workers: int
) -> Iterator[Result]:
    """Results of a method in worker processes, as they are final."""
    with Workers(model, workers) as pool:
        for event in method.run(pool, problems, budget):
            if isinstance(event, Finished):
                yield event.result


def fingerprint(outcome: Result) -> tuple[object, ...]:
    """Everything about an outcome that a seed determines, floats bit by bit."""
    witness = outcome.witness
    return (
        outcome.index,
        outcome.verdict,
        outcome.target,
        outcome.found_by,
        outcome.effort.lp_steps,
        outcome.best_margin,
        None if witness is None else (witness.x.tobytes(), witness.distance),
    )


def fingerprints(outcomes: Sequence[Result]) -> dict[int, tuple[object, ...]]:
    """Fingerprints by index."""
    return {outcome.index: fingerprint(outcome) for outcome in outcomes}


def check_features(
    path: Path,
    x: np.ndarray,
    y: np.ndarray,
    result: Results,
    norm: str,
    features: InputSpecification,
) -> None:
    """Re-checks all witnesses with plain ONNX Runtime, plain sums and whole numbers."""
    n, d = len(x), x[0].size
    clean, found = x.reshape(n, -1), result.adversarials.reshape(n, -1)
    free = [i for i in range(d) if i not in features.fixed]
    lower, upper, eps, steps = (
        np.broadcast_to(np.asarray(value if value is not None else np.inf, dtype=float), d)
        for value in (
            features.lower,
            features.upper,
            features.scale or features.eps,
            features.grid,
        )
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
        if features.scale is not None:
            assert np.all(exact[eps == 0] == start[eps == 0])
            distance = plain_distance(norm, exact[eps > 0], start[eps > 0], eps[eps > 0])
            assert features.eps is not None
            assert distance <= features.eps
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


def problems_of(model, x, y, indices, eps=0.05, norm="linf") -> ProblemSet:
    rows = np.array(list(indices), dtype=np.int64)
    asked = Specification(get_norm(norm), InputSpecification(eps=eps), Targets())
    chosen = x[rows].reshape(len(rows), -1)
    return ProblemSet(asked, rows, chosen, y[rows], model.runtime.forward(chosen))


SOME = 12
"""Inputs of the digits that are attacked; among them easy, hard and (see below) wrong ones."""


def some_digits(n: int = SOME) -> tuple[np.ndarray, np.ndarray]:
    """Some digits; the third one is given a wrong label."""
    _, x, y = digits()
    labels = y[:n].copy()
    labels[2] = (labels[2] + 1) % 10
    return x[:n].copy(), labels
