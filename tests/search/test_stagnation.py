"""Problems whose trees once stopped to improve, with the figures of then.

Both need networks of the paper beside the project.
"""

from __future__ import annotations

import numpy as np
import pytest

from onnx_lippa import load
from onnx_lippa.proofs import BranchAndBound
from onnx_lippa.spec import InputSpecification, LInf, Problem, UnsafeSet
from onnx_lippa.state import Budget
from onnx_lippa.witness import Verdict
from tests.support.shared_files import SHARED, needs_shared

DATA = SHARED / "data"


@needs_shared("data/models")
@pytest.mark.parametrize(
    ("name", "index", "most"),
    [
        # Open after 600,000 nodes when children began with β = 0; 228 since.
        ("MMR_MLP_C", 415, 2000),
        # Open after 1.8 million nodes with 5 steps of ascent in every child; 254 since.
        ("MMR_ADV_CNN", 62, 3000),
    ],
)
def test_is_proven_in_few_nodes(name, index, most):
    model = load(DATA / "models" / f"{name}.onnx")
    with np.load(DATA / "mnist" / "mnist_test_1000.npz") as data:
        x, label = data["images"][index].ravel() / 255.0, int(data["labels"][index])
    features = InputSpecification.build(784, lower=0.0, upper=1.0, eps=0.1)
    unsafe = UnsafeSet.misclassification(label, 10)
    problem = Problem(index, features.input_set(x.astype(np.float32), LInf()), unsafe, unsafe)
    (found,) = BranchAndBound(node_limit=most).solve(model, [problem], Budget(60.0))
    assert found.verdict is Verdict.ROBUST
    assert 0 < found.bound <= 0.05  # an attack comes as near as this
