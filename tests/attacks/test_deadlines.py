"""Gradients look at the clock within one evaluation of very many rows."""

from __future__ import annotations

import time

import numpy as np
import pytest

from onnx_lippa.attacks.stages.pgd import MomentumPgd, make_rows, run_pgd
from onnx_lippa.clock import OutOfTimeError
from onnx_lippa.spec import InputSet, Problem, UnsafeSet, get_norm
from tests.support.attacks import digits

ROWS = 1500


def rows():
    model, x, y = digits()
    center = x[0].astype(np.float64).ravel()
    d = center.size
    inputs = InputSet(center, get_norm("linf"), 0.02, np.zeros(d), np.ones(d))
    unsafe = UnsafeSet.misclassification(int(y[0]), 10)
    problem = Problem(0, inputs, unsafe, unsafe)
    return model, make_rows([problem] * ROWS, [0] * ROWS, [center.astype(np.float32)] * ROWS)


def test_an_evaluation_of_many_rows_stops_at_its_deadline():
    model, batch = rows()
    runtime, matrix = model.gradient, batch.matrix[:, 0]
    logits, gradient = runtime.value_and_gradient(batch.start, matrix)
    assert len(logits) == len(gradient) == ROWS
    with pytest.raises(OutOfTimeError):
        runtime.value_and_gradient(batch.start, matrix, time.monotonic() - 1)


def test_pgd_keeps_what_it_has_when_time_is_up():
    model, batch = rows()
    found = run_pgd(
        model.gradient, batch, MomentumPgd(), 20, lambda *_: False, time.monotonic() - 1
    )
    assert found.best.shape == batch.start.shape
    assert found.gradients.sum() < 2 * ROWS
