"""JUnit, SARIF and Markdown, read by parsers and held against schemas of their consumers."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from functools import cache
from html import unescape
from typing import Any

import jsonschema
import junitparser
import pytest
from lxml import etree
from markdown_it import MarkdownIt
from sarif import loader

from onnx_lippa import InputError
from onnx_lippa.gates.gates import Gates
from onnx_lippa.gates.outcome import Check
from onnx_lippa.reports.table import FORMATS, parse_formats, write_reports
from tests.support.pages import find_class, parse_page, text_of
from tests.support.paths import ROOT
from tests.support.runs import made_record, made_run
from tests.support.sarif import sarif_validator

SCHEMA = ROOT / "tests" / "reports" / "junit.xsd"
RUN = made_run("MAARRRRRUU")
NASTY = "a|b <script>alert(1)</script> `x` \x1b[31m & \x00 ]]> é"
NAMES = [("plain", RUN), ("curve", made_run("AR", 0.01)), ("distances", made_run("AA", None))]


def rendered(name: str, runs: Any, check: Check | None = None) -> bytes:
    return FORMATS[name].render(runs, check or Check(()))


def failing() -> Check:
    return Gates.build(fail_over=["clean_error=0.05", "robust_error=1"]).check([RUN])


def passing() -> Check:
    return Gates.build(fail_over="robust_error=1").check([RUN])


def nasty() -> Any:
    records = [made_record(0, "A"), made_record(1, "U", reason=NASTY)]
    return made_run("", records=records, path=f"{NASTY}.onnx")


# JUnit


@cache
def junit_schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(SCHEMA))


@pytest.mark.parametrize(
    ("runs", "check"),
    [
        ([RUN], None),
        ([RUN], failing()),
        ([made_run("AR", 0.01), made_run("AA", 0.02)], None),
        ([made_run("AA", None, minimize=True)], None),
        ([nasty()], Gates.build(fail_on_unknown=True).check([nasty()])),
        ([made_run("")], None),
    ],
)
def test_junit_is_valid(runs, check):
    junit_schema().assertValid(etree.fromstring(rendered("junit", runs, check)))


def cases(content: bytes) -> dict[str, list[str]]:
    """For each test case what a CI system reads: passed, or the kinds of its results."""
    found = {}
    for suite in junitparser.JUnitXml.fromstring(content):
        for case in suite:
            kinds = [type(result).__name__.lower() for result in case.result]
            found[case.name] = kinds or ["passed"]
    return found


def test_each_input_is_a_test_case():
    content = rendered("junit", [RUN])
    found = cases(content)
    assert list(found.values()) == [["failure"]] * 3 + [["passed"]] * 5 + [["skipped"]] * 2
    assert list(found)[:2] == ["input 0 (class 0)", "input 1 (class 1)"]
    read = junitparser.JUnitXml.fromstring(content)
    read.update_statistics()
    (suite,) = read
    assert (suite.tests, suite.failures, suite.skipped, suite.errors) == (10, 3, 2, 0)
    tree = etree.fromstring(content)
    assert tree[0].attrib["failures"] == "3"
    assert tree[0].attrib["skipped"] == "2"
    assert "adversarial: class 1 becomes 2 at distance 0.05" in content.decode()


def test_gates_decide_what_fails():
    """There are failures exactly where the exit code is 4."""
    found = cases(rendered("junit", [RUN], failing()))
    assert [name for name, kinds in found.items() if kinds == ["failure"]] == [
        "input 0 (class 0)", "clean_error <= 5.00%",
    ]  # fmt: skip
    assert found["input 1 (class 1)"] == ["skipped"]
    assert found["robust_error <= 100.00%"] == ["passed"]
    assert ["failure"] not in cases(rendered("junit", [RUN], passing())).values()


def test_a_curve_is_a_suite_for_each_radius():
    runs = [made_run("AR", 0.01), made_run("AA", 0.02)]
    check = Gates.build(fail_over="0.02:adversarial=1").check(runs)
    suites = list(junitparser.JUnitXml.fromstring(rendered("junit", runs, check)))
    assert [suite.name for suite in suites] == [
        "audit of model.onnx within ℓ∞ distance 0.01",
        "audit of model.onnx within ℓ∞ distance 0.02",
        "gates",
    ]
    failed = [[bool(case.is_failure) for case in suite] for suite in suites]
    assert failed == [[False, False], [True, True], [True]]


def test_classes_have_their_names():
    run = replace(RUN, classes=("cat", "dog", "a|b"))
    assert "input 1 (class dog)" in cases(rendered("junit", [run]))
    for name in FORMATS:
        text = rendered(name, [run]).decode()
        assert "class cat is predicted as dog" in text
        assert "class dog becomes a" in text


# SARIF


@pytest.mark.parametrize(
    ("runs", "check"),
    [
        ([RUN], None),
        ([RUN], failing()),
        ([made_run("AR", 0.01), made_run("AA", 0.02)], None),
        ([made_run("AA", None, minimize=True)], None),
        ([nasty()], Gates.build(fail_on_unknown=True).check([nasty()])),
        ([made_run("RR")], None),
    ],
)
def test_sarif_is_valid(runs, check):
    log = json.loads(rendered("sarif", runs, check))
    sarif_validator().validate(log)
    for run in log["runs"]:
        ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        for result in run["results"]:
            assert ids[result["ruleIndex"]] == result["ruleId"]
            assert (result["level"] == "none") == (result["kind"] != "fail"), "section 3.27.10"
            uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
            assert " " not in uri
            assert result["partialFingerprints"]


def test_the_schema_refuses_what_is_wrong():
    log = json.loads(rendered("sarif", [RUN]))
    log["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(jsonschema.ValidationError):
        sarif_validator().validate(log)
    tree = etree.fromstring(rendered("junit", [RUN]))
    del tree[0].attrib["hostname"]
    assert not junit_schema().validate(tree)


def test_sarif_is_read_by_a_tool(tmp_path):
    path = tmp_path / "found.sarif"
    path.write_bytes(rendered("sarif", [RUN], failing()))
    file = loader.load_sarif_file(str(path))
    counts = {level: len(file.get_records()) for level in ("all",)}
    assert counts == {"all": 6}, "three broken, two unknown, one gate"
    levels = [record["Severity"] for record in file.get_records()]
    assert sorted(levels) == ["error", "error", "none", "none", "note", "note"]


def test_fingerprints_follow_the_input_and_not_its_place():
    def prints(run):
        results = json.loads(rendered("sarif", [run]))["runs"][0]["results"]
        return [one["partialFingerprints"]["input/v1"] for one in results]

    assert len(set(prints(RUN))) == 5
    assert prints(made_run("MAARRRRRUU", path="moved.onnx")) == prints(RUN)


# Markdown


def test_markdown_is_a_summary():
    text = rendered("markdown", [RUN], failing()).decode()
    assert text.startswith("## onnx-lippa: model.onnx\n\n**1 of 2 gates failed.**\n")
    assert "| robust error | 30.00% to 50.00% |" in text
    assert "| unknown | 2 |" in text
    assert "**failed**" in text
    assert "3 broken inputs" in text
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert html.count("<table>") == 4
    assert "clean_error is 10.00%, over 5.00%" in html
    named = made_run("A", name="runs/today")
    assert "`onnx-lippa replay runs/today`" in rendered("markdown", [named]).decode()


def test_names_cannot_write_markdown():
    check = Gates.build(fail_on_unknown=True).check([nasty()])
    text = rendered("markdown", [nasty()], check).decode()
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert "<script" not in html
    assert "\x1b" not in html
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    assert {row.count("<td") + row.count("<th") for row in rows} == {2, 3}
    assert "a|b &lt;script&gt;" in html


@pytest.mark.parametrize("folder", ["runs/a run", "`x`", "it's; ls"])
def test_the_command_of_a_replay_is_one_of_a_shell(folder):
    run = made_run("A", name=folder)
    said = etree.fromstring(rendered("junit", [run])).findtext(".//system-out")
    assert shlex.split(said) == ["onnx-lippa", "replay", folder]
    html = MarkdownIt().render(rendered("markdown", [run]).decode())
    (code,) = re.findall("<code>(.*?)</code>", html)
    assert shlex.split(unescape(code)) == ["onnx-lippa", "replay", folder]
    page = parse_page(rendered("html", [run]).decode())
    for verb in ("rerun", "replay"):
        (line,) = find_class(page, "code", verb)
        assert shlex.split(text_of(line)) == ["onnx-lippa", verb, folder]


# Files


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["junit"], "FORMAT=FILE"),
        (["junit="], "FORMAT=FILE"),
        (["xml=a"], "junit, sarif, markdown, html"),
        (["junit=a", "junit=b"], "given twice"),
    ],
)
def test_formats_that_are_not_understood(tmp_path, monkeypatch, texts, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said):
        parse_formats(texts)


def test_files_are_written_where_they_are_wanted(tmp_path):
    wanted = {name: tmp_path / "new" / f"{name}.out" for name in ("junit", "sarif", "markdown")}
    write_reports([RUN], wanted)
    for path in wanted.values():
        assert path.stat().st_size > 100
    with pytest.raises(InputError, match="cannot be written"):
        write_reports([RUN], {"junit": tmp_path})
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        write_reports([RUN], {"junit": tmp_path / "file" / "a.xml"})
