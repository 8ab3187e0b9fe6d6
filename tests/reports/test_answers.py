"""Reports, gates and comparisons of answers to properties."""

from __future__ import annotations

import json
from dataclasses import replace

import junitparser
import pytest
from lxml import etree
from markdown_it import MarkdownIt
from sarif import loader

import onnx_lippa
from onnx_lippa import InputError
from onnx_lippa.gates.answers import AnswerGates
from onnx_lippa.gates.outcome import Check
from onnx_lippa.reports.table import FORMATS
from onnx_lippa.runs.properties.answers import ANSWERS, Answers
from onnx_lippa.runs.properties.instances import Instance, InstanceResult
from tests.support.browser import needs_browser, offline_page, opened_browser
from tests.support.commands import assert_refused, command
from tests.support.graphs import graph_model, node, saved
from tests.support.paths import ROOT
from tests.support.sarif import sarif_validator
from tests.support.vnnlib import SAT, UNSAT

FILES = {"sarif": "sarif.sarif"}  # the tool that reads it looks at the name
JUNIT_SCHEMA = ROOT / "tests" / "reports" / "junit.xsd"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers")
    saved(graph_model([node("Relu", "x", "y")], (2,)), folder, "net.onnx")
    (folder / "sat.vnnlib").write_text(SAT)
    (folder / "unsat.vnnlib").write_text(UNSAT)
    (folder / "list.csv").write_text(
        "net.onnx,sat.vnnlib,20\nnet.onnx,unsat.vnnlib,20\nnet.onnx,none.vnnlib,20\n"
    )
    return folder


@pytest.fixture(scope="module")
def reported(files, tmp_path_factory):
    """A list with reports and failed gates, as a command leaves it."""
    out = tmp_path_factory.mktemp("reported")
    reports = [
        word for name in FORMATS for word in ("--format", f"{name}={out / FILES.get(name, name)}")
    ]
    gates = ("--fail-over", "sat=0", "--fail-over", "open_share=50%", "--fail-on-unknown")
    words = ("certify", "--instances", files / "list.csv", "--out", out / "folder")
    return out, command(*words, *reports, *gates, "--quiet")


def test_gates_fail_with_code_4_and_say_why(reported):
    _, ended = reported
    assert ended.code == 4
    first, second = ended.err.splitlines()
    assert first == "gate failed: sat is at most 2, over 0 by 2 (1 sat, 1 open)"
    assert "1 of 3 instances are not decided: net.onnx with none.vnnlib is error" in second


def test_junit_and_sarif(reported):
    out, _ = reported
    suite, gates = junitparser.JUnitXml.fromfile(str(out / "junit"))
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (3, 2, 0, 0)
    assert (gates.tests, gates.failures) == (3, 2)
    results = json.loads((out / "sarif.sarif").read_bytes())["runs"][0]["results"]
    assert [one["ruleId"] for one in results] == ["sat", "error", "gate", "gate"]
    assert "**2 of 3 gates failed.**" in (out / "markdown").read_text()
    plain = out / "plain.xml"
    assert command("check", out / "folder", "--format", f"junit={plain}").code == 0
    (suite,) = junitparser.JUnitXml.fromfile(str(plain))
    assert (suite.failures, suite.errors) == (1, 1)


NASTY = "a|b <script>alert(1)</script> `x` \x1b[31m & \x00 ]]> é"


def nasty():
    """Answers of each kind, whose names and notes write markup."""
    results = [
        InstanceResult(
            Instance(f"{NASTY}.onnx", f"{place} {NASTY}.vnnlib", 20.0), answer, 1.0, 0.1, "", 0,
            "" if answer in ("sat", "unsat") else NASTY,
            counterexample="((X_0 0.5)\n(Y_0 1.0))" if answer == "sat" else "",
        )
        for place, answer in enumerate(ANSWERS)
    ]  # fmt: skip
    return Answers.of(results)


@pytest.mark.parametrize("kind", ["plain", "gates", "nasty", "interrupted"])
def test_junit_and_sarif_are_valid(reported, kind):
    answers = nasty() if kind == "nasty" else Answers.read(reported[0] / "folder")
    if kind == "interrupted":
        answers = replace(answers, results={0: answers.results[0]})
    gates = AnswerGates.build(fail_over=["sat=0", "open_share=1"], fail_on_unknown=True)
    check = Check(()) if kind == "plain" else gates.check(answers)
    junit = FORMATS["junit"].render_answers(answers, check)
    etree.XMLSchema(etree.parse(JUNIT_SCHEMA)).assertValid(etree.fromstring(junit))
    log = json.loads(FORMATS["sarif"].render_answers(answers, check))
    sarif_validator().validate(log)
    (run,) = log["runs"]
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert run["results"]
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert (result["level"] == "none") == (result["kind"] != "fail"), "section 3.27.10"
        assert " " not in result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert result["partialFingerprints"]
    text = FORMATS["markdown"].render_answers(answers, check).decode()
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert "<script" not in html
    assert "\x1b" not in html
    page = FORMATS["html"].render_answers(answers, check).decode()
    assert "<script>alert" not in page


