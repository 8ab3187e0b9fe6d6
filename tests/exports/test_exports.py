"""Files that exporters really wrote: loaded, compared with their frameworks, attacked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

import onnx_lippa
from onnx_lippa import UnsupportedModelError, Verdict
from onnx_lippa.onnx_io import Model
from tests.support.attacks import plain_distance

FOLDER = Path(__file__).parent
ATTACKED = 6
"""Inputs of each export that are attacked."""
SHARE = 0.1
"""Radius of the attacks, as a share of the width of the domain."""
FEW: dict[str, Any] = {"restarts": 1, "gradient_steps": 20, "lp_steps": 4}
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
"""What rounding explains, relative to the largest output: the frameworks sum in other orders."""


@dataclass(frozen=True)
class Export:
    """One line of an ``exports.json``, with what the tests make of it."""

    path: Path
    kind: str
    domain: tuple[float, float]

    @property
    def stored(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inputs, labels or target values, and the framework's outputs."""
        with np.load(self.path.with_suffix(".npz")) as data:
            return data["x"], data["y"], data["outputs"]


def exports() -> list[Export]:
    return [
        Export(listing.parent / entry["file"], entry["kind"], tuple(entry["domain"]))
        for listing in sorted(FOLDER.glob("*/exports.json"))
        for entry in json.loads(listing.read_text())
    ]


def parametrized(*kinds: str, double: bool = True):
    chosen = [
        export
        for export in exports()
        if export.kind in kinds and (double or export.stored[2].dtype == np.float32)
    ]
    names = [f"{export.path.parent.name}-{export.path.stem}" for export in chosen]
    return pytest.mark.parametrize("export", chosen, ids=names)


@cache
def loaded(export: Export) -> Model:
    lower, upper = export.domain
    return onnx_lippa.load(export.path, lower=lower, upper=upper)


@cache
def session(export: Export) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # jax2onnx's own shapes of tensors contradict each other
    return ort.InferenceSession(export.path, options, providers=["CPUExecutionProvider"])


def plain_outputs(export: Export, x: np.ndarray) -> np.ndarray:
    """The last output in ONNX Runtime without anything of the package, one input at a time."""
    entry = session(export).get_inputs()[0]
    double = entry.type == "tensor(double)"
    name = session(export).get_outputs()[-1].name
    rows = []
    for row in x.astype(np.float64 if double else np.float32):
        result = session(export).run([name], {entry.name: row[None]})[0]
        rows.append(list(result[0].values()) if isinstance(result, list) else result[0])
    return np.array(rows)


def assert_same(found: np.ndarray, outputs: np.ndarray) -> None:
    allowed = TOLERANCE[outputs.dtype.name] * np.abs(outputs).max()
    np.testing.assert_allclose(found.reshape(outputs.shape), outputs, rtol=0, atol=allowed)


# What is stored


def test_every_file_has_its_provenance():
    files = set(FOLDER.glob("*/*.onnx"))
    assert files == {export.path for export in exports()}
    readme = (FOLDER / "README.md").read_text()
    assert all(f"`{path.name}`" in readme for path in files)


def test_files_are_small():
    sizes = [path.stat().st_size for path in FOLDER.glob("*/*")]
    assert max(sizes) <= 60_000
    assert sum(sizes) <= 1_000_000


def test_files_name_no_folder_of_a_machine():
    for path in FOLDER.glob("*/*"):
        content = path.read_bytes()
        for folder in (b"site-packages", b"/home/", b"/root/", b"/tmp/", b"/Users/"):
            assert folder not in content, path


@parametrized("classifier", "regressor", "quantised", "conditional")
def test_inputs_lie_in_the_domain(export):
    x, _, outputs = export.stored
    assert len(x) == len(outputs) == 16
    assert export.domain[0] <= x.min()
    assert x.max() <= export.domain[1]


@parametrized("classifier", "regressor", "conditional")
def test_runtime_gives_what_the_framework_gave(export):
    x, _, outputs = export.stored
    assert_same(plain_outputs(export, x), outputs)


# The import


@parametrized("classifier", "regressor", "conditional")
def test_imported_network_gives_what_the_framework_gave(export):
    x, _, outputs = export.stored
    network = loaded(export).network
    assert network.input_shape == x.shape[1:]
    logits = network.forward(x.astype(np.float64))
    assert_same(network.output_activation.apply(logits), outputs)


@parametrized("classifier", "regressor", "conditional")
def test_model_gives_what_the_framework_gave(export):
    x, _, outputs = export.stored
    assert_same(loaded(export).runtime.forward(x.reshape(len(x), -1)), outputs)


@parametrized("quantised")
def test_quantised_models_are_refused(export):
    with pytest.raises(UnsupportedModelError, match="quantised"):
        onnx_lippa.load(export.path)


# The attack


@parametrized("classifier", "conditional", double=False)
def test_attacked(export):
    x, y, _ = (array[:ATTACKED] for array in export.stored)
    lower, upper = export.domain
    eps = SHARE * (upper - lower)
    result = onnx_lippa.attack(loaded(export), x, y, eps=eps, lower=lower, upper=upper, **FEW)
    assert result.adversarials.shape == x.shape
    clean, attacked = plain_outputs(export, x), plain_outputs(export, result.adversarials)
    assert Verdict.ADVERSARIAL in result.verdicts
    for i, verdict in enumerate(result.verdicts):
        assert (verdict is Verdict.MISCLASSIFIED) == (clean[i].argmax() != y[i])
        if verdict is Verdict.ADVERSARIAL:
            witness = result.adversarials[i].astype(np.float64)
            assert attacked[i].max() > attacked[i][y[i]]
            assert lower <= witness.min()
            assert witness.max() <= upper
            distance = plain_distance("linf", witness, x[i])
            assert distance == result.distances[i]
            assert distance <= eps
