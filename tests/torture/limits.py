"""Small limits on large networks: no answer much later than its limit."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import onnx

from tests.support.graphs import graph_model, node, saved
from tests.support.paths import ROOT
from tests.torture.commands import finished
from tests.torture.trial import Ending, Trial

KIND = "limits swept over commands and models"
LIMITS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
GRACE = 2.0
STARTING = float(os.environ.get("LIPPA_TORTURE_STARTING", "8.0"))
"""Seconds that a process may take to start and to load the model, on a busy machine."""
SHARE = 0.1


def run(seed: int) -> list[Trial]:
    """One command with one limit on one model."""
    generator = np.random.default_rng([seed, 106])
    limit = LIMITS[int(generator.integers(len(LIMITS)))]
    with tempfile.TemporaryDirectory() as folder:
        model = _model(generator, Path(folder))
        words = _words(generator, model, limit, Path(folder))
        allowed = limit * (1 + SHARE) + GRACE + STARTING
        ended = finished(words, 6 * allowed + 30)
        note = f"{' '.join(str(word) for word in words[:1] + words[2:])} on {model.name}"
        note = f"{note}: {ended.seconds:.1f} s"
        if ended.fault or ended.code != 0:
            return [Trial(KIND, seed, Ending.CRASHED, f"{note}, {ended}")]
        late = ended.seconds > allowed
        return [Trial(KIND, seed, Ending.LATE if late else Ending.HELD, note)]


def convolutions(generator: np.random.Generator, count: int, side: int) -> onnx.ModelProto:
    """A deep network of convolutions on images of 3 channels."""
    nodes, constants, value, channels = [], {}, "x", 3
    for place in range(count):
        maps = 16 if place == 0 else 32
        fan_in = 9 * channels
        weight = generator.normal(size=(maps, channels, 3, 3)) * np.sqrt(2 / fan_in)
        constants[f"w{place}"] = weight.astype(np.float32)
        nodes.append(node("Conv", f"{value} w{place}", f"c{place}", pads=[1, 1, 1, 1]))
        nodes.append(node("Relu", f"c{place}", f"r{place}"))
        value, channels = f"r{place}", maps
    constants["w"] = generator.normal(size=(channels, 10)).astype(np.float32)
    nodes += [node("GlobalAveragePool", value, "g"), node("Flatten", "g", "f")]
    nodes.append(node("MatMul", "f w", "y"))
    return graph_model(nodes, [3, side, side], constants)


def _model(generator: np.random.Generator, folder: Path) -> Path:
    shipped = sorted((ROOT / "models").glob("*.onnx"))
    chosen = int(generator.integers(len(shipped) + 2))
    if chosen < len(shipped):
        return shipped[chosen]
    side = int(generator.choice([16, 32, 64]))
    return saved(convolutions(generator, int(generator.integers(3, 8)), side), folder)


def _words(generator: np.random.Generator, model: Path, limit: float, folder: Path) -> list[object]:
    eps = float(generator.choice([0.001, 0.01, 0.1]))
    norm = str(generator.choice(["linf", "linf", "l1", "l2"]))
    common = [model, "--eps", eps, "--first", "1", "--workers", "1", "--norm", norm, "--quiet"]
    match int(generator.integers(6)):
        case 0:
            return ["attack", *common, "--time-limit", limit]
        case 1:
            return ["audit", *common, "--time-limit", limit, "--budget", limit]
        case 2:
            method = str(generator.choice(["interval", "linear", "mip", "complete"]))
            return ["certify", *common, "--time-limit", limit, "--method", method]
        case 3:
            minimal = [word for word in common if word not in ("--eps", eps)]
            return ["attack", *minimal, "--time-limit", limit]
        case 4:
            return ["certify", *common, "--time-limit", limit]
        case _:
            path = folder / "property.vnnlib"
            path.write_text(_property(generator, model))
            command = "certify" if generator.random() < 0.6 else "attack"
            return [command, model, "--property", path, "--timeout", limit]


def _property(generator: np.random.Generator, model: Path) -> str:
    """Boxes around a point, and an or of ands that multiplies out to many cases."""
    shape = onnx.load(model).graph.input[0].type.tensor_type.shape.dim
    d = int(np.prod([one.dim_value or 1 for one in shape]))
    lines = [f"(declare-const X_{i} Real)" for i in range(d)]
    lines += [f"(declare-const Y_{j} Real)" for j in range(10)]
    lines += [f"(assert (>= X_{i} 0.4))\n(assert (<= X_{i} 0.6))" for i in range(d)]
    for _ in range(int(generator.integers(0, 13))):
        i, a = int(generator.integers(d)), float(generator.uniform(0.45, 0.55))
        lines.append(f"(assert (or (<= X_{i} {a}) (>= X_{i} {a})))")
    lines.append("(assert (>= Y_0 1000.0))")
    return "\n".join(lines) + "\n"
