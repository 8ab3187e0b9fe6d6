"""Same seed, same result: bit by bit, whatever the neighbours, their order and the workers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from onnx_lippa import attack
from onnx_lippa.method import SingleStage
from onnx_lippa.onnx_io import load
from onnx_lippa.state import Budget
from tests.support.attacks import RADII, digits, fingerprints, mlp_file, outcomes_of, plain_outputs
from tests.support.graphs import normal
from tests.support.paths import MODELS

QUESTIONS = [*RADII.items(), *((norm, None) for norm in RADII)]
SOME = [0, 4, 9]
FEW: dict[str, Any] = {"restarts": 2, "gradient_steps": 8, "lp_steps": 3}


@pytest.mark.parametrize(("norm", "eps"), QUESTIONS)
def test_neighbours_and_order(norm, eps):
    model, x, y = digits()
    whole = fingerprints(outcomes_of(model, x, y, SOME, norm, eps, **FEW))
    back = fingerprints(outcomes_of(model, x, y, SOME[::-1], norm, eps, **FEW))
    assert back == whole
    alone: dict[int, tuple[object, ...]] = {}
    for i in SOME:
        alone |= fingerprints(outcomes_of(model, x, y, [i], norm, eps, **FEW))
    assert alone == whole
    assert any(mark[-1] is not None for mark in whole.values())


def bits(result):
    """What a call gives for each input, floats bit by bit."""
    rows = zip(result.verdicts, result.adversarials, result.distances, strict=True)
    return [(verdict, x.tobytes(), float(distance)) for verdict, x, distance in rows]


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 0.2), ("l1", 0.3),
                                           ("linf", None), ("l2", None), ("l1", None)])  # fmt: skip
def test_place_and_neighbours_do_not_show(tmp_path, norm, eps):
    """The same input at another place, twice, alone, or beside others: the same answer."""
    for seed in range(3):
        path = mlp_file(tmp_path, (3, 7, 3), seed, f"m{seed}.onnx")
        x = np.random.default_rng(seed).uniform(size=(8, 3)).astype(np.float32)
        options = {"norm": norm, "eps": eps, "gradient_steps": 6, "lp_steps": 2, "restarts": 4}
        model = load(path)
        whole = bits(attack(model, x, **options))
        order = np.random.default_rng(7).permutation(8)
        assert bits(attack(model, x[order], **options)) == [whole[i] for i in order]
        assert bits(attack(model, x[[5, 5, 2]], **options)) == [whole[i] for i in (5, 5, 2)]
        assert bits(attack(model, x[3:4], **options)) == whole[3:4]


@pytest.mark.parametrize("eps", [0.05, None])
def test_shards(monkeypatch, eps):
    model, x, y = digits()
    whole = fingerprints(outcomes_of(model, x, y, SOME, "linf", eps, **FEW))
    monkeypatch.setattr(SingleStage, "inputs_together", 4)
    assert fingerprints(outcomes_of(model, x, y, SOME, "linf", eps, **FEW)) == whole


@pytest.mark.parametrize("engine", ["rows", "stacked"])
def test_again(engine):
    model, x, y = digits()
    for norm, eps in QUESTIONS[1:4]:
        first, second = (
            fingerprints(outcomes_of(model, x, y, [4], norm, eps, engine=engine, **FEW))
            for _ in range(2)
        )
        assert first == second


def test_seeds_differ():
    model, x, y = digits()
    weak = {"restarts": 3, "gradient_steps": 2, "lp_steps": 0}
    runs = [
        fingerprints(
            outcomes_of(model, x, y, range(20), "linf", 0.08, budget=Budget(seed=seed), **weak)
        )
        for seed in (0, 1)
    ]
    assert runs[0] != runs[1]


@pytest.mark.parametrize("eps", [0.05, pytest.param(None, marks=pytest.mark.slow)])
def test_workers(monkeypatch, eps):
    model, x, y = digits()
    whole = fingerprints(outcomes_of(model, x, y, SOME, "linf", eps, **FEW))
    monkeypatch.setattr(SingleStage, "inputs_together", 2)
    spread = fingerprints(outcomes_of(model, x, y, SOME, "linf", eps, workers=2, **FEW))
    assert spread == whole


@pytest.mark.parametrize("width", [17, 130])
def test_widths(tmp_path, width):
    """Matrix products of odd sizes take other paths in BLAS than those of the digits."""
    path = mlp_file(tmp_path, (7, width, width, 5), seed=width)
    model = load(path)
    x = (0.5 + 0.1 * normal(width, 5, 7)).clip(0, 1)
    y = plain_outputs(path, x).argmax(axis=1)
    for eps in (0.1, None):
        whole = fingerprints(outcomes_of(model, x, y, range(5), "linf", eps, **FEW))
        alone: dict[int, tuple[object, ...]] = {}
        for i in range(5):
            alone |= fingerprints(outcomes_of(model, x, y, [i], "linf", eps, **FEW))
        assert alone == whole


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist_mlp", "mnist_cnn_adv"])
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 1.0)])
def test_larger_networks(name, norm, eps):
    model = load(MODELS / f"{name}.onnx")
    with np.load(MODELS / f"{name}.npz") as data:
        x = (data["images"][:8].reshape(8, -1) / np.float32(255)).astype(np.float32)
        y = data["labels"][:8]
    whole = fingerprints(outcomes_of(model, x, y, range(8), norm, eps, **FEW))
    alone: dict[int, tuple[object, ...]] = {}
    for i in range(8):
        alone |= fingerprints(outcomes_of(model, x, y, [i], norm, eps, **FEW))
    assert alone == whole
