"""The page in a real browser: it complains of nothing, filters, sorts, fits, prints."""

from __future__ import annotations

import json

import pytest

import onnx_lippa
from tests.support.browser import needs_browser, offline_page, opened_browser
from tests.support.folders import read_records
from tests.support.pages import numbers_in

pytestmark = needs_browser

SHOWN = "rows => rows.filter(row => row.checkVisibility()).map(row => row.cells[0].textContent)"
COLUMN = "(rows, column) => rows.map(row => row.cells[column].dataset.value)"


@pytest.fixture(scope="module")
def browser():
    with opened_browser() as started:
        yield started


@pytest.fixture(scope="module")
def page_file(tmp_path_factory, image_run, table_run):
    out = tmp_path_factory.mktemp("browser") / "page.html"
    return onnx_lippa.report(image_run, table_run, out=out)


@pytest.fixture
def page(browser, page_file):
    faults: list[str] = []
    page = offline_page(browser, faults, viewport={"width": 1280, "height": 900})
    page.goto(page_file.as_uri())
    yield page
    page.close()
    assert faults == []


def records_of(folder):
    return sorted(read_records(folder / "results.jsonl"), key=lambda one: one["index"])


def test_figures_are_those_of_the_summaries(page, image_run, table_run):
    found = page.eval_on_selector_all(
        "data", "all => all.map(one => [one.dataset.run, one.dataset.figure, Number(one.value)])"
    )
    runs = list(dict.fromkeys(run for run, *_ in found))
    for run, folder in zip(runs, (image_run, table_run), strict=True):
        expected = dict(numbers_in(json.loads((folder / "summary.json").read_bytes())))
        assert {(name, value) for of, name, value in found if of == run} == set(expected.items())


def test_inputs_are_filtered(page, table_run):
    records = records_of(table_run)
    rows, section = (
        "#inputs-2 tbody tr",
        page.locator("section.part", has=page.locator("#inputs-2")),
    )
    assert len(page.eval_on_selector_all(rows, SHOWN)) == len(records)
    for verdict in ("unknown", "robust", "adversarial"):
        section.locator("select[name=verdict]").select_option(verdict)
        wanted = [str(one["index"]) for one in records if one["verdict"] == verdict]
        assert wanted
        assert page.eval_on_selector_all(rows, SHOWN) == wanted
        said = section.locator("output").inner_text()
        assert said == f"{len(wanted)} of {len(records)} shown"
    section.locator("select[name=verdict]").select_option("all")
    section.locator("select[name=label]").select_option("3")
    wanted = [str(one["index"]) for one in records if one["label"] == 3]
    assert page.eval_on_selector_all(rows, SHOWN) == wanted
    section.locator("input[name=text]").fill("robust LINEAR")
    wanted = [
        str(one["index"])
        for one in records
        if one["label"] == 3 and one["proved_by"] == "linear" and one["verdict"] == "robust"
    ]
    assert page.eval_on_selector_all(rows, SHOWN) == wanted
    # The table of the other run is not filtered.
    other = page.eval_on_selector_all("#inputs-1 tbody tr", SHOWN)
    assert len(other) == 24


def test_inputs_are_sorted(page, table_run):
    rows = "#inputs-2 tbody tr"
    button = page.locator("#inputs-2 thead th").nth(9).get_by_role("button")
    button.click()
    seconds = [float(value) for value in page.eval_on_selector_all(rows, COLUMN, 9)]
    assert seconds == sorted(one["seconds"] for one in records_of(table_run))
    button.click()
    assert [float(v) for v in page.eval_on_selector_all(rows, COLUMN, 9)] == seconds[::-1]
    assert page.locator("#inputs-2 th[aria-sort]").count() == 1
    page.locator("#inputs-2 thead th").nth(5).get_by_role("button").click()
    distances = page.eval_on_selector_all(rows, COLUMN, 5)
    known = [float(value) for value in distances if value]
    assert known == sorted(known)
    assert not any(distances[len(known) :]), "inputs without a distance come last"


def test_without_script_all_is_there(browser, page_file, table_run):
    page = offline_page(browser, [], java_script_enabled=False)
    page.goto(page_file.as_uri())
    assert page.locator("#inputs-2 tbody tr").count() == len(records_of(table_run))
    assert not page.locator("form.filter").first.is_visible()
    assert page.locator("figure svg").first.is_visible()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 800, 1600])
def test_the_page_fits(browser, page_file, scheme, width):
    faults: list[str] = []
    viewport = {"width": width, "height": 800}
    page = offline_page(browser, faults, viewport=viewport, color_scheme=scheme)
    page.goto(page_file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = page.evaluate("getComputedStyle(document.querySelector('figure text')).fill")
    light, dark = sum(map(int, paper[4:-1].split(","))), sum(map(int, ink[4:-1].split(",")))
    assert (light > dark + 400) if scheme == "light" else (dark > light + 400)
    page.close()
    assert faults == []


def test_print_shows_what_is_folded_and_no_controls(page):
    folded = page.locator("details td").first
    assert not folded.is_visible()
    page.emulate_media(media="print")
    assert not page.locator("form.filter").first.is_visible()
    assert folded.bounding_box()["height"] > 0
    table = page.locator("#inputs-2").bounding_box()
    assert page.locator(".scroll.tall").nth(1).bounding_box()["height"] >= table["height"]
    assert page.pdf().startswith(b"%PDF")
