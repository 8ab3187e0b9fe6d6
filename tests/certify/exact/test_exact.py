"""Answers about inputs without bounds, against the truth found pattern by pattern."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import onnx_lippa
from onnx_lippa import Answer
from onnx_lippa.certify import CertifySettings, ProofMethod, certify_batch
from onnx_lippa.question import FARTHEST
from onnx_lippa.runs.search import problem_of
from onnx_lippa.witness import Verdict
from tests.certify.exact.truth import CLEAR, least_margin, question, tiny


def drawn(seed: int, missing: float):
    generator = np.random.default_rng(seed)
    network = tiny(generator)
    return network, question(generator, network, missing)


def proven(model, asked, method: ProofMethod):
    wanted = asked.property()
    model = model.joint() if wanted.joint else model
    problem = problem_of(model, wanted, 0, FARTHEST)
    (outcome,) = certify_batch(model, [problem], CertifySettings(method, time_limit=20))
    return outcome


def check(seeds, missing: float, method: ProofMethod) -> Counter[str]:
    counted: Counter[str] = Counter()
    for seed in seeds:
        network, asked = drawn(seed, missing)
        outcome, least = proven(network.model(), asked, method), least_margin(network, asked)
        truth = "tie" if abs(least) <= CLEAR else "sat" if least < 0 else "unsat"
        said = {Verdict.ROBUST: "unsat", Verdict.ADVERSARIAL: "sat"}.get(outcome.verdict, "open")
        counted[f"{truth} {said}"] += 1
        if truth != "tie":
            assert said in {truth, "open"}, seed
        elif said == "unsat":
            assert asked.strict, seed
    return counted


@pytest.mark.parametrize("missing", [0.5, 1.0])
def test_random_questions_without_bounds_are_decided(missing):
    counted = check(range(60), missing, ProofMethod.AUTO)
    assert counted["sat open"] + counted["unsat open"] <= 2, counted
    assert counted["sat sat"] >= 15
    assert counted["unsat unsat"] >= 8


@pytest.mark.parametrize("method", [ProofMethod.INTERVAL, ProofMethod.LINEAR, ProofMethod.MIP])
def test_no_method_proves_what_is_false(method):
    check(range(40), 0.5, method)


def test_the_whole_way(tmp_path):
    for seed in (1, 2, 3, 4):
        network, asked = drawn(seed, 0.6)
        least = least_margin(network, asked)
        found = onnx_lippa.verify(network.model(), asked.property(), timeout=10)
        if abs(least) > CLEAR:
            assert found.answer is (Answer.SAT if least < 0 else Answer.UNSAT), seed
