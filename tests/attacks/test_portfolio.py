"""Portfolios: who broke what first, one budget, and what the files of a run say of it."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from onnx_lippa import Lippa, LippaMip, Pgd, Portfolio, Square, attack, load_example, replay, rerun
from onnx_lippa.attacks import make_attack, write_settings
from onnx_lippa.errors import FalseClaimError, InputError
from onnx_lippa.reports.page.figures.methods import draw_methods
from onnx_lippa.reports.page.reported import name_runs
from onnx_lippa.reports.page.sections.inputs import describe_cause
from onnx_lippa.reports.wording import describe_record
from onnx_lippa.runs.files import checksum
from onnx_lippa.runs.finished import FinishedRun
from onnx_lippa.runs.record import Record
from onnx_lippa.state import Budget
from onnx_lippa.witness import Verdict
from tests.support.attacks import DIGITS, check_result, digits, fingerprints, outcomes_of
from tests.support.commands import command

QUICK = Square(queries=25)
PARTS = (QUICK, Pgd(restarts=0, gradient_steps=4), Lippa(restarts=0, gradient_steps=10, lp_steps=2))


def test_the_first_to_break_an_input_is_named():
    model, x, y = digits()
    result = attack(model, x[:30], y[:30], eps=0.06, method=Portfolio(*PARTS), workers=1)
    check_result(DIGITS, x[:30], y[:30], result, "linf", 0.06)
    alone = [
        attack(model, x[:30], y[:30], eps=0.06, method=part, workers=1).success for part in PARTS
    ]
    for place, one in enumerate(result):
        if one.verdict is Verdict.ADVERSARIAL:
            first = next(i for i, success in enumerate(alone) if success[place])
            assert one.broken_by == PARTS[first].name
        else:
            assert one.broken_by == ""
    np.testing.assert_array_equal(result.success, np.any(alone, axis=0))
    assert {one.broken_by for one in result} >= {"square", "pgd"}
    counts = result.figures.broken_by
    assert sum(counts.values()) == result.figures.counts.adversarial
    assert f"first broken by pgd {counts['pgd']}" in " ".join(result.summary().split())
    assert "attack (portfolio of square, pgd, lippa)" in result.summary()


def test_the_nearest_witness_counts_where_the_distance_is_minimised():
    model, x, y = digits()
    parts = (QUICK, Lippa(1, 10, 2))
    result = attack(model, x[:5], y[:5], method=Portfolio(*parts), workers=1)
    check_result(DIGITS, x[:5], y[:5], result, "linf")
    alone = [attack(model, x[:5], y[:5], method=part, workers=1).distances for part in parts]
    assert np.all(result.distances <= np.min(alone, axis=0))
    assert "nearest by lippa" in result.summary()
    for place, one in enumerate(result):
        nearer = result.distances[place] < alone[0][place]
        assert one.broken_by == ("lippa" if nearer else "square")


@pytest.mark.parametrize("eps", [0.05, None])
def test_results_do_not_depend_on_batch_and_workers(eps):
    model, x, y = digits()
    method = Portfolio(QUICK, Pgd(0, 8), QUICK)
    together = outcomes_of(model, x, y, range(30), eps=eps, workers=2, method=method)
    alone = outcomes_of(model, x, y, [4, 27], eps=eps, method=method)
    assert {i: fingerprints(together)[i] for i in (4, 27)} == fingerprints(alone)
    names = {one.index: one.broken_by for one in together}
    assert {one.index: one.broken_by for one in alone} == {i: names[i] for i in (4, 27)}


def test_a_time_limit_is_shared_in_order():
    model, x, y = digits()
    endless = Square(queries=10**9)
    method = Portfolio(endless, Pgd(restarts=0, gradient_steps=30))
    budget = Budget(time_limit=0.4)
    outcomes = outcomes_of(model, x, y, range(8), eps=0.06, method=method, budget=budget)
    assert {"pgd"} <= {one.broken_by for one in outcomes}
    for one in outcomes:
        if one.broken_by == "pgd":
            assert 0.15 < one.effort.seconds < 0.6
    hopeless = outcomes_of(model, x, y, [0], eps=0.001, method=Portfolio(endless), budget=budget)
    assert hopeless[0].verdict is Verdict.UNKNOWN
    assert hopeless[0].reason is not None
    assert 0.3 < hopeless[0].effort.seconds < 0.8


def test_files_hold_who_broke_what(tmp_path):
    example, x, y = load_example()
    run = tmp_path / "run"
    result = attack(example, x[:12], y[:12], eps=0.08, method=Portfolio(*PARTS), out=run)
    lines = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    said = {line["index"]: line.get("broken_by") for line in lines}
    assert said == {one.index: one.broken_by or None for one in result}
    summary = json.loads((run / "summary.json").read_text())
    assert summary["broken_by"] == result.figures.broken_by
    assert summary["method"] == "portfolio of square, pgd, lippa"
    replay(run)
    assert rerun(run).is_identical
    # A summary that gives one attack the witnesses of another is found out.
    summary["broken_by"] = {"lippa": result.figures.counts.adversarial}
    (run / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(FalseClaimError, match="broken_by"):
        replay(run)


def test_runs_of_one_attack_have_no_such_field(tmp_path):
    example, x, y = load_example()
    attack(example, x[:3], y[:3], eps=0.08, method=PARTS[1], out=tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert "broken_by" not in summary
    line = (tmp_path / "results.jsonl").read_bytes().splitlines()[0]
    record = Record.parse(line)
    assert b"broken_by" not in line
    assert record.checksum() == checksum(json.loads(line))
    assert replace(record, broken_by="pgd").checksum() != record.checksum()
    summary["broken_by"] = {"pgd": 1}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(FalseClaimError, match="broken_by"):
        replay(tmp_path)


def test_the_command_line(tmp_path):
    few = ("--example", "--first", 6, "--eps", 0.08, "--method", "portfolio")
    ended = command(
        "attack", *few, "--method-option", "members=square,pgd", "--out", tmp_path / "run"
    )
    assert "portfolio of square, pgd" in ended.out
    assert "first broken by" in ended.out
    assert "members=square,pgd" in (tmp_path / "run" / "config.toml").read_text()
    again = command("rerun", tmp_path / "run")
    assert "identical" in again.out


def test_its_options():
    members = make_attack("portfolio", ["members=pgd, lippa+mip"])
    assert members == Portfolio(Pgd(), LippaMip()) == Portfolio(members=[Pgd(), LippaMip()])
    assert write_settings(members) == ["members=pgd,lippa+mip"]
    assert write_settings(Portfolio()) == []
    assert [one.name for one in Portfolio().members] == ["pgd", "fab", "lippa"]
    assert Portfolio(Pgd(), Lippa(), Pgd(3), Pgd(4)).labels == ("pgd", "lippa", "pgd 2", "pgd 3")
    assert Portfolio(Pgd(), QUICK).limit(2, 0) == Portfolio(Pgd(restarts=2), QUICK)
    assert Portfolio(Pgd(), Lippa()).escalate(1) == Lippa().escalate(1)
    assert Portfolio(Pgd()).escalate(1) is None
    for wrong in (Portfolio(Pgd()), "pgd", math.pi):
        with pytest.raises(InputError, match="members of a portfolio"):
            Portfolio(Pgd(), wrong)
    with pytest.raises(InputError, match="there is no method 'zeal'"):
        make_attack("portfolio", ["members=pgd,zeal"])
    model, x, y = digits()
    with pytest.raises(InputError, match="square has no updates for the norm l1"):
        attack(model, x[:1], y[:1], eps=1.0, norm="l1", method=Portfolio(Pgd(), QUICK))


def test_reports_say_who_broke_what():
    model, x, y = digits()
    result = attack(model, x[:12], y[:12], eps=0.08, method=Portfolio(*PARTS), workers=1)
    run = FinishedRun.of(result)
    said = {record.broken_by for record in run.records if record.broken_by}
    for record in run.records:
        if record.broken_by:
            assert f"({record.broken_by}), replayed" in describe_record(record)
            assert describe_cause(record).endswith(f"({record.broken_by})")
    (reported,) = name_runs([("", "run", run)])
    picture = draw_methods(reported)
    assert picture is not None
    assert all(f"first broken by {name}" in picture.svg for name in said)
