"""Runs from Python: folders, events, interrupts, curves, arrays, and how results are shown."""

from __future__ import annotations

import inspect
import json
import logging
from typing import Any

import numpy as np
import pytest

import onnx_lippa
from onnx_lippa import (
    Curve,
    Ended,
    Finished,
    Improved,
    InputError,
    InterruptedRun,
    Results,
    Started,
    Verdict,
    attack,
    audit,
    certify,
    replay,
)
from onnx_lippa.runs.session import Session
from tests.support.attacks import DIGITS, DIGITS_DATA, digits
from tests.support.commands import command
from tests.support.faults import stop_after
from tests.support.folders import read_records

FEW: dict[str, Any] = {"restarts": 1, "gradient_steps": 15, "lp_steps": 3}
WORDS = ("--restarts", "1", "--gradient-steps", "15", "--lp-steps", "3")


def some(n=6):
    _, x, y = digits()
    return x[:n].copy(), y[:n].copy()


def found(results):
    return [(r.index, r.verdict, None if r.witness is None else r.witness.x.tobytes())
            for r in results]  # fmt: skip


# Folders


def test_a_folder_of_the_command_line_is_continued_from_python(tmp_path, monkeypatch):
    """And the other way round: the same folder, whoever asks."""
    out, whole = tmp_path / "run", tmp_path / "whole"
    words = ("attack", DIGITS, DIGITS_DATA, "--eps", "0.06", "--first", "6", "--workers", "1")
    assert command(*words, *WORDS, "--out", whole).code == 0
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        assert command(*words, *WORDS, "--out", out).code == 130
    x, y = some()
    result = attack(DIGITS, x, y, eps=0.06, out=out, **FEW)
    assert len(result) == 6
    assert replay(out) == replay(whole)
    before = read_records(out / "results.jsonl")
    assert command(*words, *WORDS, "--out", out).code == 0
    assert read_records(out / "results.jsonl") == before


@pytest.mark.parametrize("labels", [True, False])
def test_a_folder_from_arrays_alone_replays(tmp_path, labels):
    x, y = some()
    out = tmp_path / "run"
    first = attack(DIGITS, x, y if labels else None, eps=0.06, out=out, **FEW)
    confirmed = replay(out)
    assert (confirmed.inputs, confirmed.is_finished) == (6, True)
    again = attack(DIGITS, x, y if labels else None, eps=0.06, out=out, **FEW)
    assert found(again) == found(first)
    with pytest.raises(InputError, match="another run"):
        attack(DIGITS, x, y, eps=0.07, out=out, **FEW)


def test_curves_share_a_folder_with_the_command_line(tmp_path):
    out = tmp_path / "curve"
    words = ("attack", DIGITS, DIGITS_DATA, "--eps", "5/100,0.02", "--first", "4", *WORDS)
    assert command(*words, "--workers", "1", "--out", out).code == 0
    before = {path: path.read_bytes() for path in out.rglob("results.jsonl")}
    curve = attack(DIGITS, *some(4), eps=[0.02, 0.05], out=out, **FEW)
    assert {path: path.read_bytes() for path in out.rglob("results.jsonl")} == before
    assert curve.radii == (0.02, 0.05)
    assert replay(out).inputs == 8


# Curves


@pytest.mark.parametrize("eps", [[0.08, 0.02], (0.08, 0.02), np.array([0.08, 0.02])])
def test_a_list_of_radii_is_a_curve(eps):
    x, y = some()
    curve = attack(DIGITS, x, y, eps=eps, **FEW)
    assert isinstance(curve, Curve)
    assert len(curve) == 2
    assert curve.radii == (0.08, 0.02)
    assert np.all(curve[0].success >= curve[1].success)
    assert "0.08" in repr(curve)
    assert curve.summary().count("\n") == 3
    table = curve.to_pandas()
    assert sorted(table["eps"].unique()) == [0.02, 0.08]
    assert len(table) == 12


def test_curves_of_proofs_and_audits():
    x, y = some(4)
    proofs = certify(DIGITS, x, y, eps=[0.01, 0.02], method="linear")
    whole = audit(DIGITS, x, y, eps=[0.01, 0.05], time_limit=20.0)
    for curve in (proofs, whole):
        errors = [results.robust_error for results in curve]
        assert errors[0][0] <= errors[1][0]
        assert errors[0][1] <= errors[1][1]


@pytest.mark.parametrize("eps", [[], [0.1, 0.1], np.full((2, 2), 0.1)])
def test_radii_refused(eps):
    with pytest.raises(InputError, match="eps"):
        attack(DIGITS, *some(2), eps=eps)


def test_scale_is_a_radius_for_each_feature():
    x, y = some()
    scale = np.linspace(0.5, 2.0, 64)
    wide = attack(DIGITS, x, y, eps=0.05, scale=scale, **FEW)
    for result in wide:
        if result.witness is not None:
            moved = (result.witness.x.astype(float) - x[result.index]) / scale
            assert np.abs(moved).max() <= result.witness.distance <= 0.05
    assert Verdict.ADVERSARIAL in wide.verdicts


# Events and interrupts


def test_events():
    heard: list[Any] = []
    results = audit(DIGITS, *some(), eps=0.05, time_limit=20.0, on_event=heard.append)
    assert isinstance(heard[0], Started)
    assert (heard[0].inputs, heard[0].known) == (6, ())
    assert isinstance(heard[-1], Ended)
    assert heard[-1].results is results
    assert all(isinstance(event, Improved | Finished) for event in heard[1:-1])
    ended = [event.result for event in heard if isinstance(event, Finished)]
    assert {result.index: result for result in ended} == {one.index: one for one in results}


