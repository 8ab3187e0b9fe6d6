"""Proofs and attacks around the exact distance of the nearest adversarial example."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import onnx_lippa
from onnx_lippa import Verdict
from onnx_lippa.api.options import NormName
from tests.torture.trial import Ending, Trial
from tests.torture.truth import file_of, least_distance, outputs_of, random_layers

KIND = "proofs and attacks around exact distances"
FACTORS = (0.5, 0.9, 0.999, 1.001, 1.1, 1.5)
SECONDS = 10.0
CLEARLY = 1e-6
"""A margin that rounding does not explain, in networks whose slopes are 1/512 or more."""


def run(seed: int) -> list[Trial]:
    """One network, one input, one norm, several radii."""
    generator = np.random.default_rng([seed, 101])
    d, k = int(generator.integers(1, 5)), int(generator.integers(2, 4))
    hidden = [int(generator.integers(1, 6)) for _ in range(int(generator.integers(0, 3)))]
    layers = random_layers(generator, [d, *hidden, k])
    norm = str(generator.choice(["linf", "l1", "l2"]))
    x = (generator.integers(0, 65, d) / 64).astype(np.float32)
    outputs = outputs_of(layers, x[None].astype(np.float64))[0]
    label = int(outputs.argmax())
    exact = least_distance(layers, x.astype(np.float64), label, norm)
    # A tie is no error: where classes only ever tie, the input is robust at every radius.
    strict = least_distance(layers, x.astype(np.float64), label, norm, CLEARLY)
    with tempfile.TemporaryDirectory() as folder:
        model = onnx_lippa.load(file_of(layers, Path(folder)))
        trials = []
        for factor in FACTORS:
            eps = factor * exact if np.isfinite(exact) and exact > 1e-6 else 0.25 * factor
            trials.append(_asked(seed, model, x, label, norm, eps, exact, strict))
        trials.append(_nearest(seed, model, x, label, norm, exact, strict))
    return trials


def _asked(
    seed: int, model: onnx_lippa.Model, x: np.ndarray, label: int, norm: NormName, eps: float,
    exact: float, strict: float,
) -> Trial:  # fmt: skip
    note = f"{norm} eps={eps!r} exact={exact!r} strict={strict!r}"
    labels = np.array([label])
    try:
        found = onnx_lippa.audit(
            model, x[None], labels, eps=eps, norm=norm, time_limit=SECONDS, budget=2 * SECONDS
        )[0]
    except Exception as error:  # noqa: BLE001  # whatever it is, it is a crash
        return Trial(KIND, seed, Ending.CRASHED, f"{note}: {error!r}")
    verdict = found.verdict
    note = f"{note}: {verdict.value} {found.reason or ''}"
    if verdict is Verdict.ROBUST and eps > strict * (1 + 1e-7) + 1e-9:
        return Trial(KIND, seed, Ending.FALSE, note)
    if verdict is Verdict.ADVERSARIAL and eps < exact * (1 - 1e-5) - 1e-7:
        return Trial(KIND, seed, Ending.FALSE, note)
    if verdict is Verdict.UNKNOWN:
        return Trial(KIND, seed, Ending.UNDECIDED, note)
    return Trial(KIND, seed, Ending.HELD, note)


def _nearest(
    seed: int, model: onnx_lippa.Model, x: np.ndarray, label: int, norm: NormName, exact: float,
    strict: float,
) -> Trial:  # fmt: skip
    note = f"{norm} minimal distance, exact={exact!r}"
    try:
        found = onnx_lippa.attack(model, x[None], np.array([label]), norm=norm)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is a crash
        return Trial(KIND, seed, Ending.CRASHED, f"{note}: {error!r}")
    distance = float(found.distances[0])
    note = f"{note}: found {distance!r}"
    if found.verdicts[0] is Verdict.MISCLASSIFIED:
        return Trial(KIND, seed, Ending.HELD, note)
    if distance < exact * (1 - 1e-5) - 1e-7:
        return Trial(KIND, seed, Ending.FALSE, note)
    short = np.isfinite(strict) and strict > 1e-6 and not distance <= 1.01 * strict
    return Trial(KIND, seed, Ending.UNDECIDED if short else Ending.HELD, note)