def test_sarif_is_read_by_a_tool(reported):
    file = loader.load_sarif_file(str(reported[0] / "sarif.sarif"))
    assert len(file.get_records()) == 4, "a counterexample, an error, two gates"


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (["error"], "1 instance was not answered because of an error"),
        (["timeout", "timeout", "sat"], "2 instances are without an answer in its time"),
        (["unknown", "unsat"], "1 instance is unknown, which says nothing of the property."),
    ],
)
def test_the_page_counts_in_sentences(answers, said):
    results = [
        InstanceResult(Instance("net.onnx", f"{i}.vnnlib", 20.0), one, 1.0, 0.1, "", 0, "")
        for i, one in enumerate(answers)
    ]
    page = FORMATS["html"].render_answers(Answers.of(results), Check(())).decode()
    assert said in page
    assert " 1 are " not in page
    assert "Nothing was tried to be proven" not in page  # no options are known


@pytest.mark.parametrize("verb", ["attack", "certify"])
def test_the_page_of_a_command_knows_its_folder(files, tmp_path, verb):
    out, page = tmp_path / "out", tmp_path / "page.html"
    words = (verb, files / "net.onnx", "--property", files / "sat.vnnlib", "--out", out)
    assert command(*words, "--format", f"html={page}").code == 0
    text = page.read_text()
    assert "These answers have no folder" not in text
    for line in (f"onnx-lippa rerun {out}", f"onnx-lippa replay {out}"):
        assert line in text
    assert ("Nothing was tried to be proven" in text) == (verb == "attack")


def test_gates_of_one_property(files):
    words = ("certify", files / "net.onnx", "--property", files / "sat.vnnlib")
    assert command(*words).code == 0
    assert command(*words, "--fail-on-unknown").code == 0
    ended = command(*words, "--fail-over", "sat.lower=0")
    assert (ended.code, ended.err) == (4, "gate failed: sat.lower is 1, over 0 by 1\n")
    refused = command(*words, "--fail-over", "robust_error=0")
    assert_refused(refused, 2, "answers to properties have no 'robust_error'")


def test_lists_are_compared(files, reported, tmp_path):
    folder = reported[0] / "folder"
    assert command("diff", folder, folder).code == 0
    ended = command("attack", "--instances", files / "list.csv", "--out", tmp_path / "attacked")
    assert ended.code == 0
    found = onnx_lippa.diff(folder, tmp_path / "attacked")
    assert found.headline.endswith("model: 3 same")  # what was proven of the model holds
    saved(graph_model([node("Neg", "x", "y")], (2,)), tmp_path, "net.onnx")
    for name in ("sat", "unsat"):
        (tmp_path / f"{name}.vnnlib").write_text((files / f"{name}.vnnlib").read_text())
    (tmp_path / "list.csv").write_text("net.onnx,sat.vnnlib,20\nnet.onnx,unsat.vnnlib,20\n")
    words = ("certify", "--instances", tmp_path / "list.csv", "--out", tmp_path / "other")
    assert command(*words, "--quiet").code == 0
    back = command("diff", tmp_path / "other", folder)
    assert back.code == 4
    assert "worse: net.onnx with sat.vnnlib: unsat, now sat" in back.out
    against = command(*words, "--against", folder)
    assert against.code == 4  # the instance with the error has no answer any more
    with pytest.raises(InputError, match="no run"):
        onnx_lippa.diff(onnx_lippa.answer_instances(files / "list.csv", workers=1), "nowhere")


def test_python_has_the_same(files, tmp_path):
    answers = onnx_lippa.answer_instances(files / "list.csv", workers=1)
    gates = onnx_lippa.check(answers, fail_under="unsat=2")
    assert not gates.passed
    onnx_lippa.write_reports(answers, {"junit": tmp_path / "j.xml"}, gates)
    suite, _ = junitparser.JUnitXml.fromfile(str(tmp_path / "j.xml"))
    assert suite.failures == 2  # all but the one that is proven


@needs_browser
def test_the_page_in_a_browser(reported, tmp_path):
    folder = reported[0] / "folder"
    ended = command("report", folder, "--out", tmp_path / "page.html")
    assert (ended.code, ended.err) == (0, "")
    faults: list[str] = []
    with opened_browser() as browser:
        page = offline_page(browser, faults, viewport={"width": 1280, "height": 900})
        page.goto((tmp_path / "page.html").as_uri())
        assert "1 is met by some input, 1 by none" in page.inner_text("#verdict")
        rows = page.locator("#instances tbody tr:visible")
        assert rows.count() == 3
        page.locator("select[name=verdict]").select_option("sat")
        assert rows.count() == 1
        page.locator("select[name=verdict]").select_option("all")
        heads = page.locator("#instances thead th")
        for column, wanted in ((3, ["error", "sat", "unsat"]), (0, ["0", "1", "2"])):
            cells = page.locator(f"#instances tbody tr td:nth-child({column + 1})")
            heads.nth(column).locator("[role=button]").click()
            assert [one.strip() for one in cells.all_inner_texts()] == wanted
            heads.nth(column).locator("[role=button]").click()
            assert [one.strip() for one in cells.all_inner_texts()] == wanted[::-1]
        page.set_viewport_size({"width": 400, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        assert page.locator("#counterexamples tbody tr").count() == 4
        assert "X_0" in page.inner_text("#counterexamples")
        page.close()
    assert faults == []
