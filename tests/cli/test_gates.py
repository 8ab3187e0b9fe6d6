"""Gates, reports, ``check`` and ``diff`` on the command line."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess

import junitparser
import numpy as np
import pytest

from onnx_lippa import InputError, audit, check, diff, write_reports
from tests.support.attacks import DIGITS, DIGITS_DATA, digits, linear_file
from tests.support.commands import FEW, assert_refused, command, lines, spawned, wait_for

EPS = ("--eps", "0.05", "--first", "6")
FAILS = ("--fail-over", "robust_error.lower=0.1", "--fail-over", "clean_error=0.5")
LINE = "gate failed: robust_error is 33.33%, over 10.00% by 23.33 percentage points\n"


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """An audit of six digits, two of which are broken."""
    out = tmp_path_factory.mktemp("audited") / "run"
    assert command("audit", DIGITS, DIGITS_DATA, *EPS, "--out", out).code == 0
    return out


def reports(folder):
    return [
        word
        for name in ("junit", "sarif", "markdown")
        for word in ("--format", f"{name}={folder / name}")
    ]


def test_a_failed_gate_is_exit_code_4_and_one_line(tmp_path):
    words = ("audit", DIGITS, DIGITS_DATA, *EPS)
    ended = command(*words, *FAILS, *reports(tmp_path))
    assert (ended.code, ended.err) == (4, LINE)
    assert "robust error" in ended.out
    assert json.loads((tmp_path / "sarif").read_bytes())["version"] == "2.1.0"
    assert "**1 of 2 gates failed.**" in (tmp_path / "markdown").read_text(encoding="utf-8")
    suite, gates = junitparser.JUnitXml.fromfile(str(tmp_path / "junit"))
    assert (suite.tests, suite.failures) == (6, 2)
    assert (gates.tests, gates.failures) == (2, 1)
    quiet = command(*words, *FAILS, "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (4, "", LINE)
    passed = command(*words, "--fail-over", "robust_error=0.5", "--quiet")
    assert (passed.code, passed.out, passed.err) == (0, "", "")


def test_json_has_the_outcomes(audited):
    words = ("audit", DIGITS, DIGITS_DATA, *EPS, "--json")
    ended = command(*words, *FAILS)
    assert (ended.code, ended.err) == (4, LINE)
    outcomes = json.loads(ended.out)["gates"]
    assert [one["passed"] for one in outcomes] == [False, True]
    assert "gates" not in json.loads(command(*words).out)
    again = command("check", audited, *FAILS, "--json")
    assert (again.code, again.err) == (4, LINE)
    assert json.loads(again.out) == outcomes


def test_a_folder_is_checked_as_its_run_was(audited, tmp_path):
    ended = command("check", audited, *FAILS, *reports(tmp_path))
    assert (ended.code, ended.err) == (4, LINE)
    assert ended.out == "passed: clean_error is 0.00%, not over 50.00%\n"
    assert f"onnx-lippa replay {audited}" in (tmp_path / "markdown").read_text(encoding="utf-8")
    assert command("check", audited, "--fail-over", "robust_error=0.4", "--quiet").code == 0
    assert_refused(command("check", audited), 2, "nothing to check")


def test_python_says_the_same(audited, tmp_path):
    _, x, y = digits()
    results = audit(DIGITS, x[:6], y[:6], eps=0.05)
    for source in (results, audited, str(audited)):
        found = check(source, fail_over=["robust_error.lower=0.1", "clean_error=0.5"])
        assert not found.passed
        assert found.failures[0].sentence == LINE.removeprefix("gate failed: ").strip()
        assert check(source, fail_under="robust=4", fail_on_unknown=True).passed
    groups = ["a", "b", "a", "b", "a", "b"]
    found = check(results, fail_over="robust_error@*=0.4", groups=groups)
    assert [one.passed for one in found.outcomes] == [True, True]
    with pytest.raises(InputError, match="2 groups"):
        check(results, groups=["a", "b"])
    write_reports(results, {"junit": tmp_path / "a.xml"}, found)
    (suite, gates) = junitparser.JUnitXml.fromfile(str(tmp_path / "a.xml"))
    assert (suite.failures, gates.failures) == (0, 0)


def test_groups_of_the_data(tmp_path):
    with np.load(DIGITS_DATA) as data:
        x, y = data["x"][:6], data["y"][:6]
    groups = np.array(["a", "b", "a", "b", "b", "b"])
    np.savez(tmp_path / "d.npz", x=x, y=y, groups=groups)
    words = ("audit", DIGITS, tmp_path / "d.npz", "--eps", "0.05", "--groups", "groups", "--quiet")
    out = tmp_path / "run"
    ended = command(*words, "--fail-over", "robust_error@*=0.3", "--out", out)
    assert ended.code == 4
    assert ended.err == (
        "gate failed: robust_error of a is 50.00%, over 30.00% by 20.00 percentage points\n"
    )
    again = command("check", out, "--fail-over", "robust_error@a=0.3", "--fail-over", "robust@b=9")
    assert (again.code, again.err) == (4, ended.err)
    assert_refused(command(*words, "--fail-over", "robust_error@c=0.3"), 2, "'a', 'b'")


def test_a_curve_is_checked_at_each_radius(tmp_path):
    words = ("attack", DIGITS, DIGITS_DATA, "--eps", "0.02,0.08", "--first", "6", *FEW)
    gate = ("--fail-over", "robust_error.lower=0.4")
    ended = command(*words, *gate, "--out", tmp_path / "curve", "--quiet")
    assert ended.code == 4
    assert ended.err.count("\n") == 1
    assert ended.err.startswith("gate failed: at eps 0.08: robust_error is at least")
    again = command("check", tmp_path / "curve", *gate)
    assert (again.code, again.err) == (4, ended.err)
    assert command("check", tmp_path / "curve", "--fail-over", "0.02:adversarial=2").code == 0
    same = command("check", tmp_path / "curve", "--against", tmp_path / "curve")
    assert same.code == 0
    assert same.out.splitlines() == [
        f"passed: at eps {eps}: none of 6 inputs is worse than in curve" for eps in (0.02, 0.08)
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("--fail-over", "robust=error"),
        ("--fail-over", "robust_eror=0.1"),
        ("--format", "xml=a.xml"),
        ("--against", "nowhere"),
        ("--fail-over", "0.01:robust_error=0.1"),
        ("--fail-over", "robust_error@women=0.1"),
    ],
)
def test_what_is_wrong_is_said_before_the_run(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    ended = command("audit", DIGITS, DIGITS_DATA, *EPS, "--out", tmp_path / "run", *words)
    assert_refused(ended, 2)
    assert not (tmp_path / "run").exists()


def test_gates_of_a_configuration_file(tmp_path):
    file = tmp_path / "gates.toml"
    file.write_text(
        f"model = {str(DIGITS)!r}\ndata = {str(DIGITS_DATA)!r}\neps = 0.05\nfirst = 6\n"
        'quiet = true\nfail-over = ["robust_error.lower=0.1", "clean_error=0.5"]\n'
        f'format = ["junit={tmp_path / "a.xml"}"]\n'
    )
    ended = command("audit", "--config", file)
    assert (ended.code, ended.out, ended.err) == (4, "", LINE)
    assert (tmp_path / "a.xml").exists()
    assert command("audit", "--config", file, "--fail-over", "robust_error=0.5").code == 0


# Two runs


@pytest.fixture(scope="module")
def weeks(tmp_path_factory):
    """Runs of two models over the same two inputs: the second model is worse on one."""
    folder = tmp_path_factory.mktemp("weeks")
    x = np.array([[0.9, 0.1], [0.1, 0.9]], dtype=np.float32)
    np.savez(folder / "data.npz", x=x, y=np.array([0, 1]))
    for name, bias in (("old", [0.0, 0.0]), ("new", [0.0, -0.75])):
        model = linear_file(folder, np.eye(2), np.array(bias), f"{name}.onnx")
        words = ("audit", model, folder / "data.npz", "--eps", "0.1", "--out", folder / name)
        assert command(*words).code == 0
    return folder


def test_diff(weeks):
    worse = command("diff", weeks / "old", weeks / "new")
    assert worse.code == 4
    assert worse.out.splitlines() == [
        "2 inputs, another model: 1 worse, 1 same",
        "worse: input 1 at eps 0.1: robust, now adversarial at distance 0.0902591 (class 1 becomes "
        "0)",
    ]
    assert worse.err == ""
    better = command("diff", weeks / "new", weeks / "old", "--json")
    assert better.code == 0
    assert json.loads(better.out)["better"] == 1
    same = command("diff", weeks / "old", weeks / "old", "--quiet")
    assert (same.code, same.out) == (0, "")
    assert [one.index for one in diff(weeks / "old", weeks / "new").worse] == [1]
    assert_refused(command("diff", weeks / "old", weeks), 2, "holds no run")


def test_not_worse_than_last_week(weeks):
    words = ("audit", weeks / "new.onnx", weeks / "data.npz", "--eps", "0.1", "--quiet")
    ended = command(*words, "--against", weeks / "old", "--format", f"junit={weeks / 'a.xml'}")
    assert ended.code == 4
    assert ended.err == (
        "gate failed: 1 of 2 inputs is worse than in old: input 1 at eps 0.1: robust, now "
        "adversarial at distance 0.0902591 (class 1 becomes 0)\n"
    )
    suite, _ = junitparser.JUnitXml.fromfile(str(weeks / "a.xml"))
    assert [case.is_failure for case in suite] == [False, True]
    assert command(*words, "--against", weeks / "new").code == 0
    other = (*words[:4], "0.2", "--quiet", "--against", weeks / "old")
    assert_refused(command(*other), 2, "no run at the radius 0.2")


# Endings


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_reports_after_an_interrupt_or_a_kill_and_a_resume(tmp_path, kind):
    out = tmp_path / "run"
    words = ("certify", DIGITS, DIGITS_DATA, "--eps", "0.05", "--first", "200", "--out", out,
             "--workers", "1", *reports(tmp_path))  # fmt: skip
    process = spawned(*words)
    wait_for(lambda: lines(out) >= 1, process)
    process.send_signal(kind)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert 1 <= lines(out) < 200
    if kind == signal.SIGINT:
        (suite,) = junitparser.JUnitXml.fromfile(str(tmp_path / "junit"))
        assert len(suite) == lines(out)
    assert command(*words).code == 0
    (suite,) = junitparser.JUnitXml.fromfile(str(tmp_path / "junit"))
    assert len({case.name for case in suite}) == 200, "none is lost"
    records = [json.loads(line) for line in (out / "results.jsonl").read_bytes().splitlines()]
    weak = sum(record["verdict"] != "robust" for record in records)
    assert len(json.loads((tmp_path / "sarif").read_bytes())["runs"][0]["results"]) == weak
    assert "| inputs | 200 of 200 |" in (tmp_path / "markdown").read_text(encoding="utf-8")


@pytest.mark.slow
def test_kills_at_any_moment_lose_no_case(tmp_path):
    """The files are whole at every moment, and hold every input in the end."""
    out, generator = tmp_path / "run", np.random.default_rng(0)
    words = ("certify", DIGITS, DIGITS_DATA, "--eps", "0.05", "--first", "200", "--out", out,
             "--workers", "1", "--quiet", *reports(tmp_path))  # fmt: skip
    kills = 0
    while kills < 12:
        process = spawned(*words)
        try:
            process.communicate(timeout=float(generator.uniform(1.0, 4.0)))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
        if (tmp_path / "junit").exists():
            assert len(next(iter(junitparser.JUnitXml.fromfile(str(tmp_path / "junit"))))) == 200
            if (tmp_path / "sarif").exists():
                assert json.loads((tmp_path / "sarif").read_bytes())["runs"]
            for name in ("junit", "sarif", "markdown"):
                (tmp_path / name).unlink(missing_ok=True)
            shutil.rmtree(out)
    assert command(*words).code == 0
    (suite,) = junitparser.JUnitXml.fromfile(str(tmp_path / "junit"))
    assert len({case.name for case in suite}) == 200


@pytest.mark.slow
def test_fifty_repeated_runs_raise_no_alarm(tmp_path, audited):
    """Gates at the figures of the first run, and the first run itself as the baseline."""
    summary = json.loads((audited / "summary.json").read_text())
    error = summary["robust_error"]
    gates = (
        "--against", audited, "--fail-on-unknown",
        "--fail-over", f"robust_error={error['upper']!r}",
        "--fail-under", f"robust_error={error['lower']!r}",
        "--fail-under", f"robust={summary['counts']['robust']}",
    )  # fmt: skip
    alarms = []
    for repeat in range(50):
        workers = str(1 + repeat % 2)
        ended = command("audit", DIGITS, DIGITS_DATA, *EPS, *gates, "--workers", workers, "--quiet")
        if ended.code != 0:
            alarms.append(ended.err)
    assert alarms == []
