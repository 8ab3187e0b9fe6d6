"""Random properties of tiny networks against their exact answers."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np

import onnx_lippa
from onnx_lippa import Answer
from tests.torture.trial import Ending, Trial
from tests.torture.truth import Layers, file_of, largest_slack, random_layers

KIND = "random properties against exact truth"
SECONDS = 10.0
NEAR = 1e-6
"""Slack below which the answer may hang on rounding: no claim is called false."""

Sought = list[tuple[np.ndarray, np.ndarray, np.ndarray]]


def run(seed: int) -> list[Trial]:
    """One network and one property, by a search and by a proof."""
    generator = np.random.default_rng([seed, 102])
    d, k = int(generator.integers(1, 4)), int(generator.integers(1, 4))
    hidden = [int(generator.integers(1, 5)) for _ in range(int(generator.integers(0, 3)))]
    layers = random_layers(generator, [d, *hidden, k])
    lower = np.round(8 * generator.normal(size=d)) / 8
    upper = lower + generator.integers(0, 17, d) / 8
    unbounded = generator.random() < 0.25
    if unbounded:
        lower = np.where(generator.random(d) < 0.5, -np.inf, lower)
        upper = np.where(generator.random(d) < 0.5, np.inf, upper)
    sought = _sought(generator, d, k)
    truth = largest_slack(layers, lower, upper, sought)
    method = str(generator.choice(["auto", "mip", "linear", "interval", "complete"]))
    with tempfile.TemporaryDirectory() as folder:
        return [_answered(seed, layers, lower, upper, sought, truth, method, Path(folder))]


def _sought(generator: np.random.Generator, d: int, k: int) -> Sought:
    """One to three conjunctions of one to three rows, some of them over inputs too."""
    joint = generator.random() < 0.25
    sought = []
    for _ in range(int(generator.integers(1, 4))):
        rows = int(generator.integers(1, 4))
        on_outputs = np.round(2 * generator.normal(size=(rows, k))) / 2
        on_inputs = np.round(2 * generator.normal(size=(rows, d))) / 2 if joint else None
        empty = ~np.any(on_outputs, axis=1)
        on_outputs[empty, 0] = 1.0
        side = np.round(8 * (generator.normal(size=rows) - 1.0)) / 8
        sought.append((on_outputs, np.zeros((rows, d)) if on_inputs is None else on_inputs, side))
    return sought


def text_of(lower: np.ndarray, upper: np.ndarray, sought: Sought) -> str:
    """The property in VNN-LIB."""
    d, k = lower.size, sought[0][0].shape[1]
    lines = [f"(declare-const X_{i} Real)" for i in range(d)]
    lines += [f"(declare-const Y_{j} Real)" for j in range(k)]
    for i, (low, high) in enumerate(zip(lower, upper, strict=True)):
        lines += [f"(assert (>= X_{i} {_number(low)}))"] if np.isfinite(low) else []
        lines += [f"(assert (<= X_{i} {_number(high)}))"] if np.isfinite(high) else []
    conjunctions = []
    for on_outputs, on_inputs, side in sought:
        rows = []
        for place, right in enumerate(side):
            terms = [f"(* {_number(c)} Y_{j})" for j, c in enumerate(on_outputs[place]) if c]
            terms += [f"(* {_number(c)} X_{i})" for i, c in enumerate(on_inputs[place]) if c]
            left = terms[0] if len(terms) == 1 else f"(+ {' '.join(terms)})"
            rows.append(f"(<= {left} {_number(right)})")
        conjunctions.append(f"(and {' '.join(rows)})")
    lines.append(f"(assert (or {' '.join(conjunctions)}))")
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    fraction = Fraction(float(value))
    sign = "-" if fraction < 0 else ""
    whole, part = divmod(abs(fraction.numerator) * 10**12 // fraction.denominator, 10**12)
    return f"{sign}{whole}.{part:012d}"


def _answered(
    seed: int, layers: Layers, lower: np.ndarray, upper: np.ndarray, sought: Sought,
    truth: float, method: str, folder: Path,
) -> Trial:  # fmt: skip
    path = folder / "property.vnnlib"
    path.write_text(text_of(lower, upper, sought))
    note = f"{method} slack={truth!r}"
    try:
        found = onnx_lippa.verify(file_of(layers, folder), path, timeout=SECONDS, method=method)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is a crash
        return Trial(KIND, seed, Ending.CRASHED, f"{note}: {error!r}")
    note = f"{note}: {found.answer.value} {found.reason or ''}"
    if found.answer is Answer.SAT and truth < -NEAR:
        return Trial(KIND, seed, Ending.FALSE, note)
    if found.answer is Answer.UNSAT and truth > NEAR:
        return Trial(KIND, seed, Ending.FALSE, note)
    if found.answer in (Answer.SAT, Answer.UNSAT):
        return Trial(KIND, seed, Ending.HELD, note)
    return Trial(KIND, seed, Ending.UNDECIDED, note)
