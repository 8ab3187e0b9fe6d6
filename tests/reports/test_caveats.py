"""What could make a result mean less: each caveat is raised where it should be, and only there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from onnx_lippa import DataOptions
from onnx_lippa.ending import Ending
from onnx_lippa.reports.page.reported import ReportedRun
from onnx_lippa.reports.page.sections.caveats import Level, find_caveats
from onnx_lippa.runs.finished import FinishedRun
from onnx_lippa.spec import InputSpecification
from onnx_lippa.witness import FoundBy, ProvedBy
from tests.support.runs import made_record, made_run

SOUND = "A" * 30 + "R" * 90


def with_figures(run: FinishedRun, **figures: Any) -> FinishedRun:
    return replace(run, figures={**run.figures, **figures})


def sound(letters: str = SOUND, **changes: Any) -> FinishedRun:
    """A run without a caveat: labelled, many inputs of each class, wide margins."""
    records = [made_record(i, letter) for i, letter in enumerate(letters)]
    records = [
        replace(one, bound=0.5) if one.proved_by is not ProvedBy.NOTHING else one for one in records
    ]
    run = made_run(letters, records=changes.pop("records", records), **changes)
    broken = run.figures["counts"]["adversarial"]
    found_by = dict.fromkeys(run.figures["found_by"], 0) | {"gradient": broken}
    return replace(with_figures(run, found_by=found_by), are_labelled=True)


def raised(run: FinishedRun) -> dict[str, tuple[Level, str]]:
    caveats = find_caveats(ReportedRun(1, "run", "", run))
    return {one.title: (one.level, one.found) for one in caveats if one.level is not Level.FINE}


def test_a_sound_run_raises_nothing():
    assert raised(sound()) == {}


def one_class() -> FinishedRun:
    return sound(records=[made_record(i, "R", label=1, prediction=1, bound=1) for i in range(120)])


def crashed() -> FinishedRun:
    ending = {"ending": Ending.CRASHED, "reason": "its process ended unexpectedly"}
    return sound(records=[made_record(0, "U", **ending), *sound().records[1:]])


def repeated() -> FinishedRun:
    run = sound()
    assert run.clean is not None
    clean = run.clean.copy()
    clean[5] = clean[3]
    return replace(run, clean=clean)


def features(**values: Any) -> FinishedRun:
    return sound(features=InputSpecification(eps=values.pop("eps", 0.05), **values))


def thin() -> FinishedRun:
    return sound(records=[*sound().records[:-1], made_record(119, "R", bound=1e-7)])


def solver_word() -> FinishedRun:
    run = sound()
    return with_figures(run, proved_by={**run.figures["proved_by"], "mip": 7})


@pytest.mark.parametrize(
    ("run", "title", "level", "words"),
    [
        (sound(requested=200), "Finished", Level.PROBLEM, "Only 120 of 200"),
        (crashed(), "Errors", Level.PROBLEM, "input 0: its process ended"),
        (replace(sound(), are_labelled=False), "Labels", Level.CAUTION, "model's own predictions"),
        (replace(sound(), are_labelled=None), "Labels", Level.CAUTION, "not found"),
        (with_figures(sound(), data="10 inputs drawn from the domain (seed 0), labelled by the "
                      "network"), "Labels", Level.PROBLEM, "at random"),
        (sound("M" * 100 + "R" * 20), "Clean error", Level.PROBLEM, "no better than"),
        (sound("M" * 30 + "R" * 90), "Clean error", Level.CAUTION, "25.0%"),
        (one_class(), "Clean error", Level.CAUTION, "same class"),
        (features(eps=0.0), "Allowed changes", Level.PROBLEM, "No change"),
        (features(fixed=(0, 1)), "Allowed changes", Level.PROBLEM, "No change"),
        (features(fixed=(1,)), "Allowed changes", Level.CAUTION, "1 of 2 features"),
        (features(scale=(1.0, 0.0)), "Allowed changes", Level.CAUTION, "1 of 2 features"),
        (features(only_up=(1,)), "Allowed changes", Level.CAUTION, "only rise"),
        (sound("A" * 10 + "R" * 20), "Sample", Level.CAUTION, "17.3% and 52.8%"),
        (one_class(), "Classes", Level.CAUTION, "one class"),
        (sound("R" * 9), "Classes", Level.CAUTION, "Fewer than 5 inputs are of class 0, 1, 2"),
        (replace(sound(), reading=DataOptions(resize=True)), "Size", Level.CAUTION, "resized to 2"),
        (repeated(), "Repeated inputs", Level.CAUTION, "1 input is copied"),
        (sound("A" * 30 + "R" * 80 + "U" * 10), "Decided", Level.CAUTION, "10 of 120"),
        (with_figures(sound(), method="lippa"), "Decided", Level.CAUTION, "attack alone"),
        (made_run("A" * 9 + "R" * 9), "Gradients", Level.CAUTION, "9 of 9 witnesses"),
        (solver_word(), "Solvers", Level.CAUTION, "7 proofs"),
        (thin(), "Margins", Level.CAUTION, "1 proven margin is below"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)  # fmt: skip
def test_each_caveat(run, title, level, words):
    found = raised(run)
    assert title in found, found
    assert found[title][0] is level
    assert words in found[title][1]


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (made_run("R" * 9), "no witness"),
        (made_run("A" * 9, None, minimize=True), "Distances were minimised"),
    ],
)
def test_gradients_are_judged_by_witnesses_alone(run, said):
    (caveat,) = [
        one for one in find_caveats(ReportedRun(1, "", "", run)) if one.title == "Gradients"
    ]
    assert caveat.level is Level.FINE
    assert said in caveat.found


def test_targets_that_are_left_out():
    run = sound()
    run = replace(run, identity=replace(run.identity, targets="runner-up"))
    assert "runner-up" in raised(run)["Targets"][1]


def test_the_interval_of_a_sample_is_that_of_clopper_and_pearson():
    """Rule of three: of n robust inputs, up to 1 - 0.025^(1/n) of all may break."""
    run = sound("R" * 50)
    assert f"0.0% and {1 - 0.025 ** (1 / 50):.1%}" in raised(run)["Sample"][1]


def test_problems_come_first():
    run = with_figures(sound("A" * 10 + "U" * 5), requested=20)
    levels = [one.level for one in find_caveats(ReportedRun(1, "", "", run))]
    assert levels == sorted(levels, key=list(Level).index)
    assert levels[0] is Level.PROBLEM


def test_witnesses_of_minimised_distances_say_nothing_of_gradients():
    records = [made_record(i, "A", found_by=FoundBy.LP) for i in range(12)]
    run = made_run("", None, records=records, minimize=True)
    assert "Gradients" not in raised(run)
    assert np.isclose(run.figures["clean_error"], 0)
