"""Native noise does not reach the terminal, and what comes after it does."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
import scipy.sparse as sp

from onnx_lippa.ending import Ending
from onnx_lippa.lp.program import Program
from onnx_lippa.lp.solvers.mathopt import quiet_stderr
from onnx_lippa.lp.solvers.table import make_single
from onnx_lippa.spec import Rows


def test_only_the_block_is_quiet(capfd):
    os.write(2, b"before ")
    with quiet_stderr(), quiet_stderr():
        os.write(2, b"noise ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_it_is_restored_behind_an_error(capfd):
    with pytest.raises(ValueError, match="bad"), quiet_stderr():
        raise ValueError("bad")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_blocks_of_two_threads_overlap(capfd):
    entered, left = threading.Event(), threading.Event()

    def other():
        with quiet_stderr():
            entered.set()
            left.wait(10)

    thread = threading.Thread(target=other)
    with quiet_stderr():
        thread.start()
        assert entered.wait(10)
    os.write(2, b"still quiet")
    left.set()
    thread.join()
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_a_solve_with_whole_numbers_is_quiet(capfd, monkeypatch):
    rows = Rows(sp.csr_array(np.ones((1, 2))), np.array([1.0]), np.array([np.inf]))
    program = Program(np.ones(2), np.zeros(2), np.ones(2), rows, integers=np.array([True, False]))
    session = make_single("scip").open(program)
    plain = vars(session)["_solver"].solve

    class Noisy:
        def solve(self, *arguments):
            os.write(2, b"unresolved numerical troubles")
            return plain(*arguments)

    monkeypatch.setattr(session, "_solver", Noisy())
    assert session.solve().ending is Ending.OPTIMAL
    assert capfd.readouterr().err == ""
