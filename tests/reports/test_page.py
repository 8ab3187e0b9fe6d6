"""The page: what it says of real runs, and that it is one sound HTML file."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

import onnx_lippa
from onnx_lippa import InputError
from onnx_lippa.gates.gates import Gates
from onnx_lippa.gates.outcome import Check
from onnx_lippa.reports.html import render
from onnx_lippa.runs.finished import FinishedRun
from onnx_lippa.witness import Witness
from tests.support.attacks import DIGITS, digits
from tests.support.commands import assert_refused, command
from tests.support.folders import read_records
from tests.support.pages import (
    SVG,
    figures_on,
    find_class,
    numbers_in,
    parse_page,
    read_page,
    text_of,
)
from tests.support.runs import made_record, made_run

NASTY = 'a"b</script><img src=x onerror=alert(1)> $x$ \x1b[31m é'


def made_page(*runs, check=None):
    return parse_page(render(runs, check or Check(())).decode())


@pytest.fixture(scope="module")
def pages(tmp_path_factory, image_run, table_run, curve_run, distance_run):
    """The path of each page, and the folders of its runs."""
    folder = tmp_path_factory.mktemp("pages")
    radii = sorted(path for path in curve_run.iterdir() if path.is_dir())
    made = {
        "images": ([image_run], [image_run]),
        "table": ([table_run], [table_run]),
        "curve": ([curve_run], radii),
        "distance": ([distance_run], [distance_run]),
        "both": ([image_run, table_run, curve_run], [image_run, table_run, *radii]),
    }
    for name, (runs, _) in made.items():
        ended = command("report", *runs, "--out", folder / f"{name}.html")
        assert (ended.code, ended.err) == (0, "")
        assert ended.out == f"written to {folder / name}.html\n"
    return {name: (folder / f"{name}.html", parts) for name, (_, parts) in made.items()}


@pytest.mark.parametrize("name", ["images", "table", "curve", "distance", "both"])
def test_every_figure_is_that_of_the_summary(pages, name):
    path, parts = pages[name]
    page = read_page(path)
    stated = figures_on(page)
    assert len(stated) == len(parts)
    for run, part in zip(stated.values(), parts, strict=True):
        expected = dict(numbers_in(json.loads((part / "summary.json").read_bytes())))
        assert len(expected) > 20
        assert run == {figure: {value} for figure, value in expected.items()}


@pytest.mark.parametrize("name", ["images", "table", "curve", "distance", "both"])
def test_a_page_is_one_file_that_loads_nothing(pages, name):
    content = pages[name][0].read_text()
    page = parse_page(content)
    for one in page.iter():
        for attribute in ("src", "href", "{http://www.w3.org/1999/xlink}href", "action"):
            address = one.get(attribute, "#")
            assert address.startswith(("#", "data:")), address
    assert not re.search(r"@import|url\((?!#)", content)
    names = Counter(one.get("id") for one in page.iter() if one.get("id"))
    assert set(names.values()) == {1}, names.most_common(3)
    for one in page.iter():
        for anchor in re.findall(r"url\(#([^)]*)\)", " ".join(one.attrib.values())):
            assert anchor in names
        link = one.get("href", "") or one.get("{http://www.w3.org/1999/xlink}href", "")
        if link.startswith("#"):
            assert link[1:] in names


def test_the_verdict_comes_first(pages):
    path, (folder,) = pages["table"]
    error = json.loads((folder / "summary.json").read_bytes())["robust_error"]
    assert error["lower"] < error["upper"], "the test needs unknown inputs"
    main = next(read_page(path).iter("main"))
    first, second = list(main)[:2]
    assert f"lies between {error['lower']:.2%} and {error['upper']:.2%}" in text_of(first)
    assert next(first.iter(f"{SVG}svg")).get("role") == "img"
    assert "What could make this mean less" in text_of(second)


def test_all_sections_of_images(pages, image_run):
    page = read_page(pages["images"][0])
    said = text_of(page)
    for title in (
        "Which method settled what", "Time to success", "Distances of the adversarial examples",
        "True and adversarial class", "Verdicts of each class", "Adversarial examples",
        "Hardest inputs and nearest misses", "What unknown means here", "All inputs",
        "How to repeat it", "Settings", "Digests", "Versions",
    ):  # fmt: skip
        assert title in said, title
    examples = find_class(page, "ul", "gallery")[0]
    broken = {
        record["index"]: record
        for record in read_records(image_run / "results.jsonl")
        if record["verdict"] == "adversarial"
    }
    assert len(list(examples)) == min(12, len(broken))
    for one in examples:
        record = broken[int(one.get("id", "").split("-")[-1])]
        assert f"{record['label']} → {record['target']}" in text_of(one)
        images = list(one.iter("img"))
        assert len(images) == 3
        assert all(image.get("src", "").startswith("data:image/png;base64,") for image in images)
    assert "Most-moved features" not in said


def test_tables_show_the_features_that_move(pages, table_run):
    page = read_page(pages["table"][0])
    assert not list(page.iter("img"))
    run = FinishedRun.read(table_run)
    assert run.clean is not None
    places = {record.index: place for place, record in enumerate(run.records)}
    moves = np.array([run.clean[places[i]] - w.x for i, w in run.witnesses.items()], np.float64)
    means = np.abs(moves).mean(axis=0)
    heads = [h for h in page.iter("h3") if text_of(h) == "Most-moved features"]
    assert len(heads) == 1
    (section,) = [
        part for part in find_class(page, "section", "part") if heads[0] in list(part.iter("h3"))
    ]
    rows = [[text_of(cell) for cell in row] for row in section.iter("tr")][1:]
    assert rows[0][0] == f"feature {int(means.argmax())}"
    assert float(rows[0][1]) == pytest.approx(means.max(), rel=1e-3)
    assert len(rows) == 20


def test_a_table_of_all_inputs(pages, table_run):
    (table,) = find_class(read_page(pages["table"][0]), "table", "inputs")
    rows = [[text_of(cell) for cell in row] for row in table.iter("tr")][1:]
    records = sorted(read_records(table_run / "results.jsonl"), key=lambda one: one["index"])
    assert [int(row[0]) for row in rows] == [one["index"] for one in records]
    assert [row[3] for row in rows] == [one["verdict"] for one in records]
    unknown = next(one for one in records if one["verdict"] == "unknown")
    assert unknown["reason"] in rows[records.index(unknown)][8]


def test_a_curve_is_drawn_and_compared(pages):
    page = read_page(pages["curve"][0])
    said = text_of(page)
    assert "Robust error against eps" in said
    for name in ("curve/eps-0.02", "curve/eps-0.06", "curve/eps-0.1"):
        assert name in said
    assert "No two of these runs" in said
    distance = text_of(read_page(pages["distance"][0]))
    assert "Robust error against eps" in distance
    assert "The minimal ℓ∞ distortion" in distance


def test_runs_of_the_same_inputs_are_compared_one_by_one():
    before, after = made_run("AURM", name="old"), made_run("ARUM", name="new")
    page = made_page(before, after)
    (table,) = [t for t in page.iter("table") if "inputs that stand worse" in text_of(t)]
    row = [text_of(cell) for cell in list(table.iter("tr"))[1]]
    assert row == ["old", "new", "1", "1", "2", "2"]


def test_what_others_wrote_is_text():
    records = [made_record(0, "A"), made_record(1, "U", reason=NASTY)]
    run = made_run("", records=records, path=f"{NASTY}.onnx", name=NASTY, groups=[NASTY, "b"])
    page = made_page(run)
    assert not [one for one in page.iter("img") if one.get("src") == "x"]
    assert len(list(page.iter("script"))) == 1
    assert "alert(1)" in text_of(page)
    assert "\x1b" not in text_of(page)


def test_groups_have_figures_of_their_own():
    run = made_run("AARR", groups=["north", "north", "south", "south"])
    page = made_page(run)
    (table,) = [table for table in page.iter("table") if text_of(next(table.iter("th"))) == "group"]
    rows = [[text_of(cell) for cell in row] for row in table.iter("tr")][1:]
    assert rows[0][:5] == ["north", "2", "0.00%", "100.00%", "100.00%"]
    assert rows[1][:5] == ["south", "2", "0.00%", "0.00%", "0.00%"]
    assert "Verdicts of each group" in text_of(page)
    assert "Verdicts of each group" not in text_of(made_page(made_run("AARR")))


def test_gates_stand_above_the_verdict():
    run = made_run("MAARRRRRUU")
    failed = Gates.build(fail_over=["clean_error=0.05", "robust_error=1"]).check([run])
    (box,) = find_class(made_page(run, check=failed), "div", "gates")
    assert "1 of 2 gates failed." in text_of(box)
    passed = Gates.build(fail_over="robust_error=1").check([run])
    (box,) = find_class(made_page(run, check=passed), "div", "gates")
    assert "All gates passed." in text_of(box)


@pytest.mark.parametrize("letters", ["", "M", "A", "R", "U", "AAAA", "RRRR"])
@pytest.mark.parametrize("eps", [0.05, None])
def test_a_page_of_any_run(letters, eps):
    page = made_page(made_run(letters, eps, minimize=eps is None))
    assert f"on {len(letters)} input" in text_of(next(page.iter("main")))


def test_a_run_of_another_version_has_a_page():
    run = made_run("AR", name="last-year")
    old = replace(run.identity, options="Pgd: steps=40; Budget: seed=0", version="0.0.9")
    text = text_of(made_page(replace(run, identity=old)))
    assert "This run has options of onnx-lippa 0.0.9" in text
    assert "Pgd: steps=40" in text  # among the settings
    assert "onnx-lippa audit" not in text
    assert "onnx-lippa audit model.onnx" in text_of(made_page(run))


def test_many_inputs_leave_out_what_is_proven():
    page = made_page(made_run("R" * 2500 + "AU"))
    (table,) = find_class(page, "table", "inputs")
    verdicts = Counter(row.get("data-verdict") for row in table.iter("tr"))
    assert verdicts["adversarial"] == verdicts["unknown"] == 1
    assert verdicts["robust"] == 1998
    assert "502 inputs that are proven robust are left out" in text_of(page)


def test_memory_and_folder_give_the_same_page(tmp_path):
    _, x, y = digits()
    results = onnx_lippa.attack(DIGITS, x[:8], y[:8], eps=0.08, restarts=1, out=tmp_path / "run")
    kept = onnx_lippa.report(results, out=tmp_path / "memory.html")
    assert kept == tmp_path / "memory.html"
    onnx_lippa.report(tmp_path / "run", out=tmp_path / "folder.html")
    here, there = read_page(kept), read_page(tmp_path / "folder.html")
    assert list(figures_on(here).values()) == list(figures_on(there).values())
    assert text_of(next(here.iter("main")))[:200] == text_of(next(there.iter("main")))[:200]
    again = onnx_lippa.report(results, out=tmp_path / "again.html")
    assert again.read_bytes() == kept.read_bytes()


def test_results_of_a_curve_in_memory(tmp_path):
    _, x, y = digits()
    curve = onnx_lippa.attack(DIGITS, x[:4], y[:4], eps=[0.1, 0.05], restarts=1)
    page = read_page(onnx_lippa.report(curve, out=tmp_path / "page.html"))
    assert list(figures_on(page)) == ["eps 0.05", "eps 0.1"]


def test_single_figures(tmp_path, image_run):
    out, png = tmp_path / "page.html", tmp_path / "deep" / "png"
    ended = command("report", image_run, "--out", out, "--png", png)
    names = {path.name for path in png.iterdir()}
    assert {"interval.png", "methods-1.png", "times-1.png", "confusion-1.png"} <= names
    assert ended.out.endswith(f"{len(names)} figures in {png}\n")
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in png.iterdir())


def test_runs_that_cannot_be_reported(tmp_path, image_run):
    assert_refused(command("report", tmp_path, "--out", tmp_path / "p.html"), 2, "holds no run")
    (tmp_path / "file").touch()
    words = ("report", image_run, "--out", tmp_path / "file" / "page.html")
    assert_refused(command(*words), 2, "--out")
    with pytest.raises(InputError, match="no run"):
        onnx_lippa.report(out=tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_without_the_extra_one_sentence_says_what_to_install(tmp_path, image_run, monkeypatch):
    monkeypatch.setattr(
        "onnx_lippa.reports.writing.find_spec",
        lambda name: None if name == "matplotlib" else find_spec(name),
    )
    advice = "pip install 'onnx-lippa[report]'"
    assert_refused(command("report", image_run), 2, "matplotlib", advice)
    assert_refused(command("export", image_run, "--images", tmp_path), 2, advice)


def test_a_run_whose_data_is_gone_has_a_page():
    run = replace(made_run("AR"), clean=None)
    said = text_of(made_page(run))
    assert "The data of the run is not found" in said
    assert "Adversarial examples" not in said.split("All inputs")[0].split("Classes")[1]


def test_classes_and_features_have_their_names():
    run = replace(made_run("AAR"), classes=("cat", "dog", NASTY), features=("age", "income"))
    x = np.array([0.5, 0.5], np.float32)
    run = replace(run, witnesses={0: Witness(x, np.zeros(3, np.float32), 0.5)})
    page = made_page(run)
    (table,) = find_class(page, "table", "inputs")
    assert [text_of(cell) for cell in list(table.iter("tr"))[1]][1:5:3] == ["cat", "dog"]
    (example,) = list(find_class(page, "ul", "gallery")[0])
    assert "cat → dog" in text_of(example)
    assert [text_of(cell) for cell in list(example.iter("tr"))[1]] == ["age", "0", "0.5", "+0.5"]