def test_what_is_resumed_is_known_from_the_start(tmp_path):
    heard: list[Any] = []
    for _ in range(2):
        attack(DIGITS, *some(), eps=0.05, out=tmp_path / "run", on_event=heard.append, **FEW)
    first, second = (event for event in heard if isinstance(event, Started))
    assert (len(first.known), len(second.known)) == (0, 6)


@pytest.mark.parametrize("keep", [True, False])
def test_an_interrupt_leaves_what_was_done(tmp_path, monkeypatch, keep):
    x, y = some()
    out = tmp_path / "run" if keep else None
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(KeyboardInterrupt) as caught:
            attack(DIGITS, x, y, eps=0.06, out=out, **FEW)
    assert isinstance(caught.value, InterruptedRun)
    partial = caught.value.results
    assert isinstance(partial, Results)
    assert len(partial) == len(partial.adversarials) == len(partial.to_pandas()) == 2
    assert (partial.figures.inputs, partial.figures.facts.requested) == (2, 6)
    whole = attack(DIGITS, x, y, eps=0.06, out=out, **FEW)
    assert set(found(partial)) <= set(found(whole))
    if out is not None:
        assert json.loads((out / "summary.json").read_text())["inputs"] == 6


def test_an_interrupted_curve(monkeypatch):
    real, calls = Session._work, []

    def stopping(session):
        calls.append(session)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(session)

    monkeypatch.setattr(Session, "_work", stopping)
    with pytest.raises(InterruptedRun) as caught:
        attack(DIGITS, *some(3), eps=[0.02, 0.05], **FEW)
    curve = caught.value.results
    assert isinstance(curve, Curve)
    assert len(curve[0]) == 3


# Arrays


def test_arrays_are_accepted_like_data_files():
    _, x, y = digits()
    x, y = np.round(x[:4] * 255).astype(np.uint8), y[:4]
    plain = attack(DIGITS, (x / 255).astype(np.float32), y, eps=0.06, **FEW)
    for given, labels in (
        (x, y[:, None]),
        (x.reshape(4, 8, 8), y.astype(np.float64)),
        (x.reshape(4, 1, 8, 8), y.tolist()),
        (x.reshape(4, 64, 1), y),
    ):
        assert found(attack(DIGITS, given, labels, eps=0.06, **FEW)) == found(plain)


def test_whole_numbers_keep_their_values():
    x = np.ones((2, 64), np.int64)
    result = attack(DIGITS, x, eps=0.01, **FEW)
    assert result.inputs.inputs[:].max() == 1.0


def test_results_do_not_change_with_the_arrays():
    x, y = some(3)
    result = attack(DIGITS, x, y, eps=0.01, **FEW)
    before = x.copy()
    x[:] = 0.0
    clean = ~np.array([r.witness is not None for r in result])
    np.testing.assert_array_equal(result.adversarials[clean], before[clean])


# How results show themselves


def test_repr_summary_and_pandas():
    results = audit(DIGITS, *some(), eps=0.05, time_limit=20.0)
    assert "\n" not in repr(results)
    assert "audit: 6 of 6 inputs" in repr(results)
    summary = results.summary()
    assert "robust error" in summary
    assert len({len(line) for line in summary.splitlines()[1:]}) == 1
    table = results.to_pandas()
    assert list(table["index"]) == list(range(6))
    assert set(table["verdict"]) == {verdict.value for verdict in results.verdicts}
    assert {"label", "prediction", "distance", "lp_steps", "nodes", "seconds"} <= set(table)
    assert len(results) == 6
    assert results[0] is next(iter(results))
    assert [result.index for result in results[1:3]] == [1, 2]


def test_the_library_says_what_it_does_through_logging(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="onnx_lippa"):
        for _ in range(2):
            attack(DIGITS, *some(2), eps=0.05, out=tmp_path / "run", **FEW)
    assert "resumed" in caplog.text


def test_literal_names_are_those_of_the_tables():
    from typing import get_args

    from onnx_lippa.api import options
    from onnx_lippa.lp import ENGINE_NAMES
    from onnx_lippa.lp.solvers.table import MIP_SOLVER_NAMES, SOLVER_NAMES
    from onnx_lippa.proofs import PROOF_METHODS

    assert set(get_args(options.EngineName)) == set(ENGINE_NAMES)
    assert set(get_args(options.SolverName)) == set(SOLVER_NAMES)
    assert set(get_args(options.MipSolverName)) == set(MIP_SOLVER_NAMES)
    assert set(get_args(options.ProofName)) == set(PROOF_METHODS)


@pytest.mark.parametrize("name", ["attack", "audit", "certify"])
def test_every_argument_is_typed_for_curves_too(name):
    """The overloads take what the function takes."""
    from onnx_lippa.api import options

    call = getattr(onnx_lippa, name)
    typed = getattr(options, f"{name.capitalize()}Options").__annotations__
    inherited = options.RunOptions.__annotations__
    stated = set(inspect.signature(call).parameters) - {"model", "x", "y", "eps"}
    assert stated == set(typed) | set(inherited)


# The other calls


def test_regions_and_gradient(tmp_path):
    counted = onnx_lippa.regions(DIGITS, some(2)[0], eps=0.02, samples=50)
    assert [one.index for one in counted] == [0, 1]
    written = onnx_lippa.gradient(digits()[0], tmp_path / "g.onnx")
    assert written.exists()
    with pytest.raises(InputError, match="bounds"):
        onnx_lippa.regions(DIGITS, some(1)[0], eps=0.02, bounds="guess")
    assert onnx_lippa.inspect(DIGITS).problem is None
