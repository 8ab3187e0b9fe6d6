"""The paper's program with and without stable ReLUs fixed: the same answers at another cost."""

import numpy as np
import pytest

from onnx_lippa import InputError, certify
from onnx_lippa.proofs import Mip, make_proof
from tests.support.attacks import mlp_file, plain_outputs


def test_the_naive_program_decides_alike(tmp_path):
    path = mlp_file(tmp_path, (3, 6, 5, 3), seed=2)
    x = np.random.default_rng(0).uniform(size=(8, 3)).astype(np.float32)
    y = plain_outputs(path, x).argmax(axis=1)
    fixed = certify(path, x, y, eps=0.15, method="mip", workers=1)
    naive = certify(path, x, y, eps=0.15, method="mip", naive=True, workers=1)
    assert fixed.verdicts == naive.verdicts
    assert {verdict.value for verdict in fixed.verdicts} == {"adversarial", "robust"}
    assert "naive=True" in naive.identity.options


def test_naive_is_an_option_of_mip_alone():
    assert make_proof("mip", naive=True) == Mip(naive=True)
    with pytest.raises(InputError, match="naive is an option of the method 'mip'"):
        make_proof("linear", naive=True)
